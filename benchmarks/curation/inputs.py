"""The benchmark's inputs: JSON lines under zstd with a checksum, built once from real text and kept in the cache."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson
import zstandard

from curation.copies import distinct, with_copies, with_words_replaced
from curation.packages import Document, chinese_texts, english_manuals, english_prose

VERSION = 1
"""Counted up when what is built changes, so that no old input is taken for a new one."""

SEED = 7
PROSE_SHARE = 0.4
REPLACED_WORD_SHARE = 0.1
"""Of the words of each repetition: two of them share a fifth of their 5-grams, far below what counts as near."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file of documents with `id`, `text` and `source`."""

    name: str
    path: str
    language: str
    num_documents: int
    text_bytes: int

    @property
    def megabytes(self) -> float:
        return self.text_bytes / 1e6


class Inputs:
    """Builds inputs below a folder, or finds them there."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = folder
        self._data = data

    def english(self, megabytes: float) -> Input:
        """Prose and manuals, shuffled."""

        def documents() -> Iterator[Document]:
            random = np.random.default_rng(SEED)
            prose = _up_to(_shuffled(english_prose(random), random), megabytes * PROSE_SHARE)
            taken = sum(len(text.encode()) for _, text in prose) / 1e6
            manuals = _up_to(_shuffled(english_manuals(self._data, random), random), megabytes - taken)
            yield from _shuffled([*prose, *manuals], random)

        return self._built(f"english-{megabytes:g}", "en", documents)

    def chinese(self, megabytes: float) -> Input:
        """News, manual pages and help, shuffled."""

        def documents() -> Iterator[Document]:
            random = np.random.default_rng(SEED)
            yield from _up_to(_shuffled(chinese_texts(self._data, random), random), megabytes)

        return self._built(f"chinese-{megabytes:g}", "zh", documents)

    def copies(self, megabytes: float) -> Input:
        """English documents of which no two are alike, and labelled copies among them; the label is in the id."""

        def documents() -> Iterator[Document]:
            yield from with_copies(distinct(read_documents(self.english(megabytes))), seed=SEED)

        return self._built(f"copies-{megabytes:g}", "en", documents)

    def repeated(self, of: Input, megabytes: float) -> Input:
        """An input again and again up to a size, each time with other words replaced."""

        def documents() -> Iterator[Document]:
            size, repetition = 0, 0
            original = list(read_documents(of))
            while True:
                for source, text in with_words_replaced(original, REPLACED_WORD_SHARE, seed=SEED + repetition):
                    size += len(text.encode())
                    if size > megabytes * 1e6:
                        return
                    yield source, text
                repetition += 1

        return self._built(f"{of.name}-repeated-{megabytes:g}", of.language, documents)

    def part(self, of: Input, megabytes: float) -> Input:
        """The first documents of an input."""
        if megabytes >= of.megabytes:
            return of
        return self._built(f"{of.name}-first-{megabytes:g}", of.language, lambda: _up_to(read_documents(of), megabytes))

    def first(self, of: Input, num_documents: int) -> Input:
        """A given number of first documents of an input."""

        def documents() -> Iterator[Document]:
            for _, document in zip(range(num_documents), read_documents(of), strict=False):
                yield document

        return self._built(f"{of.name}-documents-{num_documents}", of.language, documents)

    def _built(self, name: str, language: str, documents: Callable[[], Iterable[Document]]) -> Input:
        folder = self._folder / f"{name}-v{VERSION}"
        about = folder / "input.json"
        if not about.exists():
            folder.mkdir(parents=True, exist_ok=True)
            found = _write(folder / "documents.jsonl.zst", documents(), name=name, language=language)
            about.write_text(json.dumps(asdict(found)))
        return Input(**json.loads(about.read_text()))


def read_ids(source: Input) -> Iterator[str]:
    """The id of each document in order."""
    for line in _lines(source):
        yield line["id"]


def read_documents(source: Input) -> Iterator[Document]:
    """(source or label, text) of each document in order."""
    for line in _lines(source):
        yield line["source"], line["text"]


def _lines(source: Input) -> Iterator[dict[str, str]]:
    with zstandard.open(source.path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield orjson.loads(line)


def _shuffled(documents: Iterable[Document], random: np.random.Generator) -> list[Document]:
    listed = list(documents)
    return [listed[index] for index in random.permutation(len(listed))]


def _up_to(documents: Iterable[Document], megabytes: float) -> list[Document]:
    taken: list[Document] = []
    size = 0
    for source, text in documents:
        size += len(text.encode())
        if size > megabytes * 1e6:
            break
        taken.append((source, text))
    return taken


def _write(path: Path, documents: Iterable[Document], *, name: str, language: str) -> Input:
    """Writes the documents, each with an id of its source and its number."""
    size = count = 0
    packer = zstandard.ZstdCompressor(level=3, write_checksum=True)
    with path.open("wb") as file, packer.stream_writer(file) as stream:
        for source, text in documents:
            record = {"id": f"{source}/{count:07d}", "text": text, "source": source}
            stream.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            size += len(text.encode())
            count += 1
    return Input(name, str(path), language, num_documents=count, text_bytes=size)
