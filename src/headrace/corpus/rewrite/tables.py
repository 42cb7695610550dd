"""Words and phrases that may stand in the place of others, from files that the user names."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from headrace.errors import InputError

Table = Mapping[str, tuple[str, ...]]
"""Word or phrase to others, none of them itself."""

_PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
_SHORTEST_WORD = 3
_LICENCE_LINE = "  "


@cache
def read_table(path: str) -> Table:
    """The table of a JSON file or of a WordNet folder. Raises InputError if it is neither, or empty."""
    source = Path(path)
    if source.is_dir():
        table = _read_wordnet(source)
    else:
        try:
            content = orjson.loads(source.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise InputError(
                f"{path}: cannot be read as a table of words: {error}; give a JSON file or WordNet's folder"
            ) from error
        table = _read_json(content)
    if not table:
        raise InputError(
            f"{path}: has no word with another one in its place; give word: [other, ...] or groups of words"
        )
    return table


def _read_json(content: Any) -> Table:
    """Word to words, a list of groups, or a tree of groups as in Tongyici Cilin."""
    if isinstance(content, dict) and all(isinstance(others, list) for others in content.values()):
        pairs = ((word, tuple(other for other in others if other != word)) for word, others in content.items())
        return {word: others for word, others in pairs if others}
    return _from_groups(_groups_of(content))


def _groups_of(node: Any, key: str = "") -> Iterator[list[str]]:
    """Lists of words anywhere in a tree; in Cilin, those marked # (related) and @ (alone) are no synonyms."""
    if isinstance(node, dict):
        for name, below in node.items():
            yield from _groups_of(below, name)
    elif isinstance(node, list) and all(isinstance(word, str) for word in node):
        if not key.endswith(("#", "@")):
            yield node
    elif isinstance(node, list):
        for below in node:
            yield from _groups_of(below)


def _from_groups(groups: Iterator[list[str]]) -> Table:
    """A word of one group has its members; a word of several has many meanings, and none is safe to choose."""
    table: dict[str, tuple[str, ...]] = {}
    ambiguous: set[str] = set()
    for group in groups:
        for word in group:
            others = tuple(other for other in group if other != word)
            ambiguous |= {word} if word in table else set()
            table[word] = others
    return {word: others for word, others in table.items() if others and word not in ambiguous}


def _read_wordnet(folder: Path) -> Table:
    """Single words of the same first sense, for words that are one part of speech only."""
    table: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for part in _PARTS_OF_SPEECH:
        try:
            index = (folder / f"index.{part}").read_text(encoding="ascii")
            members = dict(map(_synset, _lines(folder / f"data.{part}")))
        except OSError as error:
            raise InputError(f"{folder}: is no folder of WordNet's data files: {error}") from error
        for line in index.splitlines():
            if line.startswith(_LICENCE_LINE):
                continue
            fields = line.split()
            word, first_sense = fields[0], fields[-int(fields[2])]
            if word in seen:
                table.pop(word, None)
            elif word.isalpha() and len(word) >= _SHORTEST_WORD:
                table[word] = tuple(other for other in members[first_sense] if other != word)
            seen.add(word)
    return {word: others for word, others in table.items() if others}


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="ascii").splitlines() if not line.startswith(_LICENCE_LINE)]


def _synset(line: str) -> tuple[str, tuple[str, ...]]:
    """(offset, its single words in small letters). Names begin with a capital and are no synonyms of anything."""
    fields = line.split(maxsplit=4 + 2 * int(line.split(maxsplit=4)[3], 16))
    words = (fields[4 + 2 * place].partition("(")[0] for place in range(int(fields[3], 16)))
    return fields[0], tuple(word for word in words if word.isalpha() and word.islower())
