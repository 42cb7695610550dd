"""Loader speed against peers, and packing tables: same tokens, one process, one core.

    python benchmarks/loader_speed.py                                  # loaders; about five minutes
    python benchmarks/loader_speed.py --contenders headrace,numpy --megatokens 128
    python benchmarks/loader_speed.py --packing RUN/store/tokens-...   # a packing table of a token store

Loaders: rows of 1,024 tokens in batches of 32, shuffled, over token ids that are written once and given to everybody in
their own format. headrace gives inputs, targets, positions that restart per document and document numbers, all counted
as one token; `headrace-packed` reads best-fit rows of documents, `headrace` the same rows of 1,024 as the peers. Peers
give token ids (nanoGPT's get_batch: inputs and targets). Printed: M tokens per CPU second once warm (the best of many
stretches), what share of a core that takes from a training of a million tokens a second, milliseconds from opening to
the first batch and to batch 10,000 of a resumed run in a process that has everything imported, and whether one pass
gives every row exactly once, compared by digest. Peers are installed into an environment of their own below --cache;
what cannot be installed or fails is named and left out.

Packing: fill, share of tokens dropped, pieces a document and the busiest of 8 processes over the mean, by attention's
cost, at rows of 1,024 and 2,048 tokens, for best fit, documents end to end, one document a row padded, TRL's packing
(best fit of documents cut at the row; `bfd`), and nanochat's (best fit that crops the shortest to fill a row).
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

ROW_TOKENS, BATCH_ROWS, SEED = 1_024, 32, 7
RESUMED_BATCH = 10_000
TRAINED_TOKENS = 1_000_000
"""Tokens a second of a training whose loader's share of a core is printed."""
TORCH = "torch==2.13.0"
PEERS = {
    "nanogpt": ("torch", (TORCH, "numpy")),
    "torch-dataloader": ("torch", (TORCH, "numpy")),
    "datasets": ("datasets", (TORCH, "datasets==5.2.0")),
    "litdata": ("litdata", (TORCH, "litdata==0.2.76")),
    # boto3 as pinned, or pip searches for long what goes with the drivers of all clouds.
    "streaming": ("mosaicml-streaming", (TORCH, "mosaicml-streaming==0.13.0", "boto3==1.44.8")),
}
"""The package of each peer, and what is installed for it."""
CONTENDERS = ("headrace", "headrace-packed", "numpy", *PEERS)
Batches = Iterator[Any]
Open = Callable[[Path, int], Batches]
"""Batches from a number on."""


def write_tokens(folder: Path, megatokens: int) -> None:
    """Documents of lognormal lengths, as a Megatron dataset with two plans and nothing else."""
    from headrace.tokens.indexed import write_indexed
    from headrace.tokens.packing import plan_rows

    generator = np.random.default_rng(SEED)
    batch_tokens = BATCH_ROWS * ROW_TOKENS
    num_tokens = megatokens * 1_000_000 // batch_tokens * batch_tokens  # whole batches: a pass is whole for everybody
    lengths = np.clip(generator.lognormal(6.0, 1.2, num_tokens // 500), 1, 1e6).astype(np.int32)
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths, dtype=np.int64), num_tokens))]
    lengths = np.append(lengths, num_tokens - int(lengths.sum(dtype=np.int64))).astype(np.int32)
    ids = generator.integers(1, 50_000, num_tokens).astype(np.uint16)
    ids[np.cumsum(lengths, dtype=np.int64) - 1] = 0
    folder.mkdir(parents=True)
    for packing in ("best_fit", "concatenate"):
        (folder / packing).mkdir()
        write_indexed(folder / packing / "train-00000", ids, lengths)
        plan_rows(lengths, ROW_TOKENS, packing=packing).save(folder / packing / "train")
    (folder / "ready").touch()


def open_headrace(packing: str) -> Open:
    from headrace.tokens.indexed import read_indexed
    from headrace.tokens.order import Shuffled
    from headrace.tokens.packing import PackingPlan
    from headrace.tokens.rows import RowGatherer

    class Opened:
        """What a token store is to a gatherer, without a manifest around it."""

        remote = None

        def __init__(self, folder: Path) -> None:
            self.shards = (read_indexed(folder / "train-00000"),)
            self.num_documents = len(self.shards[0].lengths)
            self.first_documents = np.array([0, self.num_documents])
            self.plan = PackingPlan.load(folder / "train", ROW_TOKENS)

    def batches(folder: Path, first: int) -> Batches:
        store = Opened(folder / packing)
        gatherer, order = RowGatherer(store, 0), Shuffled(store.plan.num_rows, SEED)  # type: ignore[arg-type]
        while True:
            yield gatherer.gather(order.rows(first * BATCH_ROWS, BATCH_ROWS))
            first += 1

    return batches


def rows_of(folder: Path) -> np.ndarray:
    """The ids as rows end to end, mapped."""
    return np.memmap(folder / "concatenate" / "train-00000.bin", np.uint16, "r").reshape(-1, ROW_TOKENS)


def open_numpy(folder: Path, first: int) -> Batches:
    """Rows picked by a stored permutation: the bare copy, no targets."""
    rows = rows_of(folder)
    order = np.random.default_rng(SEED).permutation(len(rows))
    while True:
        start = first * BATCH_ROWS % len(rows)
        yield rows[order[start : start + BATCH_ROWS]]
        first += 1


def open_nanogpt(folder: Path, _: int) -> Batches:
    """nanoGPT's get_batch: windows at random, drawn with replacement; it cannot resume."""
    import torch

    torch.set_num_threads(1)
    while True:
        data = np.memmap(folder / "concatenate" / "train-00000.bin", np.uint16, "r")
        places = torch.randint(len(data) - ROW_TOKENS, (BATCH_ROWS,))
        x = torch.stack([torch.from_numpy(data[i : i + ROW_TOKENS].astype(np.int64)) for i in places])
        y = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + ROW_TOKENS].astype(np.int64)) for i in places])
        yield x, y


def open_torch(folder: Path, first: int) -> Batches:
    """A map-style dataset over mapped rows; it resumes by drawing what came before."""
    import torch

    torch.set_num_threads(1)
    rows = rows_of(folder)

    class Rows(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.from_numpy(rows[index].astype(np.int64))

    generator = torch.Generator().manual_seed(SEED)
    loader = torch.utils.data.DataLoader(Rows(), BATCH_ROWS, shuffle=True, generator=generator, drop_last=True)
    return islice(endless(lambda: iter(loader)), first, None)


def open_datasets(folder: Path, first: int) -> Batches:
    """Arrow rows shuffled by an index; it resumes by state where it is iterable, here by skipping."""
    import datasets
    import pyarrow as pa

    datasets.disable_progress_bars()
    path = folder / "arrow"
    if not path.exists():
        column = pa.FixedSizeListArray.from_arrays(pa.array(np.array(rows_of(folder)).ravel()), ROW_TOKENS)
        datasets.Dataset(pa.table({"ids": column})).save_to_disk(path)
    shuffled = datasets.load_from_disk(path).with_format("numpy").shuffle(seed=SEED)

    def from_batch(number: int) -> Batches:
        return (batch["ids"] for batch in shuffled.skip(number * BATCH_ROWS).iter(BATCH_ROWS, drop_last_batch=True))

    per_pass = len(shuffled) // BATCH_ROWS
    numbers = iter([first % per_pass])
    return endless(lambda: from_batch(next(numbers, 0)))


def open_litdata(folder: Path, first: int) -> Batches:
    """litData's token loader, shuffled; it resumes from a state of its loader."""
    import litdata
    import torch

    torch.set_num_threads(1)
    path = folder / "litdata"
    if not path.exists():
        rows = rows_of(folder)
        parts = [(str(folder), start, min(start + 4_096, len(rows))) for start in range(0, len(rows), 4_096)]
        litdata.optimize(
            fn=litdata_part, inputs=parts, output_dir=str(path), num_workers=1, chunk_bytes="64MB",
            item_loader=litdata.TokensLoader(), keep_data_ordered=True,
        )  # fmt: skip
    dataset = litdata.StreamingDataset(
        str(path), item_loader=litdata.TokensLoader(block_size=ROW_TOKENS), shuffle=True, seed=SEED, drop_last=False
    )
    loader = litdata.StreamingDataLoader(dataset, batch_size=BATCH_ROWS, num_workers=0)
    if first:
        state = loader.state_dict()
        loader.load_state_dict({**state, "num_samples_yielded": first * BATCH_ROWS} if state else {})
    return endless(lambda: iter(loader))


def litdata_part(part: tuple[str, int, int]) -> Iterator[Any]:
    import torch

    folder, start, stop = part
    for row in rows_of(Path(folder))[start:stop]:
        yield torch.from_numpy(row.astype(np.int32))


def open_streaming(folder: Path, first: int) -> Batches:
    """MosaicML Streaming over local shards; it resumes from a state."""
    from streaming import MDSWriter, StreamingDataset
    from streaming.base.util import clean_stale_shared_memory
    from torch.utils.data import DataLoader

    path = folder / "mds"
    if not path.exists():
        with MDSWriter(out=str(path), columns={"ids": f"ndarray:uint16:{ROW_TOKENS}"}) as writer:
            for row in rows_of(folder):
                writer.write({"ids": np.array(row)})
    clean_stale_shared_memory()
    dataset = StreamingDataset(local=str(path), shuffle=True, shuffle_seed=SEED, batch_size=BATCH_ROWS)
    if first:
        per_pass = len(dataset) // BATCH_ROWS
        epoch, batch = divmod(first, per_pass)
        dataset.load_state_dict(
            {"epoch": epoch, "sample_in_epoch": batch * BATCH_ROWS, "num_canonical_nodes": 1, "shuffle_seed": SEED,
             "initial_physical_nodes": 1}
        )  # fmt: skip
    loader = DataLoader(dataset, BATCH_ROWS)
    return endless(lambda: iter(loader))


def endless(begin: Callable[[], Batches]) -> Batches:
    while True:
        yield from begin()


OPENERS: dict[str, Callable[[], Open]] = {
    "headrace": lambda: open_headrace("concatenate"),
    "headrace-packed": lambda: open_headrace("best_fit"),
    "numpy": lambda: open_numpy,
    "nanogpt": lambda: open_nanogpt,
    "torch-dataloader": lambda: open_torch,
    "datasets": lambda: open_datasets,
    "litdata": lambda: open_litdata,
    "streaming": lambda: open_streaming,
}
WITH_TARGETS = ("headrace", "headrace-packed")
EXACT_RESUME = {"headrace", "headrace-packed", "numpy", "litdata", "streaming", "datasets"}


def ids_of(batch: Any) -> np.ndarray:
    """The token ids of a batch, whatever it is."""
    if hasattr(batch, "targets_BT"):
        return np.asarray(batch.targets_BT)
    if isinstance(batch, dict):
        batch = batch["ids"]
    return np.asarray(batch[1] if isinstance(batch, tuple) else batch)


def digest(rows: Iterator[bytes]) -> str:
    """One for any order of the rows."""
    total = sum(int.from_bytes(hashlib.blake2b(row, digest_size=16).digest()) for row in rows)
    return f"{total % 2**128:032x}"


def pass_digest(batches: Batches, num_batches: int) -> str:
    return digest(row.tobytes() for batch in islice(batches, num_batches) for row in ids_of(batch).astype(np.uint16))


def contend(name: str, folder: Path) -> dict[str, Any]:
    """What one contender measures in this process."""
    begin = OPENERS[name]()
    num_rows = len(rows_of(folder))
    warm = begin(folder, 0)  # writes its own format the first time, and imports
    next(warm)
    milliseconds = {}
    for label, first in (("first", 0), ("resumed", RESUMED_BATCH)):
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            next(begin(folder, first))
            best = min(best, time.process_time() - start)
        milliseconds[label] = 1e3 * best
    digests = (
        pass_digest(begin(folder, 0), num_rows // BATCH_ROWS) if name not in ("headrace-packed", "nanogpt") else ""
    )
    return {
        "speed": steady_speed(begin(folder, 0)),
        "first_ms": milliseconds["first"],
        "resumed_ms": milliseconds["resumed"] if name in EXACT_RESUME else None,
        "digest": digests,
    }


def steady_speed(batches: Batches) -> float:
    """M tokens per CPU second: the best of many stretches of a tenth of a second, when a pass has warmed everything."""
    deadline, best = time.monotonic() + 12, 0.0
    count = 20
    while time.monotonic() < deadline:
        start = time.process_time()
        for _ in range(count):
            batch = next(batches)
        seconds = time.process_time() - start
        del batch
        best = max(best, count * BATCH_ROWS * ROW_TOKENS / seconds / 1e6)
        count = max(10, int(count * 0.1 / max(seconds, 1e-4)))
    return best


def compare(names: list[str], megatokens: int, cache: Path) -> None:
    """Prints the table of loaders."""
    from curation.environments import REQUIREMENTS as known
    from curation.environments import Environments

    known.update({f"loader-{package}": requirements for package, requirements in PEERS.values()})
    environments = Environments(cache / "environments")
    folder = cache / f"loader-{megatokens}"
    if not (folder / "ready").exists():
        write_tokens(folder, megatokens)
    rows = rows_of(folder)
    wanted = digest(row.tobytes() for row in rows)
    print(f"{rows.size / 1e6:.1f} M tokens, rows of {ROW_TOKENS}, batches of {BATCH_ROWS} rows")
    share = f"of {TRAINED_TOKENS / 1e6:.0f} M/s"
    print(f"{'':18s}{'M tokens/s':>12s}{share:>12s}{'first ms':>10s}{'resumed ms':>12s}  one pass")
    for name in names:
        try:
            package, _ = PEERS.get(name, ("", ()))
            python = environments.get(f"loader-{package}", package).python if package else Path(sys.executable)
        except OSError as error:
            print(f"{name:18s} cannot be installed here: {error}")
            continue
        command = ["taskset", "--cpu-list", "0", python, __file__, "--contend", name, "--cache", folder]
        one_core = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, capture_output=True, text=True, env=one_core, check=False)
        if done.returncode:
            print(f"{name:18s} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        resumed = "" if found["resumed_ms"] is None else f"{found['resumed_ms']:.1f}"
        complete = {"": "not comparable", wanted: "every row once"}.get(found["digest"], "OTHER ROWS")
        share = f"{TRAINED_TOKENS / 1e6 / found['speed']:.2%}"
        print(f"{name:18s}{found['speed']:12.0f}{share:>12s}{found['first_ms']:10.1f}{resumed:>12s}  {complete}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--megatokens", type=int, default=64)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "headrace-benchmarks")
    parser.add_argument("--packing", nargs="*", type=Path, metavar="STORE", help="folders of token stores")
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contend:
        print(json.dumps(contend(given.contend, given.cache)))
    elif given.packing:
        from packing_table import print_tables

        print_tables(given.packing)
    else:
        compare(given.contenders.split(","), given.megatokens, given.cache)


if __name__ == "__main__":
    main()
