"""What TF-IDF and logistic regression reach on a classification task: the mark that a trained model must beat.

    python benchmarks/task_baselines.py runs/.store/examples-<hash>     # the splits of a run
    python benchmarks/task_baselines.py spam.jsonl --seed 7             # splits as a recipe makes them

Texts with many Chinese characters are cut into character 1- to 3-grams, others into words and pairs of words. The
regularisation is the best of a few on the validation split. Figures are those of headrace's own reports, from the same
code; `--json` prints them whole, with the CPU seconds of fitting and of predicting.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from headrace.cli.task_tables import task_tables
from headrace.evaluate.classification import classification_report
from headrace.examples import ExamplesConfig
from headrace.examples.build import build_examples
from headrace.examples.example_set import ExampleSet
from headrace.examples.find import find_examples
from headrace.store import Workspace

REGULARISATIONS = (1.0, 10.0, 100.0)
CHINESE_SHARE = 0.2
SHARES = {"validation": "10%", "test": "20%"}


def open_examples(path: Path, *, seed: int, work: Path) -> ExampleSet:
    """The examples in a folder; those of a file are split first."""
    if path.is_dir():
        return ExampleSet(path)
    config = ExamplesConfig.model_validate({"train": path.name, **SHARES})
    workspace = Workspace(kept=work, output=work)
    build_examples(config, find_examples(config, path.parent), seed=seed, workspace=workspace)
    return ExampleSet(work)


def read_split(examples: ExampleSet, name: str) -> tuple[list[str], np.ndarray]:
    """Texts and class numbers of a split."""
    table, places = examples.split(name), {label: place for place, label in enumerate(examples.labels)}
    texts = table.column("text").to_pylist()
    return texts, np.asarray([places[label] for label in table.column("label").to_pylist()])


def is_chinese(texts: list[str]) -> bool:
    """Whether many of the characters are Chinese."""
    sample = "".join(texts[:200])
    return sum("\u4e00" <= character <= "\u9fff" for character in sample) > CHINESE_SHARE * len(sample)


def make_model(*, chinese: bool, regularisation: float, balanced: bool) -> Any:
    """An untrained baseline."""
    grams: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
    if chinese:
        grams = {"analyzer": "char", "ngram_range": (1, 3)}
    regression = LogisticRegression(C=regularisation, max_iter=2000, class_weight="balanced" if balanced else None)
    return make_pipeline(TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32, **grams), regression)


def fit_best(examples: ExampleSet, *, balanced: bool) -> tuple[Any, float, bool]:
    """The model whose regularisation is best on the validation split, by macro F1, that number, and what grams it has.

    Without such a split the middle one is taken.
    """
    texts, truth_N = read_split(examples, "train")
    chinese, best, best_score, chosen = is_chinese(texts), None, -1.0, 0.0
    for regularisation in REGULARISATIONS if "validation" in examples.splits else REGULARISATIONS[1:2]:
        model = make_model(chinese=chinese, regularisation=regularisation, balanced=balanced).fit(texts, truth_N)
        score = 0.0
        if "validation" in examples.splits:
            held_texts, held_N = read_split(examples, "validation")
            probability_NC = model.predict_proba(held_texts)
            score = classification_report(held_N, probability_NC, labels=examples.labels, seed=0).macro_f1.value
        if score > best_score:
            best, best_score, chosen = model, score, regularisation
    return best, chosen, chinese


def main() -> None:
    """Fits, predicts, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", type=Path, help="folder of an examples artefact, or a file of examples")
    parser.add_argument("--seed", type=int, default=7, help="of the splits of a file, and of the intervals")
    parser.add_argument("--balanced", action="store_true", help="weigh classes by how rare they are")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        examples = open_examples(given.examples, seed=given.seed, work=Path(work))
        began = time.process_time()
        model, regularisation, chinese = fit_best(examples, balanced=given.balanced)
        fitted = time.process_time()
        texts, truth_N = read_split(examples, "test")
        probability_NC = model.predict_proba(texts)
        predicted = time.process_time()
        train_counts = np.bincount(read_split(examples, "train")[1], minlength=len(examples.labels)).tolist()
        report = classification_report(
            truth_N, probability_NC, labels=examples.labels, seed=given.seed, train_counts=train_counts
        )
    facts = {
        "grams": "character 1-3" if chinese else "word 1-2",
        "regularisation": regularisation,
        "balanced": given.balanced,
        "fit_cpu_seconds": round(fitted - began, 2),
        "predict_cpu_seconds": round(predicted - fitted, 2),
    }
    if given.json:
        print(json.dumps({**facts, "report": asdict(report)}, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print("TF-IDF and logistic regression: " + ", ".join(f"{name} {value}" for name, value in facts.items()))
    for table in task_tables(report):
        console.print(table)


if __name__ == "__main__":
    main()
