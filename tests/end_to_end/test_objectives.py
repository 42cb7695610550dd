"""Recipes of every objective on rows, lists of stages, and models that are given: from files to a model and figures."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_tasks import EXAMPLES, ROWS, SIZES, carry_out, recipe_of, write_project

from headrace.errors import RecipeError
from headrace.models.hugging_face import load_model, read_config
from headrace.serve.predictor import Predictor
from headrace.train.metrics import read_metrics

pytestmark = pytest.mark.xdist_group("objectives")  # so that texts are read and encoded once


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("tasks"), count=60)


def texts_of(path: Path) -> set[str]:
    return set(pq.read_table(path)["text"].to_pylist())


def losses_of(model: Path) -> list[float]:
    return [record["loss"] for record in read_metrics(model / "metrics.jsonl") if record["kind"] == "train"]


ON_ROWS: dict[str, tuple[Any, str]] = {
    "masked": ({"name": "masked", "rate": 0.3, "final_rate": 0.15, "whole_words": True}, "encoder"),
    "mixed": ("causal_and_masked", "decoder"),
    "prefix": ("prefix_lm", "decoder"),
    "spans": ("span_denoising", "encoder_decoder"),
    "infilling": ("full_denoising", "encoder_decoder"),
}


@pytest.mark.parametrize("name", ON_ROWS)
def test_rows_are_learnt_with_the_special_tokens_that_the_objective_needs(name: str, project: Path) -> None:
    objective, shape = ON_ROWS[name]
    recipe = recipe_of(name, rows=True, train={**ROWS, "objective": objective}, model={**SIZES, "shape": shape})

    run = carry_out(recipe, project, project / "runs")

    (model,) = run.folder.artefacts("train")
    losses = losses_of(model.path)
    assert losses[-1] < losses[0]
    assert load_model(model.path)[0].config.shape == shape
    tokens = {token.split("_")[0] for token in recipe.tokens_config.vocabulary.special_tokens}
    assert tokens == {"spans": {"<extra"}, "prefix": set()}.get(name, {"<|mask|>"})


def test_a_pretrained_encoder_becomes_a_classifier_in_one_recipe(project: Path) -> None:
    stages = [{**ROWS, "objective": "masked"}, {**EXAMPLES, "objective": "classify", "adapter": {"lora": {"rank": 2}}}]
    recipe = recipe_of("two", rows=True, examples="classify", train=stages, model={**SIZES, "shape": "encoder"})

    run = carry_out(recipe, project, project / "runs")

    masked, classifier = run.folder.artefacts("train")
    assert read_config(classifier.path)["headrace"]["task"] == "classify"
    (measured,) = run.folder.artefacts("evaluate")
    assert measured.summary["accuracy"] > 0.6
    assert measured.manifest.inputs["before"] == masked.address
    assert Predictor(classifier.path).labels == ("bad", "good")


def test_without_a_corpus_rows_are_made_of_the_training_examples_and_of_no_others(project: Path) -> None:
    stages = [{**ROWS, "objective": "masked"}, {**EXAMPLES, "objective": "classify"}]
    recipe = recipe_of("own", examples="classify", train=stages, model={**SIZES, "shape": "encoder"})

    run = carry_out(recipe, project, project / "runs")

    (curated,), (examples,) = run.folder.artefacts("curate"), run.folder.artefacts("examples")
    read, held_out = texts_of(curated.path / "train-00000.parquet"), texts_of(curated.path / "validation-00000.parquet")
    assert read
    assert held_out
    assert read | held_out == texts_of(examples.path / "train.parquet")
    kept_apart = texts_of(examples.path / "validation.parquet") | texts_of(examples.path / "test.parquet")
    assert not kept_apart & (read | held_out)
    assert read_config(run.folder.artefacts("train")[1].path)["headrace"]["task"] == "classify"


def test_a_model_that_is_given_goes_on_from_a_folder_and_from_a_gguf_file(project: Path) -> None:
    from headrace.models.convert import convert

    own = recipe_of("own", rows=True, train={**ROWS, "objective": "causal"})
    (first,) = carry_out(own, project, project / "runs").folder.artefacts("train")
    shutil.copytree(first.path, project / "given", dirs_exist_ok=True)
    convert(project / "given", project / "given.gguf", to="gguf", kind="f32")

    finals = {}
    for name, path in (("folder", "given"), ("gguf", "given.gguf")):
        stage = {**EXAMPLES, "objective": "instruct"}
        recipe = recipe_of(name, examples="instruct", train=stage, tokens=None, model={"hf": path})
        run = carry_out(recipe, project, project / "runs")
        (trained,) = run.folder.artefacts("train")
        finals[name] = losses_of(trained.path)
        (measured,) = run.folder.artefacts("evaluate")
        assert measured.summary["answer_loss"] < finals[name][0]
    assert finals["gguf"] == pytest.approx(finals["folder"], rel=1e-4)

    wrong = recipe_of(
        "wrong",
        rows=True,
        train={**ROWS, "objective": "masked"},
        tokens={"row_tokens": 64},
        model={"hf": "given"},
    )
    with pytest.raises(RecipeError, match="the objective masked is for a model of shape encoder"):
        carry_out(wrong, project, project / "runs")
