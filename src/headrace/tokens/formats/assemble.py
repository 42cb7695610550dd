"""A byte-level tokenizer from its parts."""

from collections.abc import Mapping, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

Merges = Sequence[tuple[str, str]]


def byte_level_tokenizer(
    tokens: Mapping[str, int],
    merges: Merges,
    *,
    splitter: pre_tokenizers.PreTokenizer,
    special: Sequence[str],
    whole_words: bool = False,
) -> Tokenizer:
    """A tokenizer over tokens written in the signs of `byte_level`, special ones as they are.

    whole_words: a word that is a token is that token, whatever the merges would make of it.
    """
    model = models.BPE(vocab=dict(tokens), merges=list(merges), ignore_merges=whole_words)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return tokenizer
