"""Classification with transformers' Trainer: the run that headrace's own fine-tuning is held against.

    python benchmarks/classify_trainer.py MODEL EXAMPLES --epochs 3 --batch 32 --rate 5e-5

MODEL: folder of a BERT-like encoder, such as all-MiniLM-L6-v2. EXAMPLES: an examples artefact of a run, or a file of
`text` and `label`, split as a recipe splits it. Trainer's default collator fills batches up to the longest. Printed as
JSON: accuracy and macro F1 with their intervals, samples per second, CPU seconds.
"""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from task_baselines import open_examples, read_split
from trainer_run import arguments_of, fine_tune, open_tokenizer, print_outcome
from transformers import AutoModelForSequenceClassification

from headrace.evaluate.classification import classification_report


def encode(tokenizer: Any, texts: list[str], labels_N: np.ndarray) -> list[dict[str, Any]]:
    """Texts as pieces, cut off at the greatest length."""
    encoded = tokenizer(texts, truncation=True)["input_ids"]
    return [{"input_ids": ids, "labels": int(label)} for ids, label in zip(encoded, labels_N, strict=True)]


def main() -> None:
    """Trains, predicts, prints."""
    given = arguments_of(__doc__ or "")
    with tempfile.TemporaryDirectory() as work:
        examples = open_examples(given.examples, seed=given.seed, work=Path(work))
        names = examples.labels
        splits = [read_split(examples, name) for name in ("train", "test")]
    tokenizer = open_tokenizer(given.model, max_tokens=given.max_tokens)
    model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=len(names))
    train, test = (encode(tokenizer, *split) for split in splits)
    logits_NC, truth_N, costs = fine_tune(given, model, tokenizer, train=train, test=test, collator=None)
    probability_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True)).astype(np.float64)
    probability_NC /= probability_NC.sum(axis=1, keepdims=True)
    report = classification_report(truth_N, probability_NC, labels=names, seed=given.seed)
    print_outcome(
        given,
        costs,
        accuracy=asdict(report.accuracy),
        macro_f1=asdict(report.macro_f1),
        log_loss=round(report.log_loss, 4),
        calibration_error=round(report.calibration.error, 4),
        classes={row.name: round(row.f1.value, 4) for row in report.classes},
    )


if __name__ == "__main__":
    main()
