"""The baseline learns what words tell, on the splits of a recipe, and prints the figures of a report."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_words_that_tell_everything_are_learnt(tmp_path: Path) -> None:
    lines = [
        {"text": f"{'便宜' if n % 2 else '很贵'} 商品 {n}", "label": "good" if n % 2 else "bad"} for n in range(120)
    ]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, lines)))

    command = [sys.executable, str(BENCHMARKS / "task_baselines.py"), str(tmp_path / "reviews.jsonl"), "--json"]
    printed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert (printed["grams"], printed["report"]["examples"]) == ("character 1-3", 24)
    assert printed["report"]["accuracy"]["value"] == 1.0
