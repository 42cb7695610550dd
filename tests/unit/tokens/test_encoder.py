"""The encoder: every way to cut text gives the ids of `tokenizers`; memory, threads and sizes change nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_road import END, Road
from small_tokenizers import TEXTS, expected_ids, save_tokenizer
from tokenizers import Regex, models, pre_tokenizers

import headrace.tokens.encoder as encoder_module
from headrace.corpus.texts import Texts
from headrace.tokens import load_vocabulary
from headrace.tokens.byte_level import to_bytes
from headrace.tokens.encoder import Encoder
from headrace.tokens.patterns import TIKTOKEN_CL100K, cut_by, splitter
from headrace.trace import recording

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
TRICKY_TEXT = st.text(st.sampled_from("aBsS'll tdrRvVeE19٣½ \t\r\n\u00a0\u3000水ʰ\u0301ſ/;.'Dž\x00"), max_size=40)

BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False)
FAST = {
    "gpt2": WORDS,
    "gpt2, single digits": splitter("gpt2", "single"),
    "gpt2, digits by three": splitter("gpt2", "groups_of_3"),
    "gpt2, whole numbers apart": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), WORDS]),
    "cl100k, single digits": splitter("cl100k", "single"),
    "cl100k": splitter("cl100k", "groups_of_3"),
    "tiktoken's cl100k": cut_by(TIKTOKEN_CL100K),
    "o200k": splitter("o200k", "as_is"),
}
SLOW = {
    "o200k, single digits": splitter("o200k", "single"),
    "one word": BYTES,
    "vowels": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex("[aeiou]+"), "isolated"), BYTES]),
}

Found = tuple[Encoder, Path, list[Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Found]:
    """An encoder of a kind, its file, and what it said while it was made."""

    @cache
    def make(name: str) -> Found:
        path = save_tokenizer(tmp_path_factory.mktemp("kind"), models.BPE(), splitter={**FAST, **SLOW}[name])
        events: list[Any] = []
        with recording(None, [events.append]):
            return Encoder(path), path, events

    return make


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_what_is_not_encoded_fast_is_said(name: str, made: Callable[[str], Found]) -> None:
    _, _, events = made(name)

    named = [event["name"] for event in events if event["name"] != "compiling"]
    assert named == (["slow_vocabulary"] if name in SLOW else [])


@pytest.mark.parametrize("name", [*FAST, *SLOW])
@given(texts=st.lists(ANY_TEXT | TRICKY_TEXT, max_size=6))
@settings(max_examples=60)
def test_every_way_to_cut_text_gives_the_ids_of_tokenizers(
    name: str, texts: list[str], made: Callable[[str], Found]
) -> None:
    encoder, path, _ = made(name)

    encoded = encoder.encode(Texts.from_strings(texts))

    assert encoded.ids.tolist() == [token for text in texts for token in [*expected_ids(path, text), END]]
    assert encoded.lengths.tolist() == [1 + len(expected_ids(path, text)) for text in texts]


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_troublesome_texts_too(name: str, made: Callable[[str], Found]) -> None:
    encoder, path, _ = made(name)
    texts = [*TEXTS.values(), *(first + second for first in TEXTS.values() for second in ("\n", " 7", "'S"))]

    encoded = encoder.encode(Texts.from_strings(texts))

    assert encoded.ids.tolist() == [token for text in texts for token in [*expected_ids(path, text), END]]


@given(texts=st.lists(ANY_TEXT | TRICKY_TEXT, max_size=6))
def test_bytes_that_are_tokens_are_counted(texts: list[str], made: Callable[[str], Found]) -> None:
    encoder, path, _ = made("gpt2")
    tokenizer = load_vocabulary(path)

    encoded = encoder.encode(Texts.from_strings(texts))

    for text, single, fallback in zip(texts, encoded.single_bytes, encoded.fallback_bytes, strict=True):
        tokens = [to_bytes(tokenizer.id_to_token(number)) for number in expected_ids(path, text)]
        assert single == sum(len(token) == 1 for token in tokens)
        assert fallback == sum(len(token) == 1 and token[0] >= 0x80 for token in tokens)


def test_a_lone_surrogate_is_an_error_and_never_an_id() -> None:
    with pytest.raises(UnicodeEncodeError):
        Texts.from_strings(["a\ud800b"])


def test_forgetting_changes_no_ids(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = Texts.from_strings([*TEXTS.values()])
    wanted = Encoder(road.tokenizer_path).encode(texts).ids.tolist()
    monkeypatch.setattr(encoder_module, "CACHE_BYTES", -1)
    encoder = Encoder(road.tokenizer_path)

    assert [encoder.encode(texts).ids.tolist() for _ in range(3)] == [wanted] * 3


def test_threads_may_share_an_encoder(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "CACHE_BYTES", -1)  # renewed all the time, while others use it
    encoder, texts = Encoder(road.tokenizer_path), Texts.from_strings([*TEXTS.values()])
    wanted = encoder.encode(texts).ids

    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: encoder.encode(texts).ids, range(40)):
            assert np.array_equal(found, wanted)


@pytest.mark.parametrize(
    "text",
    ["the mill and the river " * 50_000, "mill" * 250_000, "水轮慢转" * 100_000, " " * 1_000_000, "\0" * 1_000_000],
    ids=["long", "one word", "Chinese", "spaces", "nul"],
)
def test_documents_of_many_megabytes_have_the_ids_of_their_parts(text: str, road: Road) -> None:
    encoder = Encoder(road.tokenizer_path)

    ids = encoder.encode(Texts.from_strings([text])).ids

    assert ids[-1] == END
    assert ids[:-1].tolist() == expected_ids(road.tokenizer_path, text)
