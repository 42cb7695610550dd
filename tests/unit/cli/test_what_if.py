"""`headrace corpus what-if`: what rules drop, and what others would, without measuring anything."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Headrace = Callable[..., Any]


def effects_of(headrace: Headrace, *words: str) -> dict[str, tuple[int, int]]:
    """Reason -> documents dropped alone and on the margin."""
    outcome = headrace("corpus", "what-if", "runs/small", "--json", *words)
    assert (outcome.code, outcome.stderr) == (0, "")
    found = json.loads(outcome.stdout)["effects"]
    return {effect["reason"]: (effect["documents"], effect["margin_documents"]) for effect in found}


def test_the_table_has_a_line_per_rule_and_an_example_of_what_it_drops(headrace: Headrace, finished: Path) -> None:
    outcome = headrace("corpus", "what-if", "runs/small")

    table, _, examples = outcome.stdout.partition("together they drop 1 of 42 documents (2.4%)")
    assert (outcome.code, outcome.stderr) == (0, "")
    _, _, figures, condition, _ = table.splitlines()
    assert figures.split() == ["too_short", "1", "2.4%", "1", "0.00"]
    assert condition == "    num_words >= 4"
    assert "too_short: num_words = 2\n" in examples
    assert examples.endswith("lines.jsonl:1670\n  too short\n")
    assert "num_words = 2" not in headrace("corpus", "what-if", "runs/small", "--examples", "0").stdout


def test_names_and_conditions_are_printed_whole_on_a_narrow_terminal(
    headrace: Headrace, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    text = headrace("corpus", "what-if", "runs/small", "--preset", "gopher", "--examples", "0").stdout

    table = text.partition("\ntogether")[0].splitlines()
    assert max(map(len, table)) <= 80
    assert "gopher_short_doc " in text
    assert "    num_stop_words >= 2" in text


def test_rules_that_drop_nothing_share_a_line(headrace: Headrace, finished: Path) -> None:
    words = ("--rule", "num_words <= 90", "--rule", "num_characters >= 2")
    text = headrace("corpus", "what-if", "runs/small", *words).stdout

    assert "\ndropped nothing: num_words <= 90, num_characters >= 2\n" in text
    assert text.count("num_words <= 90") == 1


def test_json_holds_all_figures(headrace: Headrace, finished: Path) -> None:
    found = json.loads(headrace("corpus", "what-if", "runs/small", "--json").stdout)

    (effect,) = found.pop("effects")
    (example,) = effect.pop("examples")
    size, total = len("too short"), sum(map(len, texts_of(Path("lines.jsonl"))))
    assert found == {"documents": 42, "bytes": total, "dropped_documents": 1, "dropped_bytes": size}
    assert effect == {
        "reason": "too_short",
        "conditions": ["num_words >= 4"],
        "documents": 1,
        "bytes": size,
        "first_documents": 1,
        "margin_documents": 1,
        "margin_bytes": size,
    }
    assert (example["file"], example["text"], example["num_words"]) == ("lines.jsonl", "too short", 2)


def texts_of(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_a_further_rule_is_tried_together_with_those_of_the_recipe(headrace: Headrace, finished: Path) -> None:
    tried = effects_of(headrace, "--rule", "num_words >= 7", "--rule", "num_characters <= 27")

    # 11 lines have numbers of one digit; those of two are 28 characters long
    assert tried == {"too_short": (1, 0), "num_words >= 7": (42, 11), "num_characters <= 27": (30, 0)}


def test_a_preset_stands_in_place_of_the_recipe_s_rules(headrace: Headrace, finished: Path) -> None:
    tried = effects_of(headrace, "--preset", "gopher_quality")
    without = effects_of(headrace, "--preset", "gopher_quality", "--without", "gopher_short_doc")

    assert "too_short" not in tried
    assert tried["gopher_short_doc"] == (42, 41)  # "too short" has too few stop words as well
    assert without.keys() == tried.keys() - {"gopher_short_doc"}
    assert without["gopher_enough_stop_words"] == (1, 1)


def test_a_rule_can_be_left_out(headrace: Headrace, finished: Path) -> None:
    assert effects_of(headrace, "--without", "too_short") == {}
    assert "together they drop 0 of 42" in headrace("corpus", "what-if", "runs/small", "--without", "too_short").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "gofer"), 'error: no preset is called "gofer"; there are gopher_quality, '),
        (("--without", "nobody"), 'error: no rule is called "nobody"; there are too_short.'),
        (("--rule", "num_wordz > 3"), 'error: rule "num_wordz > 3": there is no column num_wordz; did you mean num_w'),
        (("--rule", "num_words"), 'error: rule "num_words": gives Int64, not true or false'),
    ],
)
def test_an_unknown_name_is_refused(words: tuple[str, str], message: str, headrace: Headrace, finished: Path) -> None:
    outcome = headrace("corpus", "what-if", "runs/small", *words)

    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(message)


def test_nothing_is_measured_or_changed(headrace: Headrace, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}

    headrace("corpus", "what-if", "runs/small", "--preset", "fineweb2")

    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before


def test_a_run_whose_measured_documents_are_gone_says_so(headrace: Headrace, finished: Path) -> None:
    (measured,) = Path("runs/store").glob("measure-*")
    measured.rename(measured.with_name("elsewhere"))

    outcome = headrace("corpus", "what-if", "runs/small")

    assert outcome.code == 2
    assert "the measured documents of source lines are no longer there. Run the recipe again." in outcome.stderr
