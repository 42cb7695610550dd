"""Cuts against sets of bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.cuts import Cuts, join, remove
from headrace.corpus.texts import Texts

SIZE = 12
Ranges = list[tuple[int, int, int]]

ranges = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, SIZE), st.integers(0, SIZE)).map(
        lambda r: (r[0], min(r[1:]), max(r[1:]))
    ),
    max_size=6,
).map(lambda listed: [r for r in listed if r[1] < r[2]])


def bytes_of(cuts: Cuts) -> set[tuple[int, int]]:
    triples = zip(cuts.rows.tolist(), cuts.begins.tolist(), cuts.ends.tolist(), strict=True)
    return {(row, byte) for row, begin, end in triples for byte in range(begin, end)}


def as_cuts(listed: Ranges) -> Cuts:
    rows, begins, ends = (np.array([r[i] for r in listed], np.int64) for i in range(3))
    return Cuts(rows, begins, ends)


@given(ranges, ranges)
def test_joined_cuts_are_the_union_of_their_bytes_in_order_and_apart(one: Ranges, other: Ranges) -> None:
    joined = join([as_cuts(one), as_cuts(other)])

    assert bytes_of(joined) == bytes_of(as_cuts(one)) | bytes_of(as_cuts(other))
    order = list(zip(joined.rows.tolist(), joined.begins.tolist(), strict=True))
    assert order == sorted(order)
    same_row = joined.rows[1:] == joined.rows[:-1]
    assert (joined.begins[1:] > joined.ends[:-1])[same_row].all()


@given(ranges)
def test_removing_leaves_every_byte_that_no_cut_names(listed: Ranges) -> None:
    letters = "abcdefghijkl"
    texts = Texts.from_strings([letters.upper(), letters, letters, letters, "é中😀"])
    cuts = join([as_cuts(listed)])

    shorter = list(remove(texts, cuts))

    gone = bytes_of(cuts)
    expected = ["".join(c for i, c in enumerate(text) if (row, i) not in gone) for row, text in enumerate(texts)]
    assert shorter == [*expected[:4], "é中😀"]


def test_cuts_of_some_rows_count_rows_from_the_first_of_them() -> None:
    cuts = as_cuts([(0, 1, 2), (2, 3, 4), (3, 5, 6)])

    some = cuts.of_rows(2, 4)

    assert (some.rows.tolist(), some.begins.tolist(), some.ends.tolist()) == ([0, 1], [3, 5], [4, 6])


def test_nothing_to_join_is_no_cut() -> None:
    assert len(join([])) == len(join([Cuts.none()])) == 0


def test_texts_that_begin_inside_a_buffer_lose_only_their_own_bytes() -> None:
    whole = Texts.from_strings(["first", "second", "third"])
    part = Texts(whole.data, whole.offsets[1:])

    assert list(remove(part, as_cuts([(1, 0, 2)]))) == ["second", "ird"]
