"""How text is cut into words before any merge: the patterns that vocabularies are trained with, and their digits.

A pattern is a regular expression that its makers published; here are their texts and what Hugging Face's
`tokenizer.json` calls them. `headrace.tokens.words` cuts the same words for training, several hundred times faster.
"""

from typing import Literal

from tokenizers import Regex, pre_tokenizers

PatternName = Literal["gpt2", "cl100k", "o200k"]
Digits = Literal["as_is", "single", "groups_of_3"]

NUMBER: dict[Digits, str] = {"as_is": r"\p{N}{1,3}", "groups_of_3": r"\p{N}{1,3}", "single": r"\p{N}"}
"""Of `cl100k` and `o200k`, whose own way are groups of three."""

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|NUMBER| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"NUMBER| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TIKTOKEN_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++\z|\s*[\r\n]|"
    r"\s+(?!\S)|\s+"
)
"""tiktoken's own, which takes white space at the end of a text as one word. Its `$` would be a line's end here."""


def cut_by(expression: str) -> pre_tokenizers.PreTokenizer:
    """Words are what an expression finds."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(expression), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def splitter(pattern: PatternName, digits: Digits) -> pre_tokenizers.PreTokenizer:
    """The pre-tokenizer of a `tokenizer.json`; digits of `gpt2` are cut out before its expression sees the rest."""
    if pattern == "gpt2":
        words = pre_tokenizers.ByteLevel(add_prefix_space=False)
        if digits == "as_is":
            return words
        first = (
            pre_tokenizers.Digits(individual_digits=True)
            if digits == "single"
            else pre_tokenizers.Split(Regex(NUMBER[digits]), "isolated")
        )
        return pre_tokenizers.Sequence([first, words])
    return cut_by({"cl100k": CL100K, "o200k": O200K}[pattern].replace("NUMBER", NUMBER[digits]))
