"""Training on tokens that were made before: another run's, and a store in a real S3 API on loopback."""

import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import pytest
from pydantic import ValidationError
from small_project import RECIPE

from headrace.errors import HeadraceError, InputError, RecipeError, StoreError
from headrace.pipeline import Run, RunOptions, run_recipe
from headrace.pipeline.tracing import trace_step
from headrace.pipeline.upload import upload_tokens
from headrace.recipe import Recipe
from headrace.store import RunFolder, Store
from headrace.store.artefact import Manifest

pytestmark = pytest.mark.xdist_group("finished run")  # so that what these tests share is made once


@pytest.fixture(scope="module")
def made(finished: Path) -> Run:
    """The whole road, from text to a model."""
    return Run(RunFolder(finished / "small"))


def recipe_of(tokens: dict[str, Any], **given: Any) -> Recipe:
    """The road's later half."""
    settings = {key: value for key, value in RECIPE.items() if key not in ("corpus", "tokens")}
    return Recipe.model_validate(
        json.loads(json.dumps(settings | {"name": "other", "tokens": tokens} | given)), strict=False
    )


def weights_of(run: Run) -> bytes:
    return (run.path / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize("named", ["the run", "its tokens", "in the same folder of runs"])
def test_a_model_of_stored_tokens_is_that_of_the_whole_road(named: str, made: Run, tmp_path: Path) -> None:
    store, runs = made.path, tmp_path / "runs"
    if named == "its tokens":
        store = made.folder.artefact("tokens").path
    if named == "in the same folder of runs":
        shutil.copytree(made.path.parent, runs, symlinks=True)
        store = runs / "small"
    run = run_recipe(recipe_of({"store": str(store)}), RunOptions(runs=runs))
    assert [step.label for step in run.folder.read().steps] == ["tokens", "vocabulary", "train", "evaluate"]
    assert run.folder.artefact("train").address == made.folder.artefact("train").address
    assert weights_of(run) == weights_of(made)
    assert run.report.stat().st_size > 10_000
    assert trace_step(run.folder, 1) == trace_step(made.folder, 1)


def test_what_is_linked_is_not_removed_where_it_lies(made: Run, tmp_path: Path) -> None:
    run = run_recipe(recipe_of({"store": str(made.path)}, evaluate=None), RunOptions(runs=tmp_path / "runs"))
    store = run.folder.store
    assert store.garbage([step.address for step in run.folder.read().steps]) == []
    for path in store.garbage([]):
        assert store.remove(path)
    assert store.artefacts() == []
    made.folder.artefact("tokens").verify()


def test_a_store_in_s3_streams_through_a_small_cache(made: Run, storage: dict[str, str], tmp_path: Path) -> None:
    bucket = fsspec.filesystem("s3", **storage)
    bucket.mkdir("tokens-bucket")
    url = upload_tokens(made.folder, "s3://tokens-bucket/deep/er", dict(storage))
    tokens = {"store": url, "storage": storage, "cache_gigabytes": 1e-4}
    run = run_recipe(recipe_of(tokens), RunOptions(runs=tmp_path / "runs"))
    assert weights_of(run) == weights_of(made)
    assert run.evaluation.details == made.evaluation.details
    blocks = [path for path in (tmp_path / "runs/store/.blocks").rglob("0*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in blocks) <= 100_000
    assert not list((tmp_path / "runs/store").glob("*/*.bin"))
    for artefact in Store(tmp_path / "runs/store").artefacts():
        artefact.verify()
    pieces = [piece.document for row in trace_step(run.folder, 1) for piece in row.pieces]
    assert pieces == [piece.document for row in trace_step(made.folder, 1) for piece in row.pieces]
    assert upload_tokens(made.folder, "s3://tokens-bucket/deep/er/", dict(storage)) == url  # nothing is copied twice
    bucket.rm(f"{url}/train-00000.idx")
    with pytest.raises(InputError, match=r"train-00000\.idx: cannot be read"):
        run_recipe(recipe_of(tokens), RunOptions(runs=tmp_path / "fresh"))
    with pytest.raises(InputError, match="its tokens lie in an object store already"):
        upload_tokens(run.folder, "s3://tokens-bucket/again", dict(storage))


@pytest.mark.parametrize(
    ("tokens", "given", "sentence"),
    [
        ({"store": "x", "row_tokens": 64}, {}, "`store` brings its own row_tokens"),
        ({"cache_gigabytes": 3}, {}, "`cache_gigabytes` is for a `store`"),
        ({"store": "x"}, {"train": [], "model": None, "evaluate": None}, "leaves nothing to do"),
        ({}, {}, "`corpus` is missing"),
        ({"store": "x"}, {"corpus": RECIPE["corpus"]}, "two places"),
    ],
)
def test_recipes_that_cannot_be_are_refused(tokens: dict[str, Any], given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        recipe_of(tokens, **given)


@pytest.mark.parametrize(
    ("store", "sentence"),
    [
        ("nowhere", "neither the folder of a run with tokens nor of a token store"),
        ("https://example.org/tokens", "https:// is not read"),
        ("memory://nothing/here", "memory://nothing/here/manifest.json: cannot be read"),
    ],
)
def test_stores_that_are_not_there_are_named(store: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(HeadraceError, match=sentence):
        run_recipe(recipe_of({"store": store}), RunOptions(runs=tmp_path / "runs"))


def test_rows_that_do_not_fit_a_step_are_refused(made: Run, tmp_path: Path) -> None:
    train = {**RECIPE["train"], "global_batch_tokens": 1000}  # type: ignore[dict-item]
    with pytest.raises(RecipeError, match=r"Rows are those of tokens\.store"):
        run_recipe(recipe_of({"store": str(made.path)}, train=train), RunOptions(runs=tmp_path / "runs"))


def test_tokens_without_their_vocabulary_are_refused(made: Run, tmp_path: Path) -> None:
    tokens = made.folder.artefact("tokens")
    shutil.copytree(tokens.path, tmp_path / "store" / tokens.address)
    with pytest.raises(InputError, match=r"needs vocabulary-.* beside it"):
        run_recipe(recipe_of({"store": str(tmp_path / "store" / tokens.address)}), RunOptions(runs=tmp_path / "runs"))
    shutil.copytree(made.folder.artefact("vocabulary").path, tmp_path / "store" / tokens.manifest.inputs["vocabulary"])
    recipe = recipe_of({"store": str(tmp_path / "store" / tokens.address)}, evaluate=None)
    run = run_recipe(recipe, RunOptions(runs=tmp_path / "runs"))
    assert weights_of(run) == weights_of(made)
    assert RunFolder(run.path).artefact("tokens").address == tokens.address


WEIGHTS = {"prose": 1, "pages": 1, "poems": 2}
STEP_TOKENS, STOPPED_STEP = 1_024, 5


class StopsAfter:
    """A listener that ends a run after a step, and remembers what was said of inherited work."""

    def __init__(self, step: int | None) -> None:
        self.inherited: list[int] = []
        self._step = step

    def __call__(self, record: dict[str, Any]) -> None:
        if record["name"] == "inherited":
            self.inherited.append(record["step"])
        if record["name"] == "train_metrics" and record["step"] == self._step:
            raise KeyboardInterrupt


def run_with_schedule(
    made: Run, runs: Path, points: dict[int, dict[str, int]], *, stops_after: int | None
) -> StopsAfter:
    """Trains 12 steps on the stored tokens with weights that change at points given in steps."""
    schedule = [{"tokens": step * STEP_TOKENS, "weights": weights} for step, weights in points.items()]
    train = {**RECIPE["train"], "epochs": None, "tokens": 12 * STEP_TOKENS, "mixture": {"schedule": schedule}}  # type: ignore[dict-item]
    listener = StopsAfter(stops_after)
    recipe = recipe_of({"store": str(made.path)}, train=train, evaluate=None)
    try:
        run_recipe(recipe, RunOptions(runs=runs, listeners=(listener,)))
    except KeyboardInterrupt:
        assert stops_after
    return listener


def test_weights_changed_at_a_resume_go_on_from_there(made: Run, tmp_path: Path) -> None:
    changed = {0: WEIGHTS, 8: {"prose": 5, "pages": 0, "poems": 1}}
    run_with_schedule(made, tmp_path / "stopped", {0: WEIGHTS}, stops_after=STOPPED_STEP)
    resumed = run_with_schedule(made, tmp_path / "stopped", changed, stops_after=None)
    fresh = run_with_schedule(made, tmp_path / "fresh", changed, stops_after=None)
    assert resumed.inherited
    assert 1 <= resumed.inherited[0] <= STOPPED_STEP
    assert fresh.inherited == []
    models = [weights_of(Run(RunFolder(tmp_path / runs / "other"))) for runs in ("stopped", "fresh")]
    assert models[0] == models[1]


def test_weights_changed_for_what_was_seen_already_begin_anew(made: Run, tmp_path: Path) -> None:
    run_with_schedule(made, tmp_path / "runs", {0: WEIGHTS}, stops_after=STOPPED_STEP)
    changed = {0: WEIGHTS, 1: {"prose": 5, "pages": 0, "poems": 1}}
    assert run_with_schedule(made, tmp_path / "runs", changed, stops_after=2).inherited == []


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside", "..", ""])
def test_a_manifest_from_elsewhere_names_no_place_outside(name: str, made: Run) -> None:
    manifest = made.folder.artefact("tokens").manifest.model_dump(mode="json")
    manifest["files"] = {name: {"size_bytes": 1, "sha256": ""}}
    with pytest.raises(ValidationError, match="is no file inside an artefact"):
        Manifest.model_validate_json(json.dumps(manifest))


@pytest.mark.parametrize("address", ["..", "vocabulary-../../x", "vocabulary", ""])
def test_an_address_from_elsewhere_is_a_name_and_nothing_else(address: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no address of an artefact"):
        Store(tmp_path).take_in(address, lambda folder: pytest.fail(f"{folder} was asked for"))
