"""Groups get their shares, whichever documents there are, and what cannot be had is refused."""

import random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.corpus.mix import MixConfig
from headrace.corpus.mix.amounts import fill
from headrace.corpus.mix.copies import Mixture, choose_copies
from headrace.errors import RecipeError


def make_ledger(seed: int = 1, **counts: int) -> pl.DataFrame:
    """So many documents of each source, of 100 to 1,000 bytes."""
    generator = random.Random(seed)
    rows = [
        {
            "id": f"{source}-{number}",
            "source": source,
            "num_bytes": generator.randrange(100, 1_000),
            "kept": True,
            "split": "train",
            "metadata": f'{{"label": "{source}", "deep": {{"er-": "{number % 2}"}}}}',
            "cluster_size": 1 + number % 3,
        }
        for source, count in counts.items()
        for number in range(count)
    ]
    return pl.DataFrame(rows)


def mix(ledger: pl.DataFrame, *, seed: int = 7, **settings: Any) -> Mixture:
    return choose_copies(ledger, MixConfig.model_validate(settings), seed=seed)


def shares(mixture: Mixture) -> dict[str, float]:
    return dict(mixture.outcome.select("group", "share_after").iter_rows())


def test_without_wishes_every_document_is_used_once() -> None:
    mixture = mix(make_ledger(a=30, b=7))

    assert mixture.copies.tolist() == [1] * 37
    assert mixture.copies.dtype == np.int32
    assert mixture.outcome["documents_before"].to_list() == mixture.outcome["copies_after"].to_list() == [30, 7]


def test_targets_are_met_within_a_document() -> None:
    ledger = make_ledger(a=3_000, b=300, c=100)

    mixture = mix(ledger, targets={"a": "80%", "b": 0.15, "c": 0.05})

    assert shares(mixture) == pytest.approx({"a": 0.8, "b": 0.15, "c": 0.05}, abs=1e-3)
    assert mixture.outcome["bytes_after"].sum() == pytest.approx(ledger["num_bytes"].sum(), rel=1e-3)


def test_what_targets_leave_goes_to_the_others_by_size() -> None:
    assert shares(mix(make_ledger(a=300, b=600, c=300), targets={"a": 0.4})) == pytest.approx(
        {"a": 0.4, "b": 0.4, "c": 0.2}, abs=0.02
    )


def test_alpha_flattens_and_the_total_stays() -> None:
    ledger = make_ledger(a=4_000, b=1_000)
    sizes = ledger.group_by("source", maintain_order=True).agg(pl.col("num_bytes").sum())["num_bytes"].to_numpy()

    mixture = mix(ledger, alpha=0.5)

    weights = np.sqrt(sizes)
    assert list(shares(mixture).values()) == pytest.approx(weights / weights.sum(), abs=1e-3)
    assert mixture.outcome["bytes_after"].sum() == pytest.approx(sizes.sum(), rel=1e-3)


def test_a_small_group_is_repeated_only_so_often_and_the_others_make_up_for_it() -> None:
    mixture = mix(make_ledger(a=1_000, b=10), alpha=0.0, max_repeats=3, measure="documents")

    assert mixture.outcome["copies_after"].to_list() == [980, 30]
    assert mixture.outcome["limited_by"].to_list() == ["", "max_repeats"]


def test_caps_hold_and_are_not_made_up_for_without_wishes() -> None:
    ledger = make_ledger(a=100, b=100, c=100)
    caps = {"a": {"max_documents": 20}, "b": {"max_bytes": 5_000}, "*": {"max_epochs": 0.5}}

    outcome = mix(ledger, caps=caps, measure="documents").outcome

    assert outcome["copies_after"][0] == 20
    assert outcome["copies_after"][2] == 50
    assert outcome["bytes_after"][1] == pytest.approx(5_000, rel=0.3)  # in documents of the group's mean size
    assert outcome["limited_by"].to_list() == ["cap", "cap", "cap"]


def test_an_impossible_target_is_refused_and_the_advice_holds() -> None:
    ledger = make_ledger(a=1_000, b=10)
    wish: dict[str, Any] = {"targets": {"a": 0.5, "b": 0.5}, "measure": "documents"}

    with pytest.raises(RecipeError, match=r"b is to be 50\.0% of 1,010 documents.*best possible is total: 80;"):
        mix(ledger, **wish)
    assert mix(ledger, **wish, total=80).outcome["copies_after"].to_list() == [40, 40]


def test_other_impossible_wishes_are_refused_by_name() -> None:
    ledger = make_ledger(a=5, b=5)
    with pytest.raises(RecipeError, match="leave nothing for b"):
        mix(ledger, targets={"a": 1.0})
    with pytest.raises(RecipeError, match=r"make only 70\.0%"):
        mix(ledger, targets={"a": 0.5, "b": 0.2})
    with pytest.raises(RecipeError, match="no document has source = x; there are a, b"):
        mix(ledger, targets={"x": 1.0})
    with pytest.raises(RecipeError, match="no column colour"):
        mix(ledger, by="colour")
    with pytest.raises(RecipeError, match=r"no document has a metadata\.colour"):
        mix(ledger, by="metadata.colour")
    with pytest.raises(RecipeError, match="no column cluster_size"):
        mix(ledger.drop("cluster_size"), repeats_by_cluster_size=((2, 2),))
    with pytest.raises(ValidationError, match=r"make 110\.0%"):
        MixConfig(targets={"a": 0.6, "b": 0.5})
    with pytest.raises(ValidationError, match="a cap needs"):
        MixConfig.model_validate({"caps": {"a": {}}})
    with pytest.raises(ValidationError, match="must ascend"):
        MixConfig(repeats_by_cluster_size=((3, 2), (2, 3)))


def test_a_field_of_the_metadata_can_group() -> None:
    ledger = make_ledger(a=30, b=10)

    assert mix(ledger, by="metadata.label").outcome["group"].to_list() == ["a", "b"]
    assert mix(ledger, by="metadata.deep.er-").outcome["documents_before"].to_list() == [20, 20]


def test_text_that_many_copied_counts_more() -> None:
    ledger = make_ledger(a=9)

    mixture = mix(ledger, repeats_by_cluster_size=[[2, 2], [3, 5]])

    assert mixture.copies.tolist() == [1, 2, 5] * 3


def test_only_kept_training_documents_are_mixed() -> None:
    ledger = make_ledger(a=6).with_columns(
        kept=pl.Series([True, False, True, True, True, True]),
        split=pl.Series(["train", "", "validation", "train", "train", "train"]),
    )

    mixture = mix(ledger, total=8, measure="documents", max_repeats=2, alpha=1.0)

    assert mixture.copies.tolist() == [2, 0, 1, 2, 2, 2]
    assert mix(ledger.with_columns(kept=pl.lit(False))).copies.tolist() == [0] * 6


WISHES: list[dict[str, Any]] = [
    {"alpha": 0.3},
    {"targets": {"a": 0.5}, "max_repeats": 20},
    {"caps": {"*": {"max_documents": 9}}},
    {"alpha": 0.0, "repeats_by_cluster_size": ((3, 2),), "measure": "documents"},
]


@settings(deadline=None, max_examples=40)
@given(wish=st.sampled_from(WISHES), order=st.permutations(range(45)), seed=st.integers())
def test_the_order_of_the_ledger_does_not_matter(wish: dict[str, Any], order: list[int], seed: int) -> None:
    ledger = make_ledger(a=30, b=10, c=5)

    assert (
        mix(ledger[order], seed=seed, **wish).copies.tolist() == mix(ledger, seed=seed, **wish).copies[order].tolist()
    )


def test_another_seed_takes_other_documents() -> None:
    ledger = make_ledger(a=100)
    first, again, other = (mix(ledger, seed=seed, total=50, measure="documents").copies for seed in (1, 1, 2))

    assert first.tolist() == again.tolist() != other.tolist()


def test_new_documents_change_the_choice_among_the_old_only_at_its_edge() -> None:
    ledger = make_ledger(a=1_000)
    grown = pl.concat([ledger, make_ledger(seed=2, a=1_050)[1_000:]])

    before = mix(ledger, total=500, measure="documents").copies
    after = mix(grown, total=500, measure="documents").copies

    assert before.sum() == after.sum() == 500
    assert (after[:1_000] > before).sum() == 0
    assert (after[:1_000] < before).sum() == after[1_000:].sum() < 50


AMOUNTS = st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=8)


@given(amounts=AMOUNTS)
def test_limits_hold_and_what_they_take_goes_to_the_others_in_proportion(amounts: list[tuple[float, float]]) -> None:
    wanted, limits = np.array(amounts).T

    taken = fill(wanted, limits, is_fixed=np.zeros(len(wanted), np.bool_))

    assert (taken <= limits * (1 + 1e-9)).all()
    assert taken.sum() == pytest.approx(min(wanted.sum(), limits.sum()))
    is_open = taken < limits * (1 - 1e-9)
    assert np.ptp(taken[is_open] / wanted[is_open]) == pytest.approx(0) if is_open.any() else True
