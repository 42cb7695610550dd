"""Byte-pair merges from counted words: those that Hugging Face's trainer finds, in its order, in linear memory.

Words lie end to end in one array of nodes, each followed by an empty node. A token of n bytes covers n nodes; its first
and last hold its number, so both neighbours are found without links. The first node also holds the number of the pair
that begins there, so counts are kept without looking anything up. Every pair has the list of places where it began when
it was made; a place is good as long as its node still holds the pair. All places of a pair are made in one pass, from
left to right, so a word costs what its merges cost, however long it is.
The most frequent pair comes first, of equals the one with the smaller left and then right number; a count only falls
once its pair is made, so a heap whose counts may be out of date always ends with the right one on top.
Source: Sennrich, Haddow & Birch 2016, "Neural machine translation of rare words with subword units", section 3.2.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import inner_kernel, kernel

Array = TypeVar("Array", bound=NDArray[Any])
Numbers = NDArray[np.int64]
Nodes = NDArray[np.int32]
Pairs = NDArray[np.int32]

TOKEN, PAIR, WEIGHT = range(3)
NONE = -1
BYTES = 256
GROWTH = 2


@kernel
def learn_merges(
    words: np.ndarray, starts: np.ndarray, counts: np.ndarray, first_tokens: np.ndarray, num_merges: int
) -> NDArray[np.int32]:
    """(M, 2) the pairs to merge, most frequent first; M is smaller than `num_merges` if the words support no more.

    words, starts, counts: what `WordCounts` holds; no count reaches 2^31, nor do the words' bytes.
    first_tokens: (256,) the number of each byte's token; the first merge's token is the largest of them plus one.
    """
    next_token = first_tokens.max() + 1
    nodes = _lay_out(words, starts, counts, first_tokens)
    sizes = np.ones(next_token + num_merges, np.int32)
    # Of each pair: left and right token, how often it stands, where its places begin and how many they are.
    sides, totals, lists, places = _first_pairs(nodes, first_tokens)
    num_pairs, num_places = len(totals), len(places)
    heap = np.empty((max(num_pairs, 1), 2), np.int64)  # a count that was true once, and a pair
    heap_size = 0
    for pair in range(num_pairs):
        heap_size = _push(heap, heap_size, totals[pair], pair, sides)
    merges = np.empty((num_merges, 2), np.int32)
    by_side = np.full((2, len(sizes)), NONE, np.int32)  # new pairs by what stands left of the token, and right
    made = np.empty((1024, 2), np.int32)  # pairs of this pass and their places, as they come
    num_merged = 0
    while num_merged < num_merges:
        heap_size = _settle(heap, heap_size, totals, sides)
        if heap_size == 0:
            break
        pair = heap[0, 1]
        heap_size = _pop(heap, heap_size, sides)
        merges[num_merged] = sides[pair]
        token = next_token + num_merged
        sizes[token] = sizes[sides[pair, 0]] + sizes[sides[pair, 1]]
        num_merged += 1
        most = 2 * lists[pair, 1]
        if len(made) < most:
            made = np.empty((GROWTH * most, 2), np.int32)
        if len(totals) < num_pairs + most:
            grown = GROWTH * (num_pairs + most)
            sides, totals, lists = _more_rows(sides, grown), _longer(totals, grown), _more_rows(lists, grown)
        first_new = num_pairs
        num_pairs, num_made = _merge(
            pair, token, nodes, sizes, (sides, totals, lists, places), num_pairs, made, by_side
        )
        if len(places) < num_places + num_made:
            places = _longer(places, GROWTH * (num_places + num_made))
        num_places = _list_places(nodes, lists, places, num_places, made[:num_made], first_new, num_pairs)
        if len(heap) < heap_size + num_pairs - first_new:
            heap = _more_rows(heap, GROWTH * (heap_size + num_pairs - first_new))
        for pair in range(first_new, num_pairs):
            by_side[0, sides[pair, 0]], by_side[1, sides[pair, 1]] = NONE, NONE
            if totals[pair] > 0:
                heap_size = _push(heap, heap_size, totals[pair], pair, sides)
    return merges[:num_merged]


@kernel
def _lay_out(words: np.ndarray, starts: np.ndarray, counts: np.ndarray, first_tokens: np.ndarray) -> Nodes:
    nodes = np.full((starts[-1] + len(counts) + 1, 3), NONE, np.int32)
    at = 1
    for word in range(len(counts)):
        for place in range(starts[word], starts[word + 1]):
            nodes[at, TOKEN], nodes[at, WEIGHT] = first_tokens[words[place]], counts[word]
            at += 1
        at += 1
    return nodes


@kernel
def _first_pairs(nodes: np.ndarray, first_tokens: np.ndarray) -> tuple[Pairs, Numbers, Numbers, Nodes]:
    """Pairs of bytes: their sides, totals, lists and places. Enters them into the nodes."""
    width = first_tokens.max() + 1
    numbers = np.full((width, width), NONE, np.int32)
    sides, totals = np.empty((BYTES * BYTES, 2), np.int32), np.zeros(BYTES * BYTES, np.int64)
    lists = np.zeros((BYTES * BYTES, 2), np.int64)
    num_pairs = 0
    for at in range(len(nodes) - 1):
        left, right = nodes[at, TOKEN], nodes[at + 1, TOKEN]
        if left == NONE or right == NONE:
            continue
        pair = numbers[left, right]
        if pair == NONE:
            pair = num_pairs
            numbers[left, right] = pair
            sides[pair, 0], sides[pair, 1] = left, right
            num_pairs += 1
        nodes[at, PAIR] = pair
        totals[pair] += nodes[at, WEIGHT]
        lists[pair, 1] += 1
    first = 0
    for pair in range(num_pairs):
        lists[pair, 0] = first
        first += lists[pair, 1]
        lists[pair, 1] = 0
    places = np.empty(first, np.int32)
    for at in range(len(nodes)):
        pair = nodes[at, PAIR]
        if pair != NONE:
            places[lists[pair, 0] + lists[pair, 1]] = at
            lists[pair, 1] += 1
    return sides[:num_pairs], totals[:num_pairs], lists[:num_pairs], places


@inner_kernel
def _merge(
    pair: int,
    token: int,
    nodes: np.ndarray,
    sizes: np.ndarray,
    pairs: tuple[Pairs, Numbers, Numbers, Nodes],
    num_pairs: int,
    made: np.ndarray,
    by_side: np.ndarray,
) -> tuple[int, int]:
    """Puts one token in place of a pair wherever it stands; returns how many pairs there are and places were made."""
    sides, totals, lists, places = pairs
    left_size, right_size = sizes[sides[pair, 0]], sizes[sides[pair, 1]]
    num_made = 0
    for index in range(lists[pair, 0], lists[pair, 0] + lists[pair, 1]):
        at = places[index]
        if nodes[at, PAIR] != pair:
            continue
        middle, end, weight = at + left_size, at + left_size + right_size, nodes[at, WEIGHT]
        before, after = nodes[at - 1, TOKEN], nodes[end, TOKEN]
        nodes[at, PAIR] = nodes[middle, PAIR] if after != NONE else NONE
        nodes[middle, PAIR] = NONE
        nodes[at, TOKEN] = nodes[end - 1, TOKEN] = token
        if before != NONE:
            start = at - sizes[before]
            totals[nodes[start, PAIR]] -= weight
            # A token that this pass has just made is found as one that stands left.
            made_pair = by_side[0, before]
            if made_pair == NONE:
                made_pair, num_pairs = num_pairs, num_pairs + 1
                by_side[0, before] = made_pair
                sides[made_pair, 0], sides[made_pair, 1], totals[made_pair], lists[made_pair, 1] = before, token, 0, 0
            totals[made_pair] += weight
            nodes[start, PAIR] = made[num_made, 0] = made_pair
            made[num_made, 1] = start
            num_made += 1
        if after != NONE:
            totals[nodes[at, PAIR]] -= weight
            made_pair = by_side[1, after]
            if made_pair == NONE:
                made_pair, num_pairs = num_pairs, num_pairs + 1
                by_side[1, after] = made_pair
                sides[made_pair, 0], sides[made_pair, 1], totals[made_pair], lists[made_pair, 1] = token, after, 0, 0
            totals[made_pair] += weight
            nodes[at, PAIR] = made[num_made, 0] = made_pair
            made[num_made, 1] = at
            num_made += 1
    return num_pairs, num_made


@inner_kernel
def _list_places(
    nodes: np.ndarray,
    lists: np.ndarray,
    places: np.ndarray,
    num_places: int,
    made: np.ndarray,
    first_new: int,
    num_pairs: int,
) -> int:
    """Sorts the places of a pass by their pair, in order, and leaves out those that the pass itself undid."""
    for index in range(len(made)):
        if nodes[made[index, 1], PAIR] == made[index, 0]:
            lists[made[index, 0], 1] += 1
    for pair in range(first_new, num_pairs):
        lists[pair, 0] = num_places
        num_places += lists[pair, 1]
        lists[pair, 1] = 0
    for index in range(len(made)):
        pair = made[index, 0]
        if nodes[made[index, 1], PAIR] == pair:
            places[lists[pair, 0] + lists[pair, 1]] = made[index, 1]
            lists[pair, 1] += 1
    return num_places


@inner_kernel
def _comes_first(count: int, pair: int, other_count: int, other: int, sides: np.ndarray) -> bool:
    if count != other_count:
        return count > other_count
    if sides[pair, 0] != sides[other, 0]:
        return bool(sides[pair, 0] < sides[other, 0])
    return bool(sides[pair, 1] < sides[other, 1])


@inner_kernel
def _push(heap: np.ndarray, size: int, count: int, pair: int, sides: np.ndarray) -> int:
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if not _comes_first(count, pair, heap[parent, 0], heap[parent, 1], sides):
            break
        heap[at, 0], heap[at, 1] = heap[parent, 0], heap[parent, 1]
        at = parent
    heap[at, 0], heap[at, 1] = count, pair
    return size + 1


@inner_kernel
def _sink(heap: np.ndarray, size: int, count: int, pair: int, sides: np.ndarray) -> None:
    """Puts an entry at the top and lets it sink to its place."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        other = child + 1
        if other < size and _comes_first(heap[other, 0], heap[other, 1], heap[child, 0], heap[child, 1], sides):
            child = other
        if not _comes_first(heap[child, 0], heap[child, 1], count, pair, sides):
            break
        heap[at, 0], heap[at, 1] = heap[child, 0], heap[child, 1]
        at = child
    heap[at, 0], heap[at, 1] = count, pair


@inner_kernel
def _pop(heap: np.ndarray, size: int, sides: np.ndarray) -> int:
    if size > 1:
        _sink(heap, size - 1, heap[size - 1, 0], heap[size - 1, 1], sides)
    return size - 1


@inner_kernel
def _settle(heap: np.ndarray, size: int, totals: np.ndarray, sides: np.ndarray) -> int:
    """Renews counts at the top until the one there is true; pairs that are gone leave."""
    while size > 0 and heap[0, 0] != totals[heap[0, 1]]:
        if totals[heap[0, 1]] <= 0:
            size = _pop(heap, size, sides)
        else:
            _sink(heap, size, totals[heap[0, 1]], heap[0, 1], sides)
    return size


@kernel
def _more_rows(array: Array, size: int) -> Array:
    grown = np.empty((size, array.shape[1]), array.dtype)
    grown[: len(array)] = array
    return grown  # type: ignore[return-value]  # of the same dtype


@kernel
def _longer(array: Array, size: int) -> Array:
    grown = np.empty(size, array.dtype)
    grown[: len(array)] = array
    return grown  # type: ignore[return-value]  # of the same dtype
