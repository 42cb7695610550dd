"""Generation speed against transformers' `generate`: the same weights, prompts and number of new tokens, with a cache
of keys and values, in bf16; and the same greedy tokens in float32.

    python benchmarks/generation_speed.py --out docs/generation_speed.json
    python benchmarks/generation_speed.py --model SmolLM2-135M-Instruct.Q4_1.gguf --rounds 3

Without `--model`: a random Llama of 30 M parameters with a vocabulary of 8,192. Prompts have several lengths, so
batches are padded on the left. Each contender reads its prompts once to warm up; rounds take turns. Printed: tokens per
CPU second of all threads, new tokens over the whole call (prompts included), the best of the rounds, and their ratio.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from headrace.models import ModelConfig
from headrace.models.convert import convert
from headrace.models.decoder import Decoder, build_decoder
from headrace.models.hugging_face import load_decoder, save_decoder
from headrace.models.machine import use_machine_well
from headrace.models.transformer import keep_for_reading
from headrace.serve import SamplingConfig
from headrace.serve.continuing import continue_prompts

RANDOM_MODEL = {"depth": 8, "width": 512, "heads": 8, "kv_heads": 8, "feed_forward": 1376}
VOCABULARY, CONTEXT, SEED = 8192, 1024, 1
BATCHES, SHORTEST, LONGEST = (1, 16), 32, 64

Prompts = list[list[int]]
Contender = Callable[[Prompts, int], Prompts]


def headrace_contender(folder: Path, precision: str) -> Contender:
    """Continuations by headrace."""
    model: Decoder = load_decoder(folder).eval()
    if precision == "bf16":
        keep_for_reading(model)

    def run(prompts: Prompts, num_new: int) -> Prompts:
        found: Prompts = [[] for _ in prompts]
        config = SamplingConfig(temperature=0.0, max_tokens=num_new)
        for prompt, token in continue_prompts(
            model, prompts, config, seeds=range(len(prompts)), ends=(), max_positions=CONTEXT
        ):
            found[prompt].append(token)
        return found

    return run


def transformers_contender(folder: Path, precision: str) -> Contender:
    """Continuations by transformers' `generate`."""
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    model.generation_config.eos_token_id = None  # every row to its full length, as above
    pad = 0

    def run(prompts: Prompts, num_new: int) -> Prompts:
        longest = max(map(len, prompts))
        ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        with torch.inference_mode():
            found = model.generate(
                ids, attention_mask=mask, do_sample=False, max_new_tokens=num_new, pad_token_id=pad, use_cache=True
            )
        return found[:, longest:].tolist()

    return run


CONTENDERS = {"headrace": headrace_contender, "transformers": transformers_contender}


def make_prompts(batch: int, vocabulary_size: int) -> Prompts:
    """Prompts of several lengths."""
    random = np.random.default_rng(SEED)
    lengths = random.integers(SHORTEST, LONGEST + 1, batch)
    return [random.integers(1, vocabulary_size, length).tolist() for length in lengths]


def tokens_a_second(run: Contender, prompts: Prompts, num_new: int) -> tuple[float, float]:
    """New tokens per CPU second, and per second that passed."""
    cpu, wall = time.process_time(), time.perf_counter()
    run(prompts, num_new)
    made = len(prompts) * num_new
    return made / (time.process_time() - cpu), made / (time.perf_counter() - wall)


def compare(folder: Path, *, num_new: int, rounds: int) -> dict[str, Any]:
    """Figures of both contenders on one model."""
    vocabulary_size = json.loads((folder / "config.json").read_text())["vocab_size"]
    result: dict[str, Any] = {}
    exact = {name: make(folder, "fp32") for name, make in CONTENDERS.items()}
    quick = {name: make(folder, "bf16") for name, make in CONTENDERS.items()}
    for batch in BATCHES:
        prompts = make_prompts(batch, vocabulary_size)
        ours, theirs = (exact[name](prompts, num_new) for name in CONTENDERS)
        same = sum(a == b for a, b in zip(ours, theirs, strict=True))
        speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in quick}
        for run in quick.values():
            run(prompts, 4)
        for _ in range(rounds):
            for name, run in quick.items():
                speeds[name].append(tokens_a_second(run, prompts, num_new))
        cpu = {name: max(speed for speed, _ in found) for name, found in speeds.items()}
        wall = {name: max(speed for _, speed in found) for name, found in speeds.items()}
        ratio = cpu["headrace"] / cpu["transformers"]
        result[f"batch {batch}"] = {"per_cpu_second": cpu, "per_second": wall, "ratio": ratio, "same_in_fp32": same}
        told = ", ".join(f"{name} {cpu[name]:,.1f} ({wall[name]:,.1f} a second)" for name in cpu)
        print(f"  batch {batch:2}: tokens per CPU second: {told}: {ratio:.2f} x; same in fp32: {same} of {batch}")
    return result


def main() -> None:
    """Runs the comparison and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, help="a folder or GGUF file; left out: a random model of 30 M")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of each prompt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write figures here as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    use_machine_well()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        if arguments.model is None:
            decoder = build_decoder(ModelConfig(**RANDOM_MODEL), VOCABULARY, seed=SEED)
            save_decoder(decoder, folder, max_positions=CONTEXT, end_token=0)
        else:
            convert(arguments.model, folder, to="hf", kind="f16")
        print(f"{arguments.model or 'random model of 30 M'}: {torch.get_num_threads()} threads")
        result = compare(folder, num_new=arguments.tokens, rounds=arguments.rounds)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
