"""Do headrace's presets decide as datatrove's filters do? `python benchmarks/datatrove_agreement.py DOCUMENTS.jsonl
...`

Each line of the files is an object with an English "text". datatrove's Gopher repetition, Gopher quality, C4 (with
and without
terminal punctuation) and FineWeb filters judge the documents in an environment of their own, which is made if
`--python` does
not name one; headrace judges them with datatrove's words. Prints how often decision and first reason agree, and every
difference. Exit code 1 if fewer than 99.9 % agree.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PEER = "datatrove==0.10.1"
PACKAGES = (PEER, "spacy>=3.8,<3.9", "orjson", "regex", "nltk")
LEAST_AGREEMENT = 0.999
BATCH = 512
PRESET_OF_FILTER = {
    "gopher_repetition": "gopher_repetition",
    "gopher_quality": "gopher_quality",
    "c4": "c4",
    "c4_any_end": "c4_any_end",
    "fineweb": "fineweb_own",
}
SHOWN_CHARACTERS = 70


def main() -> int:
    """Runs both sides and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--python", type=Path, help="interpreter of an environment that has datatrove and spaCy")
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_peer:
        for reasons in peer_reasons(read_texts(arguments.files)):
            print(json.dumps(reasons))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        python = arguments.python or make_environment(Path(folder))
        command = [str(python), __file__, "--as-peer", *map(str, arguments.files)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    texts = list(read_texts(arguments.files))
    started = time.process_time()
    ours = our_reasons(texts)
    print(f"headrace: {time.process_time() - started:.1f} s of CPU time, compiling and spaCy's first words included")
    return int(compare(texts, theirs, ours) < LEAST_AGREEMENT)


def read_texts(files: list[Path]) -> Iterator[str]:
    """The texts in which there is a word."""
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if (text := json.loads(line)["text"]).strip():
                yield text


def make_environment(folder: Path) -> Path:
    """An interpreter with datatrove."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def peer_reasons(texts: Iterator[str]) -> Iterator[dict[str, str | None]]:
    """Filter -> why datatrove drops each text; "" if it keeps it, None if it never sees it."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    filters = {
        "gopher_repetition": GopherRepetitionFilter(),
        "gopher_quality": GopherQualityFilter(),
        "c4": C4QualityFilter(),
        "c4_any_end": C4QualityFilter(filter_no_terminal_punct=False),
    }
    fineweb = FineWebQualityFilter()

    def reason(judge: object, document: object) -> str:
        verdict = judge.filter(document)
        return "" if verdict is True else verdict[1] if isinstance(verdict, tuple) else "dropped"

    for number, text in enumerate(texts):
        reasons: dict[str, str | None] = {}
        for name, judge in filters.items():
            document = Document(text=text, id=str(number))
            reasons[name] = reason(judge, document)
        reasons["fineweb"] = reason(fineweb, document) if reasons["c4_any_end"] == "" else None
        yield reasons


def our_reasons(texts: list[str]) -> list[dict[str, str]]:
    """Filter -> why headrace's preset drops each text; "" if it keeps it."""
    import polars as pl

    from headrace.corpus.decide.rules import failing_by_reason
    from headrace.corpus.measure.scores import score_texts
    from headrace.corpus.presets import C4_ANY_END, PRESETS
    from headrace.corpus.texts import Texts

    rules = {name: PRESETS.get(preset, C4_ANY_END) for name, preset in PRESET_OF_FILTER.items()}
    rows: list[dict[str, str]] = []
    for begin in range(0, len(texts), BATCH):
        batch = texts[begin : begin + BATCH]
        scores = score_texts(Texts.from_strings(batch), ["en"] * len(batch), words="datatrove")
        frame = pl.DataFrame(scores).with_columns(language=pl.lit("en"))
        failing = {name: frame.select(**failing_by_reason(of_name)).to_dicts() for name, of_name in rules.items()}
        rows += [
            {name: next((reason for reason, fails in failing[name][k].items() if fails), "") for name in rules}
            for k in range(len(batch))
        ]
    return rows


def compare(texts: list[str], theirs: list[dict[str, str | None]], ours: list[dict[str, str]]) -> float:
    """Prints the agreement of each filter and every difference; returns the least agreement."""
    assert len(texts) == len(theirs) == len(ours)
    least = 1.0
    for name in PRESET_OF_FILTER:
        judged = [n for n in range(len(texts)) if theirs[n][name] is not None]
        kept = sum(theirs[n][name] == "" for n in judged)
        decisions = sum((theirs[n][name] == "") == (ours[n][name] == "") for n in judged)
        different = [n for n in judged if theirs[n][name] != ours[n][name]]
        agreement = 1 - len(different) / max(len(judged), 1)
        least = min(least, agreement)
        print(
            f"{name:18} {len(judged):6,} documents, {kept:6,} kept; agreement of decisions "
            f"{decisions / max(len(judged), 1):.4%}, of decisions and first reasons {agreement:.4%}"
        )
        for n in different:
            print(f"    {n}: datatrove {theirs[n][name] or 'keeps'}, headrace {ours[n][name] or 'keeps'}: ", end="")
            print(repr(texts[n][:SHOWN_CHARACTERS]))
    return least


if __name__ == "__main__":
    sys.exit(main())
