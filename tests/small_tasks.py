"""Small examples of every kind and a corpus, with recipes that learn from them in a second or two."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from headrace.pipeline import RunOptions, run_recipe
from headrace.pipeline.result import Run
from headrace.recipe import Recipe

GOOD, BAD = ("river", "wheel", "mill", "sea"), ("snow", "stone", "dust", "smoke")
FILLING = ("the", "a", "of", "is", "and", "was", "here", "there")
NAMES = ("Anna", "Bela", "Carl")
STAGE: dict[str, Any] = {
    "precision": "fp32",
    "compile": "off",
    "checkpoint": {"every_seconds": 0},
    "learning_rate": 0.01,
    "micro_batch_tokens": 256,
}
ROWS: dict[str, Any] = {**STAGE, "global_batch_tokens": 512, "epochs": 2, "validation": {"tokens": 256, "per_epoch": 1}}
EXAMPLES: dict[str, Any] = {
    **STAGE,
    "global_batch_examples": 8,
    "epochs": 4,
    "validation": {"per_epoch": 1},
}
SIZES: dict[str, Any] = {"depth": 2, "width": 32, "heads": 2, "kv_heads": 1, "feed_forward": 48}
TOKENS: dict[str, Any] = {"vocabulary": {"train": 280}, "row_tokens": 64}
CORPUS: dict[str, Any] = {
    "sources": [{"name": "prose", "path": "prose.jsonl"}],
    "curate": [],
    "deduplicate": [],
    "hold_out": "10%",
}


def write_project(folder: Path, *, count: int = 80) -> Path:
    """A file for each kind of examples, and `prose.jsonl`."""
    choose = random.Random(3)

    def words(kind: Sequence[str]) -> list[str]:
        return [*choose.choices(FILLING, k=choose.randint(1, 9)), *choose.choices(kind, k=2)]

    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("classify", "many", "tag", "seq2seq", "instruct", "prefer")
    }
    for number in range(count):
        good = number % 2 == 0
        text = words(GOOD if good else BAD)
        choose.shuffle(text)
        rows["classify"].append({"text": " ".join(text), "label": "good" if good else "bad"})
        labels = [name for name, kind in (("wet", GOOD), ("dry", BAD)) if set(kind) & set(text)]
        rows["many"].append({"text": " ".join(text), "labels": labels if number % 5 else []})
        name = choose.choice(NAMES)
        tokens = [*text[:3], name, *text[3:]]
        rows["tag"].append({"tokens": tokens, "tags": ["B-PER" if token == name else "O" for token in tokens]})
        rows["seq2seq"].append({"source": " ".join(text), "target": " ".join(text[:2]).upper()})
        answer = "wet" if good else "dry"
        rows["instruct"].append({"prompt": " ".join(text), "answer": answer})
        rows["prefer"].append({"prompt": " ".join(text), "chosen": answer, "rejected": "neither of them"})
    rows["prose"] = [{"text": " ".join(word for _ in range(6) for word in words(GOOD))} for _ in range(count)]
    for name, records in rows.items():
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, records)) + b"\n")
    return folder


def examples_of(kind: str, **given: Any) -> dict[str, Any]:
    return {"train": f"{kind}.jsonl", "validation": "20%", "test": "20%", **given}


def recipe_of(name: str, *, rows: bool = False, examples: str | None = None, **given: Any) -> Recipe:
    """A recipe over the project: of its corpus, or of a file of examples, or of both."""
    found: dict[str, Any] = {"name": name, "seed": 7, "tokens": TOKENS, "model": SIZES}
    if rows:
        found["corpus"] = CORPUS
    if examples:
        found["examples"] = examples_of(examples)
    return Recipe.model_validate({**found, **given}, strict=False)


def carry_out(recipe: Recipe, project: Path, runs: Path, **given: Any) -> Run:
    return run_recipe(recipe, RunOptions(runs=runs, recipe_folder=project, num_workers=1, **given))
