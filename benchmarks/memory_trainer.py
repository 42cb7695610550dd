"""Steps of transformers' Trainer in as little memory as it knows how to take; `memory_limits.py` runs it under a limit.

python benchmarks/memory_trainer.py --width 1024 --weights bf16
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments


class Clock(TrainerCallback):  # type: ignore[misc]
    """Wall and processor time of each optimiser step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._start = time.perf_counter(), time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(time.perf_counter() - self._start[0])
        self.cpu_seconds.append(time.process_time() - self._start[1])


def main() -> None:
    """Trains and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--feed-forward", type=int, required=True)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--row-tokens", type=int, default=512)
    parser.add_argument("--step-tokens", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--weights", choices=("bf16", "fp32"), required=True, help="fp32: with bf16 autocast")
    given = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    config = LlamaConfig(
        vocab_size=given.vocabulary, hidden_size=given.width, intermediate_size=given.feed_forward,
        num_hidden_layers=given.depth, num_attention_heads=given.width // 64, tie_word_embeddings=True,
        max_position_embeddings=given.row_tokens, use_cache=False,
    )  # fmt: skip
    torch.set_default_dtype(torch.bfloat16 if given.weights == "bf16" else torch.float32)
    model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    num_rows = given.steps * given.step_tokens // given.row_tokens
    rows = np.random.default_rng(1).integers(0, given.vocabulary, (num_rows, given.row_tokens))
    dataset = [{"input_ids": row, "labels": row} for row in rows]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, per_device_train_batch_size=1, gradient_accumulation_steps=given.step_tokens // given.row_tokens,
            gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": False}, optim="adafactor",
            bf16=given.weights == "fp32", num_train_epochs=1, learning_rate=1e-4, save_strategy="no", report_to=[],
            logging_strategy="no", use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        Trainer(model, settings, train_dataset=dataset, callbacks=[clock]).train()
    print(json.dumps({
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens_per_second": given.step_tokens / statistics.median(clock.seconds[1:]),
        "tokens_per_cpu_second": given.step_tokens / statistics.median(clock.cpu_seconds[1:]),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
