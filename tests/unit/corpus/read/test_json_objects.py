"""Lines of JSON that are read without a parser are what a parser makes of them."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.corpus.read.batches import Batch, join_batches
from headrace.corpus.read.json_lines import batch_json_lines, read_json_lines
from headrace.corpus.read.json_objects import CAREFUL, LOOSE, PADDING, PLAIN, read_objects
from headrace.corpus.read.lines import split_blocks
from headrace.corpus.read.records import DamagedRecord, RawDocument, Record

characters = st.characters(exclude_categories=["Cs"])
strings = st.text(characters | st.sampled_from(list(' \t\n\r\\"/\x00\x1c\x7f\x85\u2028\u3000é中😀')), max_size=80)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**66), 2**66) | st.floats(allow_nan=False) | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["text", "id", "a", "b", "té"]) | strings
objects = st.lists(st.tuples(names, values | strings), max_size=6)
separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")])


@st.composite
def sound_lines(draw: st.DrawFn) -> bytes:
    """An object as some program may write it, keys perhaps given twice."""
    comma, colon = draw(separators)
    is_ascii = draw(st.booleans())
    members = [*draw(objects), *draw(st.lists(st.tuples(st.just("text"), strings), min_size=0, max_size=1))]
    members = draw(st.permutations(members))
    written = (json.dumps(k, ensure_ascii=is_ascii) + colon + json.dumps(v, ensure_ascii=is_ascii) for k, v in members)
    space = draw(st.sampled_from(["", " ", "\t"]))
    return (space + "{" + space + comma.join(written) + space + "}" + space).encode()


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Any line: sound, cut off, with a byte changed, or no JSON at all."""
    line = draw(sound_lines() | st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")))
    match draw(st.sampled_from(["whole", "whole", "cut", "changed"])):
        case "cut":
            return line[: draw(st.integers(0, len(line)))]
        case "changed" if line:
            place = draw(st.integers(0, len(line) - 1))
            byte = draw(st.sampled_from(list(b'"\\{}[],:0-.u\x00\x1f\x80\xc3\xed\xf4 \r')) | st.integers(0, 255))
            return (line[:place] + bytes([byte]) + line[place + 1 :]).replace(b"\n", b"")
    return line


def by_parser(block: bytes) -> tuple[list[RawDocument], list[Record]]:
    records = list(read_json_lines(split_blocks(iter([block])), text_field="text"))
    documents = [record for record in records if isinstance(record, RawDocument)]
    return documents, [record for record in records if isinstance(record, DamagedRecord)]


def by_kernel(blocks: list[bytes]) -> tuple[list[RawDocument], list[Record]]:
    batches = list(batch_json_lines(split_blocks(iter(blocks)), text_field="text"))
    batch = join_batches(batches) if batches else None
    return (documents_of(batch), list(batch.damaged)) if batch is not None else ([], [])


def documents_of(batch: Batch) -> list[RawDocument]:
    rows = zip(batch.offsets.tolist(), batch.sizes.tolist(), batch.texts, batch.metadata, strict=True)
    return [RawDocument(*row) for row in rows]


@given(st.lists(lines(), max_size=6), st.booleans(), st.integers(0, 400))
@example([b'{"text":"x","n":18446744073709551616}', b'{"text":" x","n":{"m":-9223372036854775809},"x":NaN}'], True, 0)
@example([b'{"text":"x"}', b'\xef\xbb\xbf{"text":"x"}', b"\xff\xfe{\x00}\x00"], True, 0)
@example([b'{"text":"one","text":"two"}', b'{"a":1,"a":2,"text":"x"}'], True, 0)
@example([rb'{"t\u0065xt":"hidden","text":"x"}', b'{"text":"x","n":-0}', b'{"text":"x","n":01}'], True, 3)
@example([b'{"text":"\xed\xa0\x80"}', rb'{"text":"\ud83d\ude00 \u00e9"}', rb'{"text":"\ude00"}'], False, 9)
@example([b'{"text":"x","a":[}{"]}', b'{"text":"x"}}', b'{"text":"x",}', b'{"text":"x"} {}'], True, 40)
@settings(max_examples=120)
def test_any_line_is_read_as_a_parser_reads_it(listed: list[bytes], ends: bool, cut: int) -> None:
    block = b"\n".join(listed) + b"\n" * ends

    assert by_kernel([piece for piece in (block[:cut], block[cut:]) if piece]) == by_parser(block)


@given(strings.filter(lambda text: text.strip() and "\0" not in text), st.booleans())
def test_a_sound_text_never_needs_a_parser(text: str, is_ascii: bool) -> None:
    line = json.dumps({"id": 1, "text": text}, ensure_ascii=is_ascii).encode()

    found = read_objects(line + PADDING, b"text")

    has_ink = any("!" <= character < "\x80" or character > "\u303f" for character in text)
    assert found.kinds.tolist() == [PLAIN] or not has_ink
    assert found.kinds[0] == CAREFUL or (found.texts[0], found.metadata[0]) == (text, '{"id":1}')


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"id": "a", "text": "x", "n": -12, "ok": true, "no": null}', PLAIN),
        ('{"题": "一", "text": "二"}'.encode(), PLAIN),
        (b'{"text": "x", "score": 0.5}', LOOSE),
        (b'{"text": "x", "meta": {"text": "y"}}', LOOSE),
        (rb'{"text": "x", "url": "http:\/\/a"}', LOOSE),
        (b'{"meta": {"text": "y"}}', CAREFUL),
        (b'{"text": ""}', CAREFUL),
    ],
)
def test_what_takes_a_parser(line: bytes, kind: int) -> None:
    found = read_objects(line + PADDING, b"text")

    assert found.kinds.tolist() == [kind]
    if kind == PLAIN:
        fields = orjson.loads(line)
        assert found.texts[0] == fields.pop("text")
        assert found.metadata[0].encode() == orjson.dumps(fields)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("9007199254740993", 2**53 + 1),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("1" * 400, "1" * 400),
        ("1" * 5000, "1" * 5000),
        ("1e20", 1e20),
    ],
)
@pytest.mark.parametrize("text", ["x", " "])
def test_whole_numbers_keep_every_digit(number: str, expected: object, text: str) -> None:
    """As numbers where 64 bits hold them, else as strings; in lines for a kernel as in those for a parser."""
    line = f'{{"text": "{text}y", "n": {number}, "id": {number}, "deep": [{{"n": {number}}}]}}'.encode()

    for documents, faults in (by_kernel([line]), by_parser(line)):
        assert not faults
        assert orjson.loads(documents[0].metadata) == {"n": expected, "id": expected, "deep": [{"n": expected}]}


def test_objects_with_very_many_keys_are_read_too() -> None:
    line = json.dumps({**{f"k{n}": n for n in range(200)}, "text": "x"}).encode()

    assert by_kernel([line]) == by_parser(line)
