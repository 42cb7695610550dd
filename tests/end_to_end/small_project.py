"""A small corpus in two languages, a recipe for it, and how the command line is started on it."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

Headrace = Callable[..., subprocess.CompletedProcess[str]]
HEADRACE = (sys.executable, "-m", "headrace")
WORDS = (
    "the river that turns the wheel is cold and the miller who waits for it to rise has nothing to do but read and "
    "write of what was here before and what will be when the water comes down from the hills with snow in it again"
).split()
SIGNS = "春眠不覺曉處處聞啼鳥夜來風雨聲花落知多少床前明月光疑是地上霜舉頭望低思故鄉"

RECIPE = {
    "name": "small",
    "seed": 11,
    "corpus": {
        "sources": [
            {"name": "prose", "path": "prose.jsonl"},
            {"name": "pages", "path": "pages", "language": "en"},
            {"name": "poems", "path": "poems.jsonl", "language": "zh", "curate": []},
        ],
        "curate": [{"rule": "num_words >= 30", "name": "too_short"}],
        "hold_out": "10%",
    },
    "tokens": {"vocabulary": {"train": 420}, "row_tokens": 64},
    "model": {"depth": 2, "width": 32, "heads": 2, "kv_heads": 1, "feed_forward": 64},
    "train": {
        "epochs": 1,
        "global_batch_tokens": 1024,
        "micro_batch_tokens": 512,
        "compile": "off",
        "precision": "fp32",
        "checkpoint": {"every_seconds": 0},
    },
    "evaluate": ["bits_per_byte", {"samples": {"prompts": ["the river", "春"], "max_tokens": 12}}],
}


def write_corpus(folder: Path, *, num_documents: int = 120) -> None:
    """English prose and pages and Chinese poems, a fifth of them repeated, one record damaged."""
    choose = random.Random(5)
    prose = [" ".join(choose.choices(WORDS, k=choose.randint(40, 160))) + "." for _ in range(num_documents)]
    poems = ["，".join("".join(choose.choices(SIGNS, k=7)) for _ in range(4)) + "。" for _ in range(num_documents)]
    for name, texts in (("prose", prose), ("poems", poems)):
        lines = [orjson.dumps({"text": text, "number": number}) for number, text in enumerate([*texts, *texts[::5]])]
        lines.insert(3, b'{"text": "cut in the mid')
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "pages").mkdir()
    for number in range(8):
        text = " ".join(choose.choices(WORDS, k=90))
        head, main = f"<head><title>Page {number}</title></head>", f"<main><p>{text}.</p></main>"
        page = f"<html>{head}<body><nav>Home | Next</nav>{main}</body></html>"
        (folder / "pages" / f"{number}.html").write_text(page, encoding="utf-8")


def environment() -> dict[str, str]:
    """One thread, so that runs beside each other do not wait for each other's threads; no colours; bytecode is kept."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}


def content(runs: Path, run: str, step: str) -> dict[str, str]:
    """Relative path -> SHA-256 of every file that a run's artefacts of one kind of step hold, times left out."""
    record = orjson.loads((runs / run / "run.json").read_bytes())
    addresses = [entry["address"] for entry in record["steps"] if entry["label"].startswith(step)]
    return {
        f"{address}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for address in addresses
        for path in sorted((runs / "store" / address).iterdir())
        if path.name not in ("manifest.json", "metrics.jsonl")
    }
