"""text-dedup's MinHash command: `python text_dedup_jobs.py minhash INPUT OUTPUT`. Kept: OUTPUT/kept/*.arrow."""

import subprocess
import sys
from pathlib import Path

OPTIONS = (
    "--path json --split train --column text --ngram 5 --num_perm 112 --b 14 --r 8 --min_length 5 --num_proc 1 "
    "--hash_func xxh3"
)


def main() -> None:
    """Its command, with the settings of the others and its faster hash."""
    source, output = sys.argv[2], Path(sys.argv[3])
    own = ["--data_files", source, "--output", str(output / "kept"), "--cache_dir", str(output / "cache")]
    subprocess.run([sys.executable, "-m", "text_dedup.minhash", *OPTIONS.split(), *own], check=True)


if __name__ == "__main__":
    main()
