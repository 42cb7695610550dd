"""Texts to ids, where text that looks like a special token stays text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tokenizers import Encoding, Tokenizer
from tokenizers.decoders import ByteLevel

from headrace.errors import InputError

MANY_CHARACTERS = 1 << 18
"""From here on it pays to start the encoder of corpora: 0.1 s."""
BATCH_TEXTS = 4096


@contextmanager
def set_for_texts(tokenizer: Tokenizer, *, max_tokens: int | None = None) -> Iterator[None]:
    """Sets a tokenizer so that it neither pads nor reads special tokens in texts, and cuts where it is told.

    It is as before afterwards. Not thread safe: the tokenizer is the caller's.
    """
    before = tokenizer.encode_special_tokens, tokenizer.padding, tokenizer.truncation
    tokenizer.encode_special_tokens = True
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_tokens is not None:
        tokenizer.enable_truncation(max_tokens)
    try:
        yield
    finally:
        tokenizer.encode_special_tokens = before[0]
        if before[1] is not None:
            tokenizer.enable_padding(**before[1])
        tokenizer.no_truncation()
        if before[2] is not None:
            tokenizer.enable_truncation(**before[2])


def ids_of_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text, nothing added."""
    with set_for_texts(tokenizer):
        if isinstance(tokenizer.decoder, ByteLevel) and sum(map(len, texts)) > MANY_CHARACTERS:
            with suppress(InputError):  # it refuses vocabularies that lose what texts hold; a task may want one
                return _ids_fast(tokenizer, texts)
        return [found.ids for found in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def _ids_fast(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The same ids, by what encodes corpora."""
    from headrace.corpus.texts import Texts
    from headrace.tokens.encoder import choose_words  # brings the kernels' compiler

    words = choose_words(tokenizer, "vocabulary")
    rows: list[list[int]] = []
    for first in range(0, len(texts), BATCH_TEXTS):
        ids, ends = words(Texts.from_strings(list(texts[first : first + BATCH_TEXTS])))
        starts = [0, *ends[:-1].tolist()]
        rows += [ids[start:end].tolist() for start, end in zip(starts, ends.tolist(), strict=True)]
    return rows


def encodings_of_inputs(
    tokenizer: Tokenizer, texts: Sequence[str], *, pairs: Sequence[str | None], max_tokens: int
) -> list[Encoding]:
    """Each text, with the one that it is paired with if there is one, as the vocabulary wants inputs to begin and end.

    Raises InputError if not even that fits into `max_tokens`.
    """
    added = tokenizer.num_special_tokens_to_add(any(pair is not None for pair in pairs))
    check_length(max_tokens, added)
    inputs = [text if pair is None else (text, pair) for text, pair in zip(texts, pairs, strict=True)]
    with set_for_texts(tokenizer, max_tokens=max_tokens):
        return tokenizer.encode_batch_fast(inputs)


def frame(tokenizer: Tokenizer, *, begin_tokens: Sequence[int] = ()) -> tuple[list[int], list[int]]:
    """What the vocabulary puts before a text, and behind it; `begin_tokens` before it if that is nothing."""
    if not tokenizer.num_special_tokens_to_add(False):
        return [*begin_tokens], []
    with set_for_texts(tokenizer):
        found = tokenizer.encode("a")
    own = [place for place, special in enumerate(found.special_tokens_mask) if not special]
    assert own, "a letter has a token"
    return found.ids[: own[0]], found.ids[own[-1] + 1 :]


def check_length(max_tokens: int, added: int) -> None:
    """Raises InputError if nothing is left of a sequence beside what is always added."""
    if max_tokens <= added:
        raise InputError(
            f"max_tokens: got {max_tokens}, wanted more than {added}, since the vocabulary adds {added} tokens."
        )
