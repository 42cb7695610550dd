"""Texts without the personal data in them, and a count of what went."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.corpus.redact import documents, network, phones, secrets
from headrace.corpus.redact.candidates import find_windows
from headrace.corpus.redact.config import KINDS, Kind, RedactConfig
from headrace.corpus.redact.detector import Detector
from headrace.corpus.redact.view import plain_view
from headrace.corpus.texts import Texts

DETECTORS: tuple[Detector, ...] = tuple(
    sorted(
        (*documents.DETECTORS, *network.DETECTORS, *phones.DETECTORS, *secrets.DETECTORS),
        key=lambda detector: KINDS.index(detector.kind),
    )
)
"""All written forms of all kinds, by priority of the kind."""

Counts = Mapping[Kind, npt.NDArray[np.int32]]


@dataclass(frozen=True, slots=True)
class Found:
    """One value of a text."""

    kind: Kind
    begin: int
    """In characters of the text, for `redact_text`; in bytes, inside a batch."""
    end: int


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text after redaction, and what was there before."""

    text: str
    found: tuple[Found, ...]
    """From left to right, not overlapping, as places in the text that was given."""


def redact_text(text: str, config: RedactConfig) -> Redaction:
    """One text redacted. Many at once are quicker: `redact_texts`."""
    texts = Texts.from_strings([text])
    data = texts.data[texts.offsets[0] : texts.offsets[1]].tobytes()
    found = [value for _, value in _find_all(texts, config)]
    in_characters = [
        Found(value.kind, len(data[: value.begin].decode()), len(data[: value.end].decode())) for value in found
    ]
    return Redaction(b"".join(_pieces(data, found, config)).decode(), tuple(in_characters))


def redact_texts(texts: Texts, config: RedactConfig) -> tuple[Texts, Counts]:
    """The texts with placeholders, and how many values of each kind of the config each text had, (N,) int32.

    A text without finds keeps its bytes; if none has any, the batch that came in is the batch that goes out.
    """
    counts: dict[Kind, npt.NDArray[np.int32]] = {kind: np.zeros(len(texts), np.int32) for kind in config.kinds}
    finds: dict[int, list[Found]] = {}
    for row, value in _find_all(texts, config):
        counts[value.kind][row] += 1
        finds.setdefault(row, []).append(value)
    return (_replace(texts, finds, config) if finds else texts), counts


def _replace(texts: Texts, finds: Mapping[int, Sequence[Found]], config: RedactConfig) -> Texts:
    """The batch with the rows that have finds rewritten and the stretches between them copied whole."""
    pieces: list[bytes] = []
    sizes = texts.sizes.copy()
    done = int(texts.offsets[0])
    for row, found in finds.items():
        begin, end = int(texts.offsets[row]), int(texts.offsets[row + 1])
        rewritten = list(_pieces(texts.data[begin:end].tobytes(), found, config))
        pieces += [texts.data[done:begin].tobytes(), *rewritten]
        sizes[row] = sum(map(len, rewritten))
        done = end
    pieces.append(texts.data[done : int(texts.offsets[-1])].tobytes())
    return Texts(np.frombuffer(b"".join(pieces), np.uint8), np.concatenate(([0], np.cumsum(sizes))))


def _pieces(data: bytes, found: Sequence[Found], config: RedactConfig) -> Iterator[bytes]:
    """What the text is made of afterwards."""
    done = 0
    for value in found:
        yield data[done : value.begin]
        yield _placeholder(value.kind, data[value.begin : value.end], config)
        done = value.end
    yield data[done:]


def _placeholder(kind: Kind, value: bytes, config: RedactConfig) -> bytes:
    written = config.placeholder.replace("{KIND}", kind.upper()).replace("{kind}", kind)
    if config.seed is None:
        return written.encode()
    digest = hashlib.blake2b(value, digest_size=4, key=str(config.seed).encode()[:64]).hexdigest()
    return written.replace("{pseudonym}", digest).encode()


def _find_all(texts: Texts, config: RedactConfig) -> Iterator[tuple[int, Found]]:
    """(row, value with its place in bytes), by row and place."""
    detectors = [detector for detector in DETECTORS if detector.kind in config.kinds]
    wanted = int(np.bitwise_or.reduce([detector.trigger for detector in detectors]))
    windows = find_windows(texts, wanted)
    bounds = zip(
        *(column.tolist() for column in (windows.rows, windows.begins, windows.ends, windows.triggers)), strict=True
    )
    for row, begin, end, triggers in bounds:
        start = int(texts.offsets[row])
        text = texts.data[start + begin : start + end].tobytes().decode()
        chosen = [detector for detector in detectors if detector.trigger & triggers]
        for value in find_values(text, chosen, config):
            first = begin + len(text[: value.begin].encode())
            yield row, Found(value.kind, first, first + len(text[value.begin : value.end].encode()))


def find_values(text: str, detectors: Sequence[Detector], config: RedactConfig) -> list[Found]:
    """What the detectors find in a text, as places in characters; of overlapping finds the earlier detector's."""
    view = plain_view(text)
    kept: list[Found] = []
    for detector in detectors:
        for begin, end in detector.finds(view, config):
            if all(end <= other.begin or other.end <= begin for other in kept):
                kept.append(Found(detector.kind, begin, end))
    return sorted(kept, key=lambda value: value.begin)
