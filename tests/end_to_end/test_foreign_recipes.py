"""Recipes with `model: {hf: FOLDER}` for models that only transformers can build, from raw files to use."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import transformers
from small_foreign import save_small
from small_road import ENGLISH, Road, build_road

from headrace.errors import RecipeError
from headrace.pipeline.result import Run
from headrace.pipeline.run import RunOptions, run_recipe
from headrace.recipe import Recipe
from headrace.serve.predictor import Predictor
from headrace.serve.sampling import SamplingConfig
from headrace.tokens.config import VocabularyConfig

STAGE = {"precision": "fp32", "compile": "off", "micro_batch_tokens": 512, "learning_rate": 1e-2}
EXAMPLES_STAGE = {**STAGE, "epochs": 3, "global_batch_examples": 16}


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    words = VocabularyConfig(train=400, special_tokens=("<pad>", "</s>", "<mask>"))
    return build_road(tmp_path_factory.mktemp("road"), vocabulary=words)


def carry_out(kind: str, folder: Path, road: Road, **sections: Any) -> Run:
    if not (folder / "model").exists():
        save_small(kind, folder / "model", tokenizer=road.tokenizer_path)
    given = {"name": "small", "seed": 3, "model": {"hf": "model"}, **sections}
    recipe = Recipe.model_validate(given, strict=False)
    return run_recipe(recipe, RunOptions(runs=folder / "runs", recipe_folder=folder, num_workers=1))


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def words(random_: random.Random, count: int = 6) -> str:
    return " ".join(random_.choices(ENGLISH, k=count))


def test_a_decoder_goes_on_from_a_corpus_and_continues_texts(road: Road, tmp_path: Path) -> None:
    choose = random.Random(1)
    write_lines(tmp_path / "texts.jsonl", [{"text": words(choose, 30)} for _ in range(80)])
    corpus = {"sources": [{"name": "novels", "path": "texts.jsonl", "curate": []}], "curate": [], "hold_out": "20%"}
    given = {"tokens": {"row_tokens": 64}, "train": {**STAGE, "epochs": 2, "global_batch_tokens": 512}}
    evaluated = ["bits_per_byte", {"samples": {"prompts": ["the mill"], "max_tokens": 5}}]

    run = carry_out("opt", tmp_path, road, corpus=corpus, evaluate=evaluated, **given)

    folder = run.folder.artefact("train").path
    assert isinstance(transformers.AutoModelForCausalLM.from_pretrained(folder), transformers.OPTForCausalLM)
    figures = run.folder.artefact("evaluate").summary
    assert figures["bits_per_byte"] < figures["bits_per_byte_before"] - 0.5
    generator = run.open_model()
    drawn = SamplingConfig(max_tokens=8, temperature=0.9)
    assert generator.generate("the mill", drawn, seed=4) == generator.generate("the mill", drawn, seed=4)
    assert generator.generate("the mill", drawn, seed=4) != generator.generate("the mill", drawn, seed=5)
    with pytest.raises(RecipeError, match="64 is less than a row's 128 tokens"):
        carry_out("opt", tmp_path, road, corpus=corpus, tokens={"row_tokens": 128}, train=given["train"])


def test_an_encoder_learns_classes_and_transformers_tells_them(road: Road, tmp_path: Path) -> None:
    choose = random.Random(1)
    texts = [words(choose) for _ in range(120)]
    write_lines(tmp_path / "mail.jsonl", [{"text": text, "label": str("mill" in text)} for text in texts])
    examples = {"train": "mail.jsonl", "validation": "20%", "test": "20%"}
    stage = {**EXAMPLES_STAGE, "objective": {"name": "classify", "max_tokens": 60}, "epochs": 12}

    run = carry_out("distilbert", tmp_path, road, examples=examples, train=stage)

    assert run.folder.artefact("evaluate").summary["accuracy"] > 0.85
    folder = run.folder.artefact("train").path
    classify = transformers.pipeline("text-classification", str(folder))
    predictor = Predictor(folder)
    assert set(predictor.labels) == {"True", "False"}
    found = predictor.class_probabilities(predictor.encode(pa.table({"text": texts[:20]})))
    for text, probability_C in zip(texts[:20], found, strict=True):
        told = classify(text)[0]
        assert told["label"] == predictor.labels[int(probability_C.argmax())]
        assert told["score"] == pytest.approx(probability_C.max(), abs=1e-3)
