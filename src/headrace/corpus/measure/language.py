"""Which language a text is in: py3langid's model and its answers, more than ten times as fast.

The first characters of a text decide. As in py3langid, they are brought into the composed Unicode form, and into lower
case if all letters are capitals; only texts that this would change leave the kernels.
"""

import unicodedata

import numpy as np
import numpy.typing as npt

from headrace.corpus.measure.language_kernels import Workspace, identify, take_samples
from headrace.corpus.measure.language_model import (
    CLASSES_PADDED,
    COMPOSES,
    LETTER,
    NOT_UPPER,
    UPPER,
    load_language_model,
)
from headrace.corpus.texts import Bytes, Offsets, Texts

EXAMINED_CHARACTERS = 2000
"""Taken from the beginning: more text changes few answers."""

UNKNOWN = ("und", 0.0)

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]


def identify_language(text: str) -> tuple[str, float]:
    """ISO 639 code and probability in [0, 1] of the likeliest language; ("und", 0.0) if there is nothing to go by."""
    codes, probabilities = identify_languages(Texts.from_strings([text]))
    return codes[0], float(probabilities[0])


def identify_languages(texts: Texts) -> tuple[list[str], Probabilities]:
    """(N,) ISO 639 codes and probabilities in [0, 1] of the likeliest languages; "und" and 0 as in `identify_language`.

    Nothing to go by: no letter, or no letter of a script that the model knows.
    """
    model, codes = load_language_model()
    samples = np.empty((len(texts), 3), np.int64)
    take_samples(texts.data, texts.offsets, EXAMINED_CHARACTERS, model.properties, samples)
    labels, probabilities = _identify(texts.data, samples)
    if len(rows := np.flatnonzero(_needs_rewriting(samples[:, 2]))):
        rewritten = Texts.from_strings([_rewrite(texts.data[begin:end]) for begin, end, _ in samples[rows].tolist()])
        labels[rows], probabilities[rows] = _identify(
            rewritten.data, np.stack((rewritten.offsets[:-1], rewritten.offsets[1:]), axis=1)
        )
    is_unknown = (samples[:, 2] & LETTER == 0) | (labels < 0)
    probabilities[is_unknown] = UNKNOWN[1]
    return np.array([*codes, UNKNOWN[0]])[np.where(is_unknown, len(codes), labels)].tolist(), probabilities


def _identify(data: Bytes, samples: Offsets) -> tuple[Labels, Probabilities]:
    model, _ = load_language_model()
    labels, probabilities = np.empty(len(samples), np.int64), np.empty(len(samples), np.float64)
    longest = int((samples[:, 1] - samples[:, 0]).max(initial=0))
    identify(data, samples, model, _workspace(longest), labels, probabilities)
    return labels, probabilities


def _workspace(num_bytes: int) -> Workspace:
    num_features = len(load_language_model()[0].evidence) // CLASSES_PADDED
    return Workspace(
        counts=np.zeros(num_features, np.uint16),
        found=np.empty(num_bytes + 1, np.uint32),
        by_count=np.empty(num_bytes + 1, np.uint32),
        weight=np.log1p(np.arange(num_bytes + 1, dtype=np.float32)).astype(np.float64),
        total=np.empty(CLASSES_PADDED, np.int32),
        scores=np.empty(CLASSES_PADDED, np.float64),
    )


def _needs_rewriting(properties: Offsets) -> npt.NDArray[np.bool_]:
    needs: npt.NDArray[np.bool_] = (properties & COMPOSES > 0) | (properties & (UPPER | NOT_UPPER) == UPPER)
    return needs


def _rewrite(sample: Bytes) -> str:
    text = sample.tobytes().decode()
    return unicodedata.normalize("NFC", text.lower() if text.isupper() else text)
