"""Entities in a row of BIO tags."""

from collections.abc import Iterable, Sequence

Span = tuple[str, int, int]
"""The type of an entity, its first word, and one behind its last."""


def entity_spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence, in order.

    A stray `I-` (at the beginning, after `O`, after another type) begins an entity, as in conlleval.
    Source: conlleval.pl of the CoNLL-2000 shared task.
    """
    spans: list[Span] = []
    start, current = 0, ""
    for place, tag in enumerate((*tags, "O")):
        letter, _, name = tag.partition("-")
        if current and (letter != "I" or name != current):
            spans.append((current, start, place))
            current = ""
        if letter != "O" and not current:
            start, current = place, name
    return spans


def tag_names(sentences: Iterable[Sequence[str]]) -> list[str]:
    """`O`, then `B-` and `I-` of every type that occurs, by name: also of those that one of the two occurs of only."""
    names = {tag[2:] for tags in sentences for tag in tags if tag != "O"}
    return ["O", *(f"{letter}-{name}" for name in sorted(names) for letter in "BI")]
