"""Batches of texts as bytes."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.texts import Texts

strings = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=6)


@given(strings)
def test_strings_come_back_as_they_went_in(listed: list[str]) -> None:
    texts = Texts.from_strings(listed)

    assert list(texts) == listed == texts.to_arrow().to_pylist()
    assert texts.sizes.tolist() == [len(text.encode()) for text in listed]


@given(strings, st.data())
def test_a_slice_of_an_arrow_array_is_read_where_it_lies(listed: list[str], data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(listed)))
    for kind in (pa.string(), pa.large_string()):
        assert list(Texts.from_arrow(pa.array(listed, kind)[begin:])) == listed[begin:]


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        Texts.from_strings(["\ud800"])
