"""Fine-tuning with transformers' Trainer as its documentation shows it, measured; both Trainer benchmarks use it."""

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, PrinterCallback, Trainer, TrainingArguments

FloatArray = np.ndarray


def arguments_of(description: str) -> argparse.Namespace:
    """Model, examples and settings from the command line; threads are set before anything is computed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of the model to fine-tune")
    parser.add_argument("examples", type=Path, help="folder of an examples artefact, or a file of examples")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--batch", type=int, default=32, help="examples")
    parser.add_argument("--rate", type=float, default=5e-5, help="peak learning rate; it falls linearly to 0")
    parser.add_argument("--warmup", type=float, default=0.0, help="share of the steps")
    parser.add_argument("--max-tokens", type=int, default=128, help="longer inputs are cut off")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    transformers.set_seed(given.seed)
    return given


def open_tokenizer(folder: Path, *, max_tokens: int) -> Any:
    """The tokenizer of the model's folder, cutting off at a length."""
    return AutoTokenizer.from_pretrained(folder, model_max_length=max_tokens)


def fine_tune(
    given: argparse.Namespace, model: Any, tokenizer: Any, *, train: Sequence[Any], test: Sequence[Any], collator: Any
) -> tuple[FloatArray, FloatArray, dict[str, float]]:
    """Logits and labels of the test examples, and what training and predicting cost.

    The padded share is that of Trainer's own batches: drawn by chance, filled up to the longest.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            num_train_epochs=given.epochs,
            per_device_train_batch_size=given.batch,
            per_device_eval_batch_size=given.batch,
            learning_rate=given.rate,
            warmup_steps=given.warmup,
            seed=given.seed,
            bf16=given.bf16,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=model, args=settings, train_dataset=train, processing_class=tokenizer, data_collator=collator
        )
        trainer.remove_callback(PrinterCallback)  # standard output is for the result
        wall, cpu = time.perf_counter(), time.process_time()
        trainer.train()
        wall_seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        steps = trainer.state.global_step
        began = time.process_time()
        found = trainer.predict(test)
        predict_seconds = time.process_time() - began
    samples = len(train) * given.epochs
    costs = {
        "train_examples": len(train),
        "test_examples": len(test),
        "steps": steps,
        "train_seconds": round(wall_seconds, 2),
        "train_cpu_seconds": round(cpu_seconds, 2),
        "samples_per_second": round(samples / wall_seconds, 2),
        "samples_per_cpu_second": round(samples / cpu_seconds, 2),
        "predict_cpu_seconds": round(predict_seconds, 2),
        "padded_share": round(padded_share([len(row["input_ids"]) for row in train], given.batch, seed=given.seed), 4),
    }
    return found.predictions, found.label_ids, costs


def padded_share(lengths: Sequence[int], batch: int, *, seed: int) -> float:
    """The share of padding in batches drawn by chance."""
    order = np.random.default_rng(seed).permutation(np.asarray(lengths))
    batches = [order[start : start + batch] for start in range(0, len(order), batch)]
    return 1 - float(order.sum()) / sum(int(part.max()) * len(part) for part in batches)


def print_outcome(given: argparse.Namespace, costs: dict[str, float], **figures: Any) -> None:
    """Everything as one line of JSON."""
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(given).items()}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps({**figures, **costs, "settings": settings, "versions": versions}, ensure_ascii=False))
