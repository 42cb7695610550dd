"""spaCy's rules for English, from the installed package, as tables that kernels look things up in.

spaCy's tokenizer takes regular expressions, of prefixes, suffixes, infixes (each a list of pieces, of which the first
that matches counts) and URLs, and exceptions: strings with their tokens. The pieces are taken apart here into literals
and classes of characters. What these are is spaCy's; only the kinds of pieces are ours, and one of another kind raises
UnknownRulesError: then nobody but spaCy knows the tokens.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from headrace.corpus.measure.stop_words import hash_word

(
    IS_PREFIX,
    BEGINS_PREFIX,
    UNLESS_DIGIT,
    IS_SUFFIX,
    ENDS_SUFFIX,
    IS_MEASURE,
    ENDS_MEASURE,
    IS_DIGIT,
    IS_INFIX,
    BEGINS_INFIX,
    BEFORE_FULL_STOP,
    FIRST_OF_PAIR,
    FIRST_OF_OTHER_PAIR,
    SECOND_OF_PAIR,
    SECOND_OF_OTHER_PAIR,
    IN_TOP_DOMAIN,
    IN_HOST,
    IN_SCHEME,
    IS_NUMERAL,
    IS_PART,
) = (1 << bit for bit in range(20))
"""Of characters. IS_...: is one by itself; BEGINS_..., ENDS_...: of a longer one. UNLESS_DIGIT: a prefix if no digit
follows. MEASURE: a suffix behind a digit. BEFORE_FULL_STOP: a full stop behind it is a suffix; so is one behind a
PAIR. IN_TOP_DOMAIN to IS_NUMERAL are of URLs. IS_PART: of an affix that has no other sign that there may be one."""

PAIRS = ((FIRST_OF_PAIR, SECOND_OF_PAIR), (FIRST_OF_OTHER_PAIR, SECOND_OF_OTHER_PAIR))

MOST_KINDS = 8
BODY_BIT, BEFORE_BIT, AFTER_BIT = 24, 24 + MOST_KINDS, 24 + 2 * MOST_KINDS
"""Kinds of infixes that ask for the characters around them have three bits each, from these on: is one by itself, may
stand before it, may stand after it."""

MAY_CUT = IS_PREFIX | UNLESS_DIGIT | IS_SUFFIX | IS_DIGIT | IS_INFIX | IS_PART | ((1 << MOST_KINDS) - 1) << BODY_BIT
"""Where no character has any of these, nothing but an exception is cut: measures need a digit."""

LONGEST_EXCEPTION = 60
"""Characters, a bit each."""

DIGIT, DOTS = "[0-9]", r"\.\.+"
CLASS = r"\[(?:\\.|[^\]\\])*\]"
AFTER_CLASS = re.compile(rf"\(\?<=({CLASS})\)(.+)", re.DOTALL)
AFTER_PAIR = re.compile(rf"\(\?<=({CLASS}|[^\[\\(])({CLASS})\)\\\.", re.DOTALL)
BETWEEN = re.compile(rf"\(\?<=({CLASS})\)(.+)\(\?=({CLASS})\)", re.DOTALL)
NOT_BEFORE_DIGIT = re.compile(r"(.+)\(\?!\[0-9\]\)", re.DOTALL)
META = frozenset(r".^$*+?{}[]\|()")

URL_CLASSES = (
    (IN_HOST, "[A-Za-z0-9\u00a1-\uffff]"),
    (IN_SCHEME, r"[\w\+\-\.]"),
    (IS_NUMERAL, r"[\d]"),
)
URL_DIGEST = "65b49075b9006299"
"""xxh3 of spaCy's expression for URLs without its class of letters: `spacy_urls.py` reproduces this one only."""


class UnknownRulesError(Exception):
    """spaCy has a rule of a kind that kernels do not know."""


class Rules(NamedTuple):
    """The tables. A literal is a row: its length, the kind of infix it is, its characters; they are in spaCy's
    order."""

    classes: npt.NDArray[np.uint8]
    """Code point -> class."""
    flags: npt.NDArray[np.int64]
    """Class -> the bits above."""
    prefixes: npt.NDArray[np.int32]
    suffixes: npt.NDArray[np.int32]
    measures: npt.NDArray[np.int32]
    infixes: npt.NDArray[np.int32]
    exceptions: npt.NDArray[np.uint64]
    """Hashes; open addressing, a power of two of slots, 0: the slot is free."""
    cuts: npt.NDArray[np.int64]
    """Bit n: a token of the exception begins at its character n."""
    phrases: npt.NDArray[np.int64]
    """The same for the tokens it had if it were none; 0 if spaCy does not look for these among the tokens of a text."""
    longest: npt.NDArray[np.int64]
    """(3,) Of exceptions: most characters, most and fewest tokens of phrases, single ones that stay aside."""


Marks = list[tuple[int, str]]
"""Properties, and the characters that have them."""

Literals = list[tuple[int, str]]
"""Longer literals, with the kind of infix they are."""


def read_rules(language: Any) -> Rules:
    """The rules of a spaCy pipeline for English. Raises UnknownRulesError."""
    tokenizer, defaults = language.tokenizer, language.Defaults
    _check_expressions(tokenizer, defaults)
    marks, prefixes = _read_prefixes(list(filter(str.strip, defaults.prefixes)))
    suffix_marks, suffixes, measures = _read_suffixes(list(filter(str.strip, defaults.suffixes)))
    infix_marks, infixes = _read_infixes(list(defaults.infixes))
    marks += [*suffix_marks, *infix_marks, (IS_DIGIT, "0123456789"), *_read_urls(tokenizer)]
    return Rules(
        *_classify(marks, [".", *(body for _, body in (*prefixes, *suffixes, *infixes))]),
        _table_of(prefixes),
        _table_of(suffixes),
        _table_of(measures),
        _table_of(infixes),
        *_read_exceptions(tokenizer),
    )


def _check_expressions(tokenizer: Any, defaults: Any) -> None:
    """Raises UnknownRulesError if the tokenizer does not search for the very pieces."""
    from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex

    for pieces, compiled, search in (
        (defaults.prefixes, compile_prefix_regex, tokenizer.prefix_search),
        (defaults.suffixes, compile_suffix_regex, tokenizer.suffix_search),
        (defaults.infixes, compile_infix_regex, tokenizer.infix_finditer),
    ):
        expression = compiled(pieces)
        _require((expression.pattern, expression.flags) == (search.__self__.pattern, search.__self__.flags), "pieces")
    _require(tokenizer.token_match is None, "token_match")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise UnknownRulesError(what)


def _read_prefixes(pieces: list[str]) -> tuple[Marks, Literals]:
    found: list[str] = []
    careful: list[str] = []
    for piece in pieces:
        if match := NOT_BEFORE_DIGIT.fullmatch(piece):
            careful += _alternatives(match[1])
        elif piece != DOTS:
            found += _alternatives(piece)
    firsts = {body[0] for body in found}
    _require(DOTS in pieces and "." not in firsts, "prefixes that begin with full stops")
    _require(all(len(body) == 1 and body not in firsts for body in careful), "prefixes before digits")
    # the first that matches counts: one that begins with an earlier one never does, and so no single one is earlier
    long = [body for n, body in enumerate(found) if len(body) > 1 and not body.startswith(tuple(found[:n]))]
    marks = [(IS_PREFIX, _single(found)), (BEGINS_PREFIX, _firsts(long)), (UNLESS_DIGIT, "".join(careful))]
    return marks, _long(long)


def _read_suffixes(pieces: list[str]) -> tuple[Marks, Literals, Literals]:
    """Order does not matter: of all that match, the longest begins first."""
    found: list[str] = []
    measures: list[str] = []
    marks: Marks = []
    pairs = iter(PAIRS)
    for piece in pieces:
        if match := AFTER_PAIR.fullmatch(piece):
            _require((pair := next(pairs, None)) is not None, piece)
            marks += zip(pair or (), map(_characters, match.groups()), strict=True)
        elif match := AFTER_CLASS.fullmatch(piece):
            if match[1] == DIGIT:
                measures += _alternatives(match[2])
            else:
                _require(match[2] == r"\.", piece)
                marks.append((BEFORE_FULL_STOP, _characters(match[1])))
        elif piece != DOTS:
            found += _alternatives(piece)
    _require(DOTS in pieces and "." not in {body[-1] for body in found + measures}, "suffixes that end with full stops")
    for bodies, single, last in ((found, IS_SUFFIX, ENDS_SUFFIX), (measures, IS_MEASURE, ENDS_MEASURE)):
        marks += [(single, _single(bodies)), (last, "".join(body[-1] for body in bodies if len(body) > 1))]
    return marks, _long(found), _long(measures)


def _read_infixes(pieces: list[str]) -> tuple[Marks, Literals]:
    _require(pieces[:1] == [DOTS], "full stops are not the first infix")
    marks: Marks = []
    long: Literals = []
    firsts: set[str] = set()
    for kind, piece in enumerate(pieces[1:]):
        if not (match := BETWEEN.fullmatch(piece)):
            bodies = _alternatives(piece)
            _require(max(map(len, bodies)) == 1, piece)
            marks.append((IS_INFIX, "".join(bodies)))
        else:
            _require(kind < MOST_KINDS, "many infixes")
            bodies = _alternatives(match[2])
            long += [(kind, body) for body in bodies if len(body) > 1]
            marks += [(1 << (BODY_BIT + kind), _single(bodies)), (BEGINS_INFIX, _firsts(bodies))]
            marks += [
                (1 << (first_bit + kind), _characters(group))
                for first_bit, group in ((BEFORE_BIT, match[1]), (AFTER_BIT, match[3]))
            ]
        for body in bodies:  # kernels try the single ones first
            _require(len(body) > 1 or body not in firsts, piece)
            firsts.add(body[0] if len(body) > 1 else "")
    return marks, long


def _read_urls(tokenizer: Any) -> Marks:
    from spacy.lang.char_classes import ALPHA_LOWER

    pattern = tokenizer.url_match.__self__.pattern.replace(ALPHA_LOWER, "")
    _require(xxhash.xxh3_64_hexdigest(pattern.encode()) == URL_DIGEST, "url_match")
    letters = _characters(f"[{ALPHA_LOWER}]")
    _require(not set(":/?#.") & set(letters), "ALPHA_LOWER")
    return [(IN_TOP_DOMAIN, letters), *((flag, _characters(pattern)) for flag, pattern in URL_CLASSES)]


def _read_exceptions(tokenizer: Any) -> Iterator[npt.NDArray[Any]]:
    """The tables of exceptions, in the order of `Rules`."""
    from spacy.symbols import ORTH
    from spacy.tokenizer import Tokenizer

    searches = ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match")
    plain = Tokenizer(tokenizer.vocab, **{name: getattr(tokenizer, name) for name in searches})
    finders = (tokenizer.find_prefix, tokenizer.find_infix, tokenizer.find_suffix)
    exceptions = sorted(text for text in tokenizer.rules if not any(map(str.isspace, text)))
    size = 1 << (4 * len(exceptions)).bit_length()
    keys, cuts, phrases = np.zeros(size, np.uint64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    sizes = [1]
    for text in exceptions:
        _require(len(text) <= LONGEST_EXCEPTION, "a long exception")
        key = int(hash_word(np.frombuffer(text.encode(), np.uint8)))
        slot = key & (size - 1)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot], cuts[slot] = key, _bits(token[ORTH] for token in tokenizer.rules[text])
        if not tokenizer.faster_heuristics or any(find(text) for find in finders):
            tokens = [token.text for token in plain(text)]
            phrases[slot] = _bits(tokens)
            sizes += [len(tokens)] * bool(phrases[slot] > 1 or cuts[slot] > 1)
    yield from (
        keys,
        cuts,
        phrases,
        np.array([max(map(len, exceptions), default=0), max(sizes), min(sizes[1:], default=1)]),
    )


def _bits(tokens: Iterable[str]) -> int:
    """A bit for every character at which a token begins."""
    bits = begin = 0
    for token in tokens:
        bits |= 1 << begin
        begin += len(token)
    return bits


def _alternatives(pattern: str) -> list[str]:
    """The literals that a pattern matches, in order of preference."""
    if re.fullmatch(CLASS, pattern, re.DOTALL):
        return list(_characters(pattern))
    parts = pattern[3:-1].split("|") if pattern.startswith("(?:") and pattern.endswith(")") else [pattern]
    for part in parts:
        _require(part != "" and not META.intersection(re.sub(r"\\\W", "", part)), pattern)
    return [re.sub(r"\\(\W)", r"\1", part) for part in parts]


@cache
def _characters(pattern: str) -> str:
    """All characters of a class."""
    return "".join(re.findall(pattern, _every_character()))


@cache
def _every_character() -> str:
    return "".join(map(chr, range(sys.maxunicode + 1)))


def _single(bodies: Iterable[str]) -> str:
    return "".join(body for body in bodies if len(body) == 1)


def _long(bodies: Iterable[str]) -> Literals:
    return [(0, body) for body in bodies if len(body) > 1]


def _firsts(bodies: Iterable[str]) -> str:
    return "".join(body[0] for body in bodies if len(body) > 1)


def _classify(marks: Marks, affixes: Iterable[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    flags = np.zeros(sys.maxunicode + 1, np.int64)
    for flag, characters in marks:
        flags[np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), np.uint32)] |= flag
    for affix in affixes:
        points = list(map(ord, affix))
        flags[points[-1]] |= IS_PART * (not (flags[points] & MAY_CUT).any())
    distinct, classes = np.unique(flags, return_inverse=True)
    _require(len(distinct) <= 256, "more classes of characters than a byte can name")
    return classes.astype(np.uint8), distinct


def _table_of(literals: Literals) -> npt.NDArray[np.int32]:
    rows = np.zeros((len(literals), 2 + max((len(body) for _, body in literals), default=0)), np.int32)
    for row, (kind, body) in zip(rows, literals, strict=True):
        row[0], row[1] = len(body), kind
        row[2 : 2 + len(body)] = list(map(ord, body))
    return rows
