"""From a row of a training step to the bytes of the raw file that it was made of, and back to the same text."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_project import RECIPE, write_corpus

from headrace.errors import InputError
from headrace.pipeline import RunOptions, run_recipe
from headrace.pipeline.tracing import TracedRow, trace_step
from headrace.recipe import Recipe
from headrace.store import RunFolder
from headrace.tokens import BatchStream, TokenStore, load_vocabulary
from headrace.tokens.ordering import build_order, rank_by

pytestmark = pytest.mark.xdist_group("trace")  # so that what these tests share is made once

TRAIN: dict[str, Any] = {
    "tokens": 2_048,
    "mixture": {"weights": {"prose": 1, "pages": 1, "poems": 2}},
    "curriculum": {"by": "num_characters", "random_after": 0.5},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traced")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def run(project: Path) -> RunFolder:
    settings = {**RECIPE, "train": {**RECIPE["train"], "epochs": None, **TRAIN}}  # type: ignore[dict-item]
    del settings["evaluate"]
    recipe = Recipe.model_validate(json.loads(json.dumps(settings)), strict=False)
    return run_recipe(recipe, RunOptions(runs=project / "runs", recipe_folder=project, num_workers=1)).folder


@pytest.fixture(scope="module")
def rows(run: RunFolder) -> list[TracedRow]:
    return trace_step(run, 2)


def test_the_bytes_that_are_named_hold_the_document(run: RunFolder, rows: list[TracedRow], project: Path) -> None:
    store = TokenStore(run.artefact("tokens"), "train")
    numbers = {document: number for number, document in enumerate(store.lineage.column("id"))}
    tokenizer = load_vocabulary(run.artefact("vocabulary").path / "tokenizer.json")

    looked_at = 0
    for piece in (piece for row in rows for piece in row.pieces if piece.source != "pages"):
        raw = (project / piece.file).read_bytes()[piece.offset : piece.offset + piece.size_bytes]
        text = tokenizer.decode(store.document(numbers[piece.document]).tolist(), skip_special_tokens=True)
        assert json.loads(raw)["text"] == text
        looked_at += 1
    assert looked_at > 10
    assert {piece.source for row in rows for piece in row.pieces} == {"prose", "pages", "poems"}


def test_the_rows_are_those_that_training_saw(run: RunFolder, rows: list[TracedRow]) -> None:
    recipe = Recipe.model_validate(run.read().recipe, strict=False)
    store = TokenStore(run.artefact("tokens"), "train")
    config = recipe.train[0]
    assert config.curriculum is not None
    order = build_order(
        store.plan, seed=recipe.seed, mixture=config.mixture, curriculum=rank_by(config.curriculum, store)
    )
    batch = BatchStream(store, end_token=0, seed=recipe.seed, batch_rows=16, order=order).batch(1)
    ids = store.lineage.column("id")

    for row in rows:
        seen = [ids[number] for number in batch.documents_BT[row.place].tolist() if number >= 0]
        assert list(dict.fromkeys(seen)) == list(dict.fromkeys(piece.document for piece in row.pieces))
        assert sum(piece.num_tokens for piece in row.pieces) == len(seen)
    assert [row.place for row in rows] == list(range(16))
    assert trace_step(run, 2, place=5) == [rows[5]]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"step": 0}, "step 0: the stage has steps 1 to 2"),
        ({"step": 3}, "step 3: the stage has steps"),
        ({"step": 1, "place": 16}, "rows 0 to 15"),
        ({"step": 1, "stage": 1}, "the run has 1 training stages"),
    ],
)
def test_what_there_is_not_is_refused(given: dict[str, int], complaint: str, run: RunFolder) -> None:
    with pytest.raises(InputError, match=complaint):
        trace_step(run, given["step"], place=given.get("place"), stage=given.get("stage", 0))


def test_the_command_names_files_and_bytes(run: RunFolder, headrace: Any) -> None:
    done = headrace("trace", str(run.path), "1:0")

    assert done.returncode == 0
    assert done.stdout.startswith("row 0\n")
    assert "bytes from byte" in done.stdout
    assert json.loads(headrace("trace", str(run.path), "1:0", "--json").stdout)[0]["pieces"][0]["size_bytes"] > 0
    assert headrace("trace", str(run.path), "one").returncode == 2
