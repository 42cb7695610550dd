"""Repeated passages are those of a suffix array, whatever the units, the memory and the script."""

import pickle
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.corpus.cuts import Cuts, remove
from headrace.corpus.deduplicate.anchors import MapFunction, collect_anchors, mark_repeated, spread
from headrace.corpus.deduplicate.substrings import collect_runs, resolve
from headrace.corpus.deduplicate.text_config import SubstringsConfig
from headrace.corpus.deduplicate.tokens import tokenize
from headrace.corpus.texts import Texts

PLENTY = 1 << 30
EXAMPLES = Path(__file__).parents[4] / "examples" / "data"
Ranges = set[tuple[int, int, int]]

# few words, so that passages repeat; none that joins its neighbour
WORDS = st.sampled_from(["a", "b", "ab", "水", "渠", "-", "naïve", "😀", "a\n"])
DOCUMENTS = st.lists(st.lists(WORDS, max_size=40).map(" ".join), max_size=12)


def find_cuts(
    documents: list[str],
    config: SubstringsConfig,
    *,
    per_unit: int = 3,
    limit: int = PLENTY,
    map_function: MapFunction = map,
) -> Cuts:
    """The whole road, over units of some documents each."""
    begins = range(0, len(documents), per_unit)
    units = [Texts.from_strings(documents[begin : begin + per_unit]) for begin in begins]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, second = ([folder / f"{kind}-{index}" for index in range(len(units))] for kind in ("first", "second"))
        for path in first + second:
            path.mkdir()
        for texts, path in zip(units, first, strict=True):
            collect_anchors(texts, config, path)
        table = folder / "table.npy"
        mark_repeated(first, table, memory_limit_bytes=limit, map_function=map_function)
        for begin, texts, path in zip(begins, units, second, strict=True):
            rows = 2 * np.arange(begin, begin + len(texts))  # every other row of the ledger was dropped before
            collect_runs(texts, rows, config, table=table, folder=path)
        options = {"scratch": folder, "memory_limit_bytes": limit, "map_function": map_function}
        cuts = resolve(second, config, **options)
    return Cuts(cuts.rows // 2, cuts.begins, cuts.ends)


def ranges_of(cuts: Cuts) -> Ranges:
    return set(zip(cuts.rows.tolist(), cuts.begins.tolist(), cuts.ends.tolist(), strict=True))


def split(text: str) -> list[tuple[int, int, str]]:
    """Begin, end and characters of each token, in characters; by a regular expression instead of a kernel."""
    pattern = r"(?:(?![\u3040-\u30ff\u3400-\u9fff])[^\W_])+|[^\s]"
    return [(match.start(), match.end(), match[0]) for match in re.finditer(pattern, text)]


def suffix_array(numbers: list[int]) -> list[int]:
    """Where the sorted suffixes begin, by prefix doubling."""
    ranks, step = np.unique(np.array(numbers), return_inverse=True)[1], 1
    while True:
        following = np.append(ranks[step:], np.full(min(step, len(ranks)), -1))
        order = np.lexsort((following, ranks))
        is_new = (np.diff(ranks[order]) != 0) | (np.diff(following[order]) != 0)
        ranks = np.empty_like(ranks)
        ranks[order] = np.concatenate(([0], np.cumsum(is_new)))
        step *= 2
        if is_new.all() or step >= len(ranks):
            return list(order.tolist())


def common_prefixes(numbers: list[int], order: list[int]) -> list[int]:
    """Length of what each sorted suffix has in common with the one before it (Kasai et al. 2001)."""
    rank = {suffix: place for place, suffix in enumerate(order)}
    lengths, length = [0] * len(order), 0
    for suffix in range(len(numbers)):
        length = max(length - 1, 0)
        if rank[suffix] == 0:
            length = 0
            continue
        other = order[rank[suffix] - 1]
        while max(suffix, other) + length < len(numbers) and numbers[suffix + length] == numbers[other + length]:
            length += 1
        lengths[rank[suffix]] = length
    return lengths


def oracle(documents: list[str], config: SubstringsConfig) -> Ranges:
    """What goes, from a suffix array over all tokens of all documents, a separator of its own after each document."""
    tokens = [split(text) for text in documents]
    names = {name: index for index, name in enumerate(sorted({token[2] for text in tokens for token in text}))}
    numbers: list[int] = []
    origins = []
    for index, text in enumerate(tokens):
        origins.append(len(numbers))
        numbers += [len(documents) + names[token[2]] for token in text] + [index]
    if not numbers:
        return set()
    order, length = suffix_array(numbers), config.min_tokens
    is_cut = np.zeros(len(numbers), bool)
    group: list[int] = []
    for suffix, common in [*zip(order, common_prefixes(numbers, order), strict=True), (0, 0)]:
        if common < length:
            for copy in group:
                overlap = max(copy, min(group) + length)
                is_cut[overlap : copy + length] |= copy != min(group)
            group = []
        group.append(suffix)
    found = set()
    for row, (text, origin) in enumerate(zip(tokens, origins, strict=True)):
        mask = is_cut[origin : origin + len(text)]
        found |= {(row, *span) for span in spans(documents[row], text, mask, config.min_rest_tokens)}
    return found


def spans(text: str, tokens: list[tuple[int, int, str]], mask: np.ndarray, least_rest: int) -> list[tuple[int, int]]:
    """Bytes of the runs of cut tokens, short rests taken along."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    runs = [list(run) for run in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]
    merged: list[list[int]] = []
    for run in runs:
        if merged and run[0] - merged[-1][1] < least_rest:
            merged[-1][1] = run[1]
        else:
            merged.append(run)
    found = []
    for begin, end in merged:
        first = 0 if begin < least_rest else tokens[begin][0]
        last = len(text) if len(tokens) - end < least_rest else tokens[end - 1][1]
        found.append((len(text[:first].encode()), len(text[:last].encode())))
    return found


@settings(deadline=None, max_examples=60)
@given(documents=DOCUMENTS, length=st.integers(4, 8), rest=st.integers(1, 4))
def test_the_passages_are_those_of_a_suffix_array(documents: list[str], length: int, rest: int) -> None:
    config = SubstringsConfig(min_tokens=length, min_rest_tokens=rest)

    assert ranges_of(find_cuts(documents, config)) == oracle(documents, config)


@settings(deadline=None, max_examples=40)
@given(documents=DOCUMENTS, per_unit=st.integers(1, 12), limit=st.sampled_from([300, 3_000, 30_000]))
def test_neither_units_nor_memory_change_the_passages(documents: list[str], per_unit: int, limit: int) -> None:
    config = SubstringsConfig(min_tokens=4)

    cuts = find_cuts(documents, config, per_unit=per_unit, limit=limit)

    assert ranges_of(cuts) == ranges_of(find_cuts(documents, config))


def elsewhere(function: Any, items: Any) -> Any:
    """`map` as other processes would do it: tasks are sent, and done in any order."""
    tasks = pickle.loads(pickle.dumps(list(items)))
    return iter([function(task) for task in reversed(tasks)][::-1])


def test_tasks_may_be_done_elsewhere_and_in_any_order() -> None:
    documents, config = real_documents()[-80:], SubstringsConfig(min_tokens=10)

    cuts = find_cuts(documents, config, limit=10_000, map_function=elsewhere)

    assert ranges_of(cuts) == ranges_of(find_cuts(documents, config))


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=60), min_size=1, max_size=6))
def test_no_cut_is_inside_a_character(texts: list[str]) -> None:
    documents = [*texts, *(text + " and more of it" for text in texts)]
    cuts = find_cuts(documents, SubstringsConfig(min_tokens=4))

    assert all(begin < end for begin, end in zip(cuts.begins.tolist(), cuts.ends.tolist(), strict=True))
    assert [*remove(Texts.from_strings(documents), cuts)]  # each is decoded


@settings(deadline=None, max_examples=30)
@given(old=DOCUMENTS, new=DOCUMENTS)
def test_what_comes_later_changes_no_cut_of_what_was_there(old: list[str], new: list[str]) -> None:
    config = SubstringsConfig(min_tokens=4)

    before, after = (ranges_of(find_cuts(documents, config)) for documents in (old, old + new))

    assert before == {found for found in after if found[0] < len(old)}


def real_documents() -> list[str]:
    """Novels, poems and verses, and documents that quote them."""
    files = [*EXAMPLES.glob("novels/*.zst"), *EXAMPLES.glob("poems/*.zst")]
    texts = [zstandard.ZstdDecompressor().stream_reader(file.open("rb")).read(20_000) for file in sorted(files)]
    paragraphs = [part for text in texts for part in text.decode(errors="ignore").split("\n\n")]
    generator = random.Random(5)
    quotes = [" ".join(generator.sample(paragraphs, 2)).replace("\n", " ") for _ in range(60)]
    return ["\n\n".join(paragraphs[begin : begin + 7]) for begin in range(0, len(paragraphs), 7)] + quotes


def test_real_text_loses_what_the_suffix_array_finds() -> None:
    documents, config = real_documents(), SubstringsConfig(min_tokens=50)

    cuts = find_cuts(documents, config, per_unit=10)

    assert len(cuts) > 20
    assert ranges_of(cuts) == oracle(documents, config)


def test_the_first_copy_stays_and_the_second_goes() -> None:
    passage = " ".join(f"word{n}" for n in range(60))
    documents = [f"This is how it began. {passage} And so on it went.", f"He says again: {passage}, as if we knew not."]

    cuts = find_cuts(documents, SubstringsConfig(min_tokens=50, min_rest_tokens=2))

    left = [*remove(Texts.from_strings(documents), cuts)]
    assert left == [documents[0], "He says again: , as if we knew not."]


def test_a_short_rest_goes_with_its_neighbours_and_a_copy_of_a_whole_document_leaves_nothing() -> None:
    passage = " ".join(f"word{n}" for n in range(60))
    documents = [passage, f"So: {passage}"]

    cuts = find_cuts(documents, SubstringsConfig(min_tokens=50, min_rest_tokens=5))

    assert ranges_of(cuts) == {(1, 0, len(documents[1]))}


def test_a_text_that_repeats_itself_keeps_its_first_passage() -> None:
    documents = ["- " * 30]

    cuts = find_cuts(documents, SubstringsConfig(min_tokens=10))

    assert [*remove(Texts.from_strings(documents), cuts)] == ["- " * 10]


def test_wrapping_lines_elsewhere_hides_nothing() -> None:
    words = [f"word{n}" for n in range(60)]
    documents = [" ".join(words), "\n".join(words)]

    assert ranges_of(find_cuts(documents, SubstringsConfig())) == {(1, 0, len(documents[1]))}


@given(text=st.text(st.characters(exclude_categories=["Cs", "M", "Cf", "Z", "Cc", "N", "Lo", "Lm"])))
def test_tokens_are_those_of_the_regular_expression(text: str) -> None:
    tokens = tokenize(Texts.from_strings(["a b", text]))
    first = tokens.firsts[1]

    expected = [(len(text[:begin].encode()), len(text[:end].encode())) for begin, end, _ in split(text)]
    assert list(zip(tokens.begins[first:].tolist(), tokens.ends[first:].tolist(), strict=True)) == expected


def test_accents_and_vowel_signs_stay_with_their_letter() -> None:
    text = "हिन्दी cafe\u0301s กำ"
    tokens = tokenize(Texts.from_strings([text]))

    data = text.encode()
    found = [data[begin:end].decode() for begin, end in zip(tokens.begins, tokens.ends, strict=True)]
    assert found == ["हिन्दी", "cafe\u0301s", "ก", "ำ"]


def test_spreading_hashes_is_a_bijection_of_few_bits_too() -> None:
    hashes = np.arange(100_000, dtype=np.uint64)

    slots = spread(hashes) >> np.uint64(44)
    assert len(np.unique(spread(hashes))) == len(hashes)
    assert len(np.unique(slots)) > 0.9 * len(hashes)
