"""Changed copies of training documents, for subjects and languages of which there is little text.

Source of insert, swap and delete: EDA, arXiv 1901.11196. A copy is a pure function of (seed, document, copy).
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from headrace.corpus.rewrite.config import AugmentConfig, Method
from headrace.corpus.rewrite.noise import KEYBOARD, LOOK_ALIKE
from headrace.corpus.rewrite.pieces import PROTECTED, Piece, split_pieces
from headrace.corpus.rewrite.tables import Table, read_table
from headrace.errors import RecipeError

Edit = Callable[[list[Piece], "Budget"], list[str]]

_SENTENCE_END = re.compile(r"(?<=[.!?])(?=\s)|(?<=[。！？])(?![。！？”’」』）])")
_EDGES = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a text may be changed, by which dice, with which tables."""

    rate: float
    dice: np.random.Generator
    synonyms: Table
    phrases: Table

    def draw(self, places: Sequence[int], most: int) -> list[int]:
        """At most that many of the places, at random, in no order."""
        number = min(most, len(places))
        return [int(place) for place in self.dice.permutation(np.asarray(places, np.int64))[:number]]

    def one_of(self, choices: Sequence[str]) -> str:
        return choices[int(self.dice.integers(len(choices)))]

    def num_changes(self, number: int) -> int:
        """How many of that many words may change: rounded down, so a short text may stay as it is."""
        return int(self.rate * number)


@dataclass(frozen=True, slots=True)
class Copy:
    """A changed copy of a document."""

    id: str
    text: str
    metadata: str
    """JSON: the original's, and `augmented` with the method, the original's id and the number of the copy."""


def augment_document(
    text: str, *, document_id: str, language: str, metadata: str, split: str, config: AugmentConfig
) -> list[Copy]:
    """The document's copies, without those that came out like it or like an earlier one.

    Raises RecipeError for a document that is not for training: a model must not be judged by what a program wrote.
    """
    if split != "train":
        raise RecipeError(f'document {document_id}: is of split "{split}", and only "train" is augmented; leave it out')
    copies: list[Copy] = []
    seen = {text}
    for number in range(config.copies):
        changed = augment(text, language=language, document_id=document_id, copy=number, config=config)
        if changed in seen:
            continue
        seen.add(changed)
        mark = {"method": method_of(document_id, number, config), "of": document_id, "copy": number}
        marked = orjson.dumps({**orjson.loads(metadata or "{}"), "augmented": mark}).decode()
        copies.append(Copy(f"{document_id}~{number}", changed, marked))
    return copies


def augment(text: str, *, language: str, document_id: str, copy: int, config: AugmentConfig) -> str:
    """One copy's text: at most `rate` of the words changed; numbers and placeholders are never touched."""
    key = hashlib.blake2b(f"{config.seed}\0{document_id}\0{copy}".encode(), digest_size=16).digest()
    budget = Budget(
        config.rate,
        np.random.Generator(np.random.PCG64(int.from_bytes(key, "little"))),
        read_table(config.synonyms) if config.synonyms else {},
        read_table(config.phrases) if config.phrases else {},
    )
    method = method_of(document_id, copy, config)
    if method == "sentences":
        return _exchange_sentences(text, budget)
    pieces = split_pieces(text, language)
    return _replace_phrases(text, pieces, budget) if method == "phrases" else "".join(_EDITS[method](pieces, budget))


def method_of(document_id: str, copy: int, config: AugmentConfig) -> Method:
    """The method of a document's copy of that number: they take turns, from one that depends on the document."""
    first = int.from_bytes(hashlib.blake2b(f"{config.seed}\0{document_id}".encode(), digest_size=8).digest(), "little")
    return config.methods[(first + copy) % len(config.methods)]


def _words(pieces: Sequence[Piece]) -> list[int]:
    return [place for place, piece in enumerate(pieces) if piece.is_word]


def _replace_synonyms(pieces: list[Piece], budget: Budget) -> list[str]:
    """EDA's synonym replacement, only by words of the same first sense; a capital stays a capital."""
    texts = [piece.text for piece in pieces]
    words = _words(pieces)
    known = [place for place in words if texts[place].lower() in budget.synonyms]
    for place in budget.draw(known, budget.num_changes(len(words))):
        other = budget.one_of(budget.synonyms[texts[place].lower()])
        texts[place] = other.capitalize() if texts[place].istitle() else other
    return texts


def _insert(pieces: list[Piece], budget: Budget) -> list[str]:
    """Synonyms of words of the text, or its own words where no table is given, before other words."""
    texts = [piece.text for piece in pieces]
    words = _words(pieces)
    choices = [texts[place] for place in words if not budget.synonyms or texts[place].lower() in budget.synonyms]
    gap = " " if any(piece.text == " " for piece in pieces) else ""
    for place in budget.draw(words, budget.num_changes(len(words)) if choices else 0):
        word = budget.one_of(choices)
        texts[place] = budget.one_of(budget.synonyms.get(word.lower(), (word,))) + gap + texts[place]
    return texts


def _swap(pieces: list[Piece], budget: Budget) -> list[str]:
    """Words in each other's place; an exchange changes two."""
    texts = [piece.text for piece in pieces]
    words = _words(pieces)
    drawn = budget.draw(words, budget.num_changes(len(words)))
    for first, second in zip(drawn[::2], drawn[1::2], strict=False):
        texts[first], texts[second] = texts[second], texts[first]
    return texts


def _delete(pieces: list[Piece], budget: Budget) -> list[str]:
    """Words gone, each with the space behind it; one word stays at least."""
    texts = [piece.text for piece in pieces]
    words = _words(pieces)
    for place in budget.draw(words, min(budget.num_changes(len(words)), len(words) - 1)):
        texts[place] = ""
        if place + 1 < len(texts) and texts[place + 1] == " ":
            texts[place + 1] = ""
    return texts


def _confuse(pieces: list[Piece], budget: Budget, table: dict[str, tuple[str, ...]]) -> list[str]:
    """One character of a word taken for another."""
    texts = [piece.text for piece in pieces]
    words = _words(pieces)
    able = [place for place in words if any(sign in table for sign in texts[place])]
    for place in budget.draw(able, budget.num_changes(len(words))):
        word = texts[place]
        (at,) = budget.draw([number for number, sign in enumerate(word) if sign in table], 1)
        texts[place] = word[:at] + budget.one_of(table[word[at]]) + word[at + 1 :]
    return texts


def _replace_phrases(text: str, pieces: list[Piece], budget: Budget) -> str:
    """Phrases of the table, whole words only; a phrase costs as many changes as it has words."""
    left = budget.num_changes(len(_words(pieces)))
    ends = np.cumsum([len(piece.text) for piece in pieces])
    is_word = np.array([piece.is_word for piece in pieces], bool)
    longest_first = sorted(budget.phrases, key=lambda phrase: (-len(phrase), phrase))
    expression = re.compile("|".join(rf"(?<![A-Za-z]){re.escape(phrase)}(?![A-Za-z])" for phrase in longest_first))
    shielded = PROTECTED.sub(lambda match: "\0" * len(match[0]), text)
    found = [match.span() for match in expression.finditer(shielded)]
    chosen: list[tuple[int, int]] = []
    for place in budget.draw(range(len(found)), len(found)):
        begin, end = found[place]
        first, last = np.searchsorted(ends, begin, "right"), np.searchsorted(ends, end, "left")
        cost = max(1, int(is_word[first : last + 1].sum()))
        if cost <= left:
            chosen.append((begin, end))
            left -= cost
    return "".join(_with_phrases(text, sorted(chosen), budget))


def _with_phrases(text: str, spans: list[tuple[int, int]], budget: Budget) -> Iterator[str]:
    done = 0
    for begin, end in spans:
        yield text[done:begin]
        yield budget.one_of(budget.phrases[text[begin:end]])
        done = end
    yield text[done:]


def _exchange_sentences(text: str, budget: Budget) -> str:
    """Sentences of a line in each other's place, the white space around them where it was."""
    return "\n".join(_exchange_within(line, budget) for line in text.split("\n"))


def _exchange_within(line: str, budget: Budget) -> str:
    parts = [_EDGES.fullmatch(part) for part in _SENTENCE_END.split(line)]
    sentences = [part[2] for part in parts if part]
    full = [place for place, sentence in enumerate(sentences) if sentence]
    drawn = budget.draw(full, budget.num_changes(len(full)))
    moved = list(sentences)
    for place, other in zip(drawn, drawn[1:] + drawn[:1], strict=True):
        moved[place] = sentences[other]
    return "".join(part[1] + sentence + part[3] for part, sentence in zip(parts, moved, strict=True) if part)


_EDITS: dict[Method, Edit] = {
    "synonyms": _replace_synonyms,
    "insert": _insert,
    "swap": _swap,
    "delete": _delete,
    "keyboard": lambda pieces, budget: _confuse(pieces, budget, KEYBOARD),
    "ocr": lambda pieces, budget: _confuse(pieces, budget, LOOK_ALIKE),
}
