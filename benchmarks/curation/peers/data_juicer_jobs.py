"""Data-Juicer's process command: `python data_juicer_jobs.py JOB INPUT OUTPUT`. Kept: OUTPUT/kept/documents.jsonl.

Its operators have no Gopher, C4 or FineWeb rules by name; taken are those nearest, that need no model to be fetched.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

Operators = list[dict[str, dict[str, Any]]]

JOBS: dict[str, Operators] = {
    "filters": [
        {"words_num_filter": {"min_num": 50, "max_num": 100_000}},
        {"alphanumeric_filter": {"min_ratio": 0.6}},
        {"special_characters_filter": {"max_ratio": 0.4}},
        {"average_line_length_filter": {"min_len": 20}},
        {"maximum_line_length_filter": {"min_len": 30}},
        {"character_repetition_filter": {"rep_len": 10, "max_ratio": 0.3}},
        {"word_repetition_filter": {"rep_len": 10, "max_ratio": 0.1}},
        {"text_length_filter": {"min_len": 200, "max_len": 1_000_000}},
    ],
    "minhash": [
        {
            "document_minhash_deduplicator": {
                "tokenization": "space", "window_size": 5, "lowercase": True,
                "num_permutations": 112, "num_bands": 14, "num_rows_per_band": 8,
            }
        }
    ],
}  # fmt: skip


def main() -> None:
    """Writes its recipe and runs it."""
    job, source, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    recipe = {
        "project_name": "bench", "dataset_path": str(source), "np": 1, "process": JOBS[job],
        "export_path": str(output / "kept/documents.jsonl"), "use_cache": False, "open_tracer": False,
        "op_fusion": True, "fusion_strategy": "greedy", "temp_dir": None, "ds_cache_dir": str(output / "cache"),
    }  # fmt: skip
    path = output / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    subprocess.run([Path(sys.executable).parent / "dj-process", "--config", path], check=True, cwd=output)


if __name__ == "__main__":
    main()
