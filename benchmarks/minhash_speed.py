"""MinHash deduplication against peers, on near copies of real documents, in one process each, on one core.

    python benchmarks/minhash_speed.py 'docs/**/*.txt'            # files of English text; about a minute
    python benchmarks/minhash_speed.py 'docs/**/*.txt' --contenders headrace,headrace-confirmed --megabytes 100

The documents are cut at a few KB; of each hundred, 15 get a near copy (1 to 5 % of the words replaced, dropped or
doubled) and 3 an exact one. Everybody gets the same bands, rows and word 5-grams: 14 x 8, 5. Peers are installed into
an environment of their own. Printed for each: text MB per CPU second from strings to clusters; recall, the share of
copies that are in the cluster of their original, beside what the exact similarities let expect; precision, the share of
joined documents that are in the cluster of a document of their own family, or that have a Jaccard similarity of at
least 0.5 with the first of their cluster; and the share of documents whose label is datasketch's.
"""

import argparse
import glob
import json
import os
import random
import re
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

BANDS, ROWS, NGRAM, SEED = 14, 8, 5, 1
DOCUMENT_BYTES = (1_000, 7_000)
PEERS = {"datasketch": ["datasketch"], "rensa": ["rensa"]}
CONTENDERS = ("headrace", "headrace-confirmed", *PEERS)

NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
NO_WORD = re.compile(r"[\W_]+")

Labels = list[int]


def make_documents(pattern: str, megabytes: float) -> Iterator[tuple[int, str]]:
    """(family, text): real documents, each perhaps with a copy somewhere after it."""
    generator = random.Random(SEED)
    pending: list[tuple[int, str]] = []
    num_bytes = 0
    for family, text in enumerate(pieces(pattern)):
        copies = [(family, text)]
        draw = generator.random()
        if draw < 0.18:
            pending.append((family, text if draw < 0.03 else edited(text, generator)))
        if pending and generator.random() < 0.15:
            copies.append(pending.pop(generator.randrange(len(pending))))
        yield from copies
        num_bytes += sum(len(copy) for _, copy in copies)
        if num_bytes > megabytes * 1e6:
            break
    yield from pending


def pieces(pattern: str) -> Iterator[str]:
    """Documents of a few KB, cut between words."""
    generator = random.Random(SEED)
    for path in sorted(path for part in pattern.split(os.pathsep) for path in glob.glob(part, recursive=True)):
        words = re.findall(r"\s*\S+", Path(path).read_text(errors="replace"))
        held: list[str] = []
        size, wanted = 0, generator.randint(*DOCUMENT_BYTES)
        for word in words:
            held.append(word)
            size += len(word)
            if size >= wanted:
                yield "".join(held)
                held, size, wanted = [], 0, generator.randint(*DOCUMENT_BYTES)


def edited(text: str, generator: random.Random) -> str:
    """The text with 1 to 5 % of its words replaced, dropped or doubled."""
    words = re.findall(r"\s*\S+", text)
    for place in generator.sample(range(len(words)), max(1, int(len(words) * generator.uniform(0.01, 0.05)))):
        words[place] = generator.choice([" " + "".join(generator.choices("aeiourstln", k=6)), "", 2 * words[place]])
    return "".join(words)


def plain_shingles(text: str) -> set[str]:
    """Word n-grams as one writes them in Python; on English text the same as headrace's."""
    words = NO_WORD.sub(" ", NUMBER.sub("0", text.lower())).split()
    return {" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))}


def union(num_rows: int, pairs: Iterator[tuple[int, int]]) -> Labels:
    """The smallest row of each row's cluster."""
    parents = list(range(num_rows))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for one, other in pairs:
        first, second = root(one), root(other)
        parents[max(first, second)] = min(first, second)
    return [root(row) for row in range(num_rows)]


def run_headrace(texts: list[str], folder: Path, *, confirmed: bool = False) -> Labels:
    """Keys in units of 2,000 documents, and clusters out of core."""
    import numpy as np

    from headrace.corpus.deduplicate.clusters import cluster
    from headrace.corpus.deduplicate.config import MinHashConfig
    from headrace.corpus.deduplicate.confirm import candidates, confirm
    from headrace.corpus.deduplicate.keys import write_keys
    from headrace.corpus.deduplicate.minhash import band_keys
    from headrace.corpus.texts import Texts

    config = MinHashConfig(bands=BANDS, rows=ROWS, ngram=NGRAM, confirm=0.7 if confirmed else None)
    paths = []
    for first in range(0, len(texts), 2_000):
        paths.append(folder / f"keys-{first}.npy")
        write_keys(paths[-1], band_keys(Texts.from_strings(texts[first : first + 2_000]), config))
    labels = cluster(paths, folder=folder / "scratch", memory_limit_bytes=1 << 30)
    if confirmed:
        sizes = np.array([len(text.encode()) for text in texts])
        fetch: Callable[[np.ndarray], Texts] = lambda rows: Texts.from_strings([texts[row] for row in rows])  # noqa: E731 - a line
        labels = confirm(candidates(labels), num_bytes=sizes, keys=paths, fetch=fetch, config=config)
    return list(map(int, labels))


def run_datasketch(texts: list[str], _: Path) -> Labels:
    """MinHash.update_batch and MinHashLSH with the same bands."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]  # it has no types

    lsh = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))

    def pairs() -> Iterator[tuple[int, int]]:
        for row, text in enumerate(texts):
            sketch = MinHash(num_perm=BANDS * ROWS, seed=SEED)
            sketch.update_batch([shingle.encode() for shingle in plain_shingles(text)])
            for other in lsh.query(sketch):
                yield other, row
            lsh.insert(row, sketch)

    return union(len(texts), pairs())


def run_rensa(texts: list[str], _: Path) -> Labels:
    """RMinHash.from_token_sets and RMinHashLSH with as many bands."""
    from rensa import RMinHash, RMinHashLSH  # type: ignore[import-not-found]  # in an environment of its own

    lsh = RMinHashLSH(0.7, BANDS * ROWS, BANDS)
    sketches = RMinHash.from_token_sets([list(plain_shingles(text)) for text in texts], BANDS * ROWS, SEED)
    lsh.insert_many(sketches)
    found = lsh.query_all(sketches)
    return union(len(texts), ((other, row) for row, others in enumerate(found) for other in others))


RUNS: dict[str, Callable[[list[str], Path], Labels]] = {
    "headrace": run_headrace,
    "headrace-confirmed": lambda texts, folder: run_headrace(texts, folder, confirmed=True),
    "datasketch": run_datasketch,
    "rensa": run_rensa,
}


def contend(name: str, documents: Path, folder: Path) -> None:
    """Prints CPU seconds and labels as JSON; the first run on a few documents compiles or loads what there is."""
    texts = [json.loads(line)["text"] for line in documents.open()]
    (folder / "warm").mkdir()
    RUNS[name](texts[:200], folder / "warm")
    start = time.process_time()
    labels = RUNS[name](texts, folder)
    print(json.dumps({"cpu_seconds": time.process_time() - start, "labels": labels}))


def install(peer: str, folder: Path) -> Path | None:
    """A python that has the peer, or None if it cannot be installed here."""
    venv.create(folder / peer, with_pip=True)
    python = folder / peer / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[peer]], capture_output=True, text=True)
    if done.returncode:
        print(f"{peer}: cannot be installed here: {done.stderr.strip()[-200:]}")
    return None if done.returncode else python


def judge(labels: Labels, families: list[int], texts: list[str]) -> tuple[float, float]:
    """Recall and precision."""
    firsts: dict[int, int] = {}
    copies = []
    for row, family in enumerate(families):
        copies += [(row, firsts[family])] if family in firsts else []
        firsts.setdefault(family, row)
    recall = sum(labels[row] == labels[first] for row, first in copies) / len(copies)
    members: dict[int, set[int]] = {}
    for row, label in enumerate(labels):
        members.setdefault(label, set()).add(families[row])
    joined = [row for row, label in enumerate(labels) if label != row]
    right = sum(
        (labels[firsts[families[row]]] == labels[row] and firsts[families[row]] != row)
        or near(texts[row], texts[labels[row]])
        for row in joined
    )
    return recall, right / len(joined)


def near(one: str, other: str) -> bool:
    """Whether two texts that nobody edited into each other are near all the same."""
    return similarity(one, other) >= 0.5


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the sets of n-grams."""
    first, second = plain_shingles(one), plain_shingles(other)
    return len(first & second) / len(first | second)


def expected_recall(families: list[int], texts: list[str]) -> float:
    """The mean chance of the copies to share a key with their original."""
    firsts: dict[int, str] = {}
    chances = []
    for family, text in zip(families, texts, strict=True):
        if family in firsts:
            chances.append(1 - (1 - similarity(firsts[family], text) ** ROWS) ** BANDS)
        firsts.setdefault(family, text)
    return sum(chances) / len(chances)


def main() -> None:
    """Makes the set, runs the contenders one after the other and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern")
    parser.add_argument("--megabytes", type=float, default=12.0)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--contend", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contend:
        contend(given.contend[0], Path(given.pattern), Path(given.contend[1]))
        return
    documents = list(make_documents(given.pattern, given.megabytes))
    families, texts = [family for family, _ in documents], [text for _, text in documents]
    num_bytes = sum(len(text.encode()) for text in texts)
    print(
        f"{len(texts)} documents, {num_bytes / 1e6:.1f} MB, {len(texts) - len(set(families))} copies, "
        f"expected recall {expected_recall(families, texts):.4f}"
    )
    results: dict[str, Labels] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "documents.jsonl"
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        for contender in given.contenders.split(","):
            python = install(contender, folder) if contender in PEERS else Path(sys.executable)
            if python is None:
                continue
            (folder / f"run-{contender}").mkdir()
            command = [python, __file__, source, "--contend", contender, folder / f"run-{contender}"]
            one_core = {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=one_core)
            result = json.loads(done.stdout)
            results[contender] = result["labels"]
            recall, precision = judge(result["labels"], families, texts)
            speed = num_bytes / 1e6 / result["cpu_seconds"]
            print(f"{contender:20s} {speed:8.1f} MB/s of CPU   recall {recall:.4f}   precision {precision:.4f}")
    for contender, labels in results.items():
        if "datasketch" in results and contender != "datasketch":
            equal = sum(a == b for a, b in zip(labels, results["datasketch"], strict=True)) / len(labels)
            print(f"{contender}: {equal:.4f} of the labels are datasketch's")


if __name__ == "__main__":
    main()
