"""What a stage takes of each source, and in what order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import small_stage, train_and_listen, train_until
from small_road import END, Road

from headrace.errors import InputError
from headrace.parallel import Group
from headrace.tokens import BatchStream, TokenStore
from headrace.tokens.mixture_config import CurriculumConfig, MixtureConfig
from headrace.train.data import order_rows
from headrace.train.given import Stage
from headrace.train.metrics import read_metrics

MIXTURE = MixtureConfig.model_validate(
    {
        "schedule": [
            {"tokens": 0, "weights": {"novels": 1, "poems": 3}},
            {"tokens": 1_000, "weights": {"novels": 3, "poems": 1}},
        ],
        "between": "linear",
    }
)
CURRICULUM = CurriculumConfig(by="num_tokens", random_after=0.8)


def result_of(stage: Stage) -> tuple[bytes, list[float]]:
    records = read_metrics(stage.workspace.output / "metrics.jsonl")
    weights = (stage.workspace.output / "model.safetensors").read_bytes()
    return weights, [record["loss"] for record in records]


def test_a_stage_with_mixture_and_curriculum_is_resumed_to_the_bit(road: Road, tmp_path: Path) -> None:
    given: dict[str, Any] = {"mixture": MIXTURE, "curriculum": CURRICULUM}
    whole = small_stage(road, tmp_path / "whole", **given)
    summary, _ = train_and_listen(whole)

    for step in (2, 5, 5):
        train_until(small_stage(road, tmp_path / "cut", **given), step=step)
    cut = small_stage(road, tmp_path / "cut", **given)
    cut_summary, _ = train_and_listen(cut)

    assert result_of(cut) == result_of(whole)
    assert cut_summary["sources"] == summary["sources"]
    assert sum(source["rows"] for source in summary["sources"].values()) == 8 * 8
    assert set(summary["sources"]) == {"novels", "poems"}


def test_rows_of_a_stage_are_those_that_its_mixture_says(road: Road, tmp_path: Path) -> None:
    stage = small_stage(road, tmp_path, mixture=MixtureConfig(weights={"novels": 1, "poems": 3}))
    store = TokenStore(road.tokens, "train")
    order = order_rows(stage.config, store, seed=7, kept=stage.workspace.kept, group=Group())
    stream = BatchStream(store, end_token=END, seed=7, batch_rows=8, order=order)

    sources = np.array(store.lineage.column("source"))
    poems = [bool((sources[documents[0]] == "poems").all()) for step in range(5) for documents in
             zip(stream.batch(step).documents_BT, strict=True)]  # fmt: skip
    first = [sources[stream.batch(0).documents_BT[row, 0]] for row in range(8)]

    assert first.count("poems") == 6
    assert len(poems) == 40


def test_a_curriculum_by_length_begins_with_short_documents(road: Road, tmp_path: Path) -> None:
    stage = small_stage(road, tmp_path, curriculum=CurriculumConfig(by="num_tokens", random_after=None))
    store = TokenStore(road.tokens, "train")
    order = order_rows(stage.config, store, seed=7, kept=stage.workspace.kept, group=Group())

    means = []
    for row in order.rows(0, store.plan.num_rows).tolist():
        inside = store.plan.segments[store.plan.row_starts[row] : store.plan.row_starts[row + 1]]
        means.append(np.average(store.lengths[inside["document"]], weights=inside["length"]))
    by_source = [means[: store.plan.sources[0].count], means]
    assert np.corrcoef(np.arange(len(by_source[1])), by_source[1])[0, 1] > 0.5
    assert (stage.workspace.kept / "curriculum.npy").exists()


def test_a_stage_that_wants_more_than_its_sources_give_is_refused(road: Road, tmp_path: Path) -> None:
    stage = small_stage(road, tmp_path, mixture=MixtureConfig(most_epochs=0.2))

    with pytest.raises(
        InputError, match=r"most_epochs: the stage takes 64 rows, all sources together give \d+\. Allow"
    ):
        train_and_listen(stage)


def test_without_a_mixture_nothing_is_said_of_sources(road: Road, tmp_path: Path) -> None:
    summary, records = train_and_listen(small_stage(road, tmp_path))

    assert "sources" not in summary
    waits = [record for record in records if record["kind"] == "span" and record["name"] == "wait_for_batch"]
    assert len(waits) == 8  # one a step
