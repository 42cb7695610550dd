"""What is left around a cut reads as if nothing had been there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.cuts import Cuts, join, remove
from headrace.corpus.deduplicate.gaps import close_gaps
from headrace.corpus.texts import Texts


def cut(text: str) -> tuple[Texts, Cuts]:
    """A text in which what stands between brackets is to go."""
    ranges, plain = [], ""
    for part in text.split("]"):
        before, _, inside = part.partition("[")
        if inside:
            ranges.append((len((plain + before).encode()), len((plain + before + inside).encode())))
        plain += before + inside
    rows = Cuts(*(Texts.from_strings([""] * count).offsets[:0] for count in (1, 1, 1)))
    for begin, end in ranges:
        rows = join([rows, Cuts(*(Texts.from_strings(["x" * n]).offsets[1:] for n in (0, begin, end)))])
    return Texts.from_strings([plain]), rows


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("one [two] three", "one three"),
        ("one\n\n[two]\n\nthree", "one\n\nthree"),
        ("one [two]\n\nthree", "one\n\nthree"),
        ("one\n\n[two] three", "one\n\nthree"),
        ("[one]\n\ntwo", "two"),
        ("one\n\n[two]\n", "one"),
        ("one[two] three", "one three"),
        ("one,[two], three", "one,, three"),
        ("one [two] [three] four", "one four"),
        ("水[渠] 山", "水 山"),
        ("[one]", ""),
        (" [one] ", ""),
    ],
)
def test_one_gap_stays(text: str, left: str) -> None:
    texts, cuts = cut(text)

    assert [*remove(texts, close_gaps(texts, cuts))] == [left]


@given(text=st.text("a []\n", max_size=30).map(lambda text: text.replace("[", "[b")))
def test_only_white_space_goes_besides_the_cuts(text: str) -> None:
    texts, cuts = cut(text)

    closed = close_gaps(texts, cuts)

    assert "".join(remove(texts, closed)[0].split()) == "".join(remove(texts, cuts)[0].split())
    assert (closed.begins <= cuts.begins).all()
    assert (closed.ends >= cuts.ends).all()
    assert (closed.begins[1:] >= closed.ends[:-1]).all()
