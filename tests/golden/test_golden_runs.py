"""Two small runs against what is written down beside this file; README.md says when that may change."""

import hashlib
import json
import os
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_models import STEP_TOKENS, small_stage, train_and_listen
from small_road import CHINESE, ENGLISH, Road

from headrace.pipeline import RunOptions, run_recipe
from headrace.recipe import Recipe
from headrace.store import Artefact, RunFolder
from headrace.tokens import TokenStore
from headrace.train.metrics import read_metrics

HERE = Path(__file__).parent
NUM_STEPS = 20


def compare(name: str, found: str) -> str:
    """What is written down; it is what was found if that is to be written down now."""
    if os.environ.get("HEADRACE_GOLDEN") == "write":
        (HERE / name).write_text(found, encoding="utf-8")
    return (HERE / name).read_text(encoding="utf-8")


def write_corpus(folder: Path) -> None:
    """English lines and Chinese files, with short, repeated and doubled ones among them."""
    generator = random.Random(20)
    lines = [" ".join(generator.choices(ENGLISH, k=generator.randrange(3, 90))).capitalize() + "." for _ in range(120)]
    lines[40:45] = lines[10:15]
    lines[50] = "the same words again and again\n" * 30
    text = "".join(json.dumps({"text": line, "number": number}) + "\n" for number, line in enumerate(lines))
    (folder / "english.jsonl").write_text(text, encoding="utf-8")
    (folder / "chinese").mkdir()
    for number in range(40):
        verse = "，".join("".join(generator.choices(CHINESE, k=7)) for _ in range(generator.randrange(1, 12)))
        (folder / "chinese" / f"{number:02d}.txt").write_text(verse + "。", encoding="utf-8")


def describe(run: RunFolder) -> str:
    """A line for each thing that the data half makes: its name, how many there are, their digest."""
    curated, vocabulary, tokens = (run.artefact(step) for step in ("curate", "vocabulary", "tokens"))
    decisions = ("id", "source", "kept", "reason", "duplicate_of", "split")
    merges = json.loads((vocabulary.path / "tokenizer.json").read_bytes())["model"]["merges"]
    things = {
        **{f"{split} documents": rows_of(curated, f"{split}-*", ("id", "text")) for split in ("train", "validation")},
        "ledger decisions": rows_of(curated, "ledger-*", decisions),
        "vocabulary merges": merges,
    }
    for split in ("train", "validation"):
        store = TokenStore(tokens, split)
        ids = np.concatenate([store.document(number) for number in range(store.num_documents)])
        things[f"{split} token ids"] = ids.tolist()
        things[f"{split} row starts"] = store.plan.row_starts.tolist()
        things[f"{split} row segments"] = store.plan.segments.tolist()
    digests = {name: hashlib.sha256(json.dumps(thing).encode()).hexdigest()[:32] for name, thing in things.items()}
    return "".join(f"{name:<25}{len(thing):>7}  {digests[name]}\n" for name, thing in things.items())


def rows_of(artefact: Artefact, pattern: str, columns: tuple[str, ...]) -> list[tuple[object, ...]]:
    return pl.concat([pl.read_parquet(path) for path in artefact.files(pattern)]).select(columns).rows()


def test_the_data_half_makes_what_is_written_down(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    recipe = Recipe.model_validate(
        {
            "name": "golden",
            "seed": 7,
            "corpus": {
                "sources": [
                    {"name": "english", "path": "english.jsonl", "language": "en"},
                    {"name": "chinese", "path": "chinese/*.txt", "language": "zh"},
                ],
                "curate": [
                    {"rule": "num_characters >= 20", "name": "short"},
                    {"rule": "dup_line_ratio <= 0.3", "name": "repeated"},
                ],
                "hold_out": "10%",
            },
            "tokens": {"vocabulary": {"train": 380}, "row_tokens": 64},
        }
    )

    run = run_recipe(recipe, RunOptions(runs=tmp_path / "runs", recipe_folder=tmp_path, num_workers=1))

    found = describe(run.folder)
    assert found == compare("data_half.txt", found)


def train(road: Road, folder: Path) -> tuple[list[float], bytes]:
    stage = small_stage(road, folder, tokens=NUM_STEPS * STEP_TOKENS)
    train_and_listen(stage)
    records = list(read_metrics(stage.workspace.output / "metrics.jsonl"))
    losses = [record["loss"] for record in records if record["kind"] == "train"]
    return losses, (stage.workspace.output / "model.safetensors").read_bytes()


def test_training_repeats_to_the_bit_and_loses_what_is_written_down(road: Road, tmp_path: Path) -> None:
    losses, weights = train(road, tmp_path / "one")
    assert train(road, tmp_path / "two") == (losses, weights)

    found = "".join(f"{step:>2} {loss:.7f}\n" for step, loss in enumerate(losses, start=1))
    written = [float(line.split()[1]) for line in compare("training_losses.txt", found).splitlines()]
    assert losses == pytest.approx(written, rel=1e-4)
