"""Runs of k tokens, and the anchor by which both copies of a repeated run are found without storing every run.

Of the q-token runs inside a k-token run, the anchor is the one with the smallest hash. It depends on nothing but the
k tokens, so equal runs have equal anchors, and neighbouring runs mostly share theirs: with q = k / 2 there is one
anchor for 13 tokens. Only runs whose anchor occurs twice in the corpus can occur twice themselves.
Source: winnowing, Schleimer, Wilkerson & Aiken 2003.
"""

from collections.abc import Iterator

import numpy as np

from headrace.corpus.code_points import hash_runs
from headrace.corpus.deduplicate.tokens import Hashes, Positions, Tokens
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts

CHUNK_BYTES = 1 << 20


def chunks(texts: Texts) -> Iterator[tuple[int, Texts]]:
    """First row and texts of stretches of about 1 MB, so that memory does not grow with the batch."""
    begin = 0
    while begin < len(texts):
        end = int(np.searchsorted(texts.offsets, texts.offsets[begin] + CHUNK_BYTES, side="right")) - 1
        end = max(end, begin + 1)
        yield begin, Texts(texts.data, texts.offsets[begin : end + 1])
        begin = end


def run_hashes(hashes: Hashes, firsts: Positions, length: int) -> Hashes:
    """(T,) hash of the run that begins at each token; undefined where a document ends before the run does."""
    out = np.zeros(len(hashes), np.uint64)
    hash_runs(hashes, firsts, length, out)
    return out


def find_anchors(tokens: Tokens, length: int) -> tuple[Positions, Positions, Hashes]:
    """The token at which each run of `length` tokens begins, in order; where its anchor begins; the anchor's hash."""
    anchor_length = max(1, length // 2)
    grams = run_hashes(tokens.hashes, tokens.firsts, anchor_length)
    picked = np.full(len(grams), -1, np.int64)
    pick_smallest(grams, tokens.firsts, np.array([length, anchor_length]), picked)
    starts = np.flatnonzero(picked >= 0)
    anchors = picked[starts]
    return starts, anchors, grams[anchors]


@kernel
def pick_smallest(grams: np.ndarray, firsts: np.ndarray, lengths: np.ndarray, picked: np.ndarray) -> None:
    """picked[i]: where the last of the smallest short runs within the long run at token i begins, if it fits.

    lengths: tokens of a long and of a short run. Of equal hashes the last wins, so that text that repeats one token
    costs no more than any other.
    """
    long, short = lengths[0], lengths[1]
    for document in range(len(firsts) - 1):
        best = -1
        for start in range(firsts[document], firsts[document + 1] - long + 1):
            last = start + long - short
            if best < start:
                best = _last_smallest(grams, start, last)
            elif grams[last] <= grams[best]:
                best = last
            picked[start] = best


@kernel
def _last_smallest(grams: np.ndarray, first: int, last: int) -> int:
    best = first
    for candidate in range(first + 1, last + 1):
        if grams[candidate] <= grams[best]:
            best = candidate
    return best
