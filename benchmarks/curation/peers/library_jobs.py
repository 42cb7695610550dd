"""What one writes around a library: `python library_jobs.py JOB INPUT OUTPUT`. Kept: OUTPUT/kept/documents.jsonl.zst.

datasketch and rensa: MinHash of word 5-grams, 14 bands of 8, a document is kept if no kept one shares a band.
jieba and rjieba: segmentation alone, nothing is judged; all documents are kept and nothing is written.
Each library is imported by its own job: the start of one is no cost of another.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import zstandard
from xxhash import xxh3_64_intdigest

BANDS, ROWS, SHINGLE_WORDS, SEED = 14, 8, 5, 1
NUM_PERMUTATIONS = BANDS * ROWS
THRESHOLD = (1 / BANDS) ** (1 / ROWS)
WORD = re.compile(r"\w+")


def read(source: Path) -> Iterator[tuple[bytes, str]]:
    """(line, text) of each document."""
    with zstandard.open(source, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.encode(), orjson.loads(line)["text"]


def shingles(text: str) -> set[str]:
    """Distinct 5-grams of lower-case words."""
    words = WORD.findall(text.lower())
    return {" ".join(words[at : at + SHINGLE_WORDS]) for at in range(max(1, len(words) - SHINGLE_WORDS + 1))}


def hash32(data: bytes) -> int:
    """datasketch wants 32 bits."""
    return xxh3_64_intdigest(data) & 0xFFFFFFFF


def datasketch(source: Path, output: Path) -> None:
    """Signatures one by one, the index asked before each insertion."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=NUM_PERMUTATIONS, params=(BANDS, ROWS))
    empty = MinHash(num_perm=NUM_PERMUTATIONS, seed=SEED, hashfunc=hash32)
    kept = []
    for number, (line, text) in enumerate(read(source)):
        sketch = empty.copy()
        sketch.update_batch([shingle.encode() for shingle in shingles(text)])
        if not index.query(sketch):
            index.insert(number, sketch, check_duplication=False)
            kept.append(line)
    write(output, kept)


def rensa(source: Path, output: Path) -> None:
    """Full-set signatures, the index asked before each insertion."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=THRESHOLD, num_perm=NUM_PERMUTATIONS, num_bands=BANDS)
    kept = []
    for number, (line, text) in enumerate(read(source)):
        (sketch,) = RMinHash.from_token_sets([list(shingles(text))], num_perm=NUM_PERMUTATIONS, seed=SEED)
        if not index.query(sketch):
            index.insert(number, sketch)
            kept.append(line)
    write(output, kept)


def segment_jieba(source: Path, _: Path) -> None:
    """Words by jieba."""
    import jieba

    print(sum(len(jieba.lcut(text)) for __, text in read(source)), "words")


def segment_rjieba(source: Path, _: Path) -> None:
    """Words by jieba's port to Rust."""
    import rjieba

    print(sum(len(rjieba.cut(text)) for __, text in read(source)), "words")


def write(output: Path, lines: list[bytes]) -> None:
    """The kept lines, compressed."""
    (output / "kept").mkdir()
    packed = zstandard.ZstdCompressor(level=3).compress(b"".join(lines))
    (output / "kept/documents.jsonl.zst").write_bytes(packed)


JOBS = {"datasketch": datasketch, "rensa": rensa, "jieba": segment_jieba, "rjieba": segment_rjieba}

if __name__ == "__main__":
    job, source, output = sys.argv[1:]
    JOBS[job](Path(source), Path(output))
