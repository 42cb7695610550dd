"""Kernels cut English chunks as spaCy does, by its own rules, or leave them to it."""

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("spacy")

from spacy.lang.en import English
from spacy.symbols import ORTH

from headrace.corpus.measure.spacy_chunks import Chunks
from headrace.corpus.measure.spacy_package import are_followed, load_rules, sample_chunks, tokenize
from headrace.corpus.measure.spacy_rules import Rules, UnknownRulesError, read_rules
from headrace.corpus.measure.stop_words import hash_word
from headrace.corpus.texts import Texts

SIGNS = "…。.·,،:;!?¿¡()[]{}<>_#*&、～।'\"”“`‘´’‚„»«「」（）⟦§%=—–-+~^/\\|@$£€₽°©™😀¬²³\u0301\u200b\ufeff１٣"
LETTERS = "aAsStTmMnNkKgGbBhHdDoOxXpPvVwWlLcCfFuUeEiIyYéÉßǅƻяЯмКكमक水あﬀａＡ한ª"
PIECES = """
n't 'll 've 're 'd 's 'S ’s ’S ’t n’t in' cannot gonna Mr. U.S. p.m. a.m. e.g. i.e. Ph.D. Jan. vs. o'clock 'em 'cause Ma'am
US$ C$ km km² m/s mph hPa кг км/ч كم % ° °C °F. :) :-) :( ;) =) :D xD <3 </3 ^_^ -_- o_O 0.0 (-: >.< ¯\\(ツ)/¯ ಠ_ಠ :'( (╯°□°）╯︵┻━┻
http:// https:// ftp:// mailto: www. .com .co.uk user@ a@b.c :80 /path ?q=1 #x example. localhost 10. 127. 169.254. 192.168. 172.16.
1.2.3.4 8.8.8.8 255. 256. 223. -- --- —— .. ... …… \\") \\n \\t C++ <space> IS_ALPHA ORTH 1,000 3.5 5'11" x-y and/or a,b A.B a.B
""".split()  # noqa: E501

CHUNKS = st.lists(
    st.sampled_from(SIGNS) | st.sampled_from(LETTERS) | st.sampled_from("0123456789") | st.sampled_from(PIECES),
    min_size=1,
    max_size=12,
).map("".join) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
HOSTS = st.lists(
    st.sampled_from([*"aB1-_.:@/?#", "://", "com", "cd.ef", "a.b", "10", "192.168", "8.8", "٣"]), max_size=14
)


@cache
def rules() -> Rules:
    found = load_rules()
    assert found is not None
    return found


def compare(text: str) -> None:
    """Checks that the chunks of a text are cut as spaCy does, or left to it."""
    chunks = list(dict.fromkeys(text.split()))
    ours, theirs = Chunks(), Chunks()
    ours.learn(Texts.from_strings([text]), rules())
    left = ours.take_missing()
    theirs.add(kept := [chunk for chunk in chunks if chunk not in left], list(map(tokenize, kept)))

    assert ours.contents() == theirs.contents(), [tokenize(chunk) for chunk in kept]
    assert all("IS_ALPHA" in chunk or any(map(str.isdigit, chunk)) for chunk in left)


@settings(deadline=None, max_examples=60)
@given(chunk=CHUNKS)
@example(chunk="a..b...c")
@example(chunk="(a.m.)")
@example(chunk="it:)s")
@example(chunk="word:-)))")
@example(chunk="5--a--b---c—d——e~f")
@example(chunk="US$5km²/h")
@example(chunk="“‘don't’”")
@example(chunk="-" * 300 + "a" * 300 + "." * 300)
def test_a_chunk_has_the_tokens_of_spacy(chunk: str) -> None:
    compare(chunk)


@settings(deadline=None, max_examples=60)
@given(parts=HOSTS)
@example(parts=["http://", "a-b@", "c-d.ef:80/", "g-h"])
@example(parts=["a" * 64, ".com/b-c"])
@example(parts=["a" * 65, ".com/b-c"])
@example(parts=["a.", "b" * 63, "/b-c"])
@example(parts=["a.", "b" * 64, "/b-c"])
@example(parts=["8.8.8.8/a-b"])
@example(parts=["172.31.8.8/a-b"])
@example(parts=["172.32.8.8/a-b"])
@example(parts=["8.8.8.255/a-b"])
@example(parts=["8.٣.8.8/a-b"])
@example(parts=["8.8.8.8:65536/a-b"])
def test_a_url_is_what_spacy_takes_for_one(parts: list[str]) -> None:
    compare("".join(parts))
    compare("".join(parts) + "-a")  # an infix: only there it matters whether it is a URL


def test_exceptions_in_company_have_the_tokens_of_spacy() -> None:
    compare("\n".join(sample_chunks(rules())))


def test_almost_nothing_is_left_to_spacy() -> None:
    found = Chunks()
    found.learn(Texts.from_strings(["IS_ALPHA xIS_ALPHAx IS_ALPH 1.2.3.4/a 1.2.٣.4/a"]), rules())

    assert found.take_missing() == ["IS_ALPHA", "xIS_ALPHAx", "1.2.٣.4/a"]


class OtherEnglish(English):
    class Defaults(English.Defaults):
        prefixes = [*English.Defaults.prefixes, "№", "Nr:"]
        suffixes = [*English.Defaults.suffixes, "ish", r"(?<=[0-9])(?:bit|b)"]
        infixes = [*English.Defaults.infixes, r"(?<=[a-f])(?:x|xyz)(?=[0-9])"]


def test_other_literals_and_exceptions_are_followed() -> None:
    language = OtherEnglish()
    language.tokenizer.add_special_case("№s", [{ORTH: "№"}, {ORTH: "s"}])
    other = read_rules(language)
    text = "№5 Nr:7 greenish 64bit 8b axyz9 bx1 №s (№s)"
    ours, theirs = Chunks(), Chunks()
    ours.learn(Texts.from_strings([text]), other)
    theirs.add(text.split(), [[token.text for token in language.tokenizer(chunk)] for chunk in text.split()])

    assert ours.contents() == theirs.contents()
    assert not are_followed(other)  # by the spaCy that is installed


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        *product(("prefixes", "suffixes", "infixes"), ("a+", "(?<!x)y", "(?<=[ab])(?<=[cd])e", "x?")),
        *[("prefixes", r"\.a"), ("prefixes", r"a(?![0-9a])"), ("suffixes", r"a\."), ("suffixes", "(?<=[a-z])x")],
        *[("infixes", "ab"), ("infixes", "(?<=[a-z])(?:ab|a)(?=[0-9])")],
    ],
)
def test_pieces_of_another_kind_are_not_guessed_at(name: str, piece: str) -> None:
    defaults = type("Defaults", (English.Defaults,), {name: [*getattr(English.Defaults, name), piece]})

    with pytest.raises(UnknownRulesError):
        read_rules(type("Strange", (English,), {"Defaults": defaults})())


def test_searches_that_are_not_the_pieces_are_not_guessed_at() -> None:
    language: Any = English()
    language.tokenizer.url_match = language.tokenizer.find_infix

    with pytest.raises((UnknownRulesError, AttributeError)):
        read_rules(language)


def test_a_table_grows_and_keeps_what_it_has() -> None:
    found, texts = Chunks(), Texts.from_strings([" ".join(f"w{n}-x" for n in range(100_000))])
    found.learn(texts, rules())

    assert len(found) == 100_000
    before = len(found)
    found.learn(texts, rules())
    assert len(found) == before
    contents = found.contents()
    assert len(contents) == 100_000
    assert len(contents[int(hash_word(np.frombuffer(b"w99999-x", np.uint8)))]) == 3
