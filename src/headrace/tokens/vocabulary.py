"""The vocabulary: a byte-level BPE `tokenizer.json` that says which token ends a document.

It is trained on the corpus (`headrace.tokens.training`) or read from a file (`headrace.tokens.formats`). Encoding is
done elsewhere (`headrace.tokens.encoder`), with the same ids.
"""

from collections.abc import Sequence
from pathlib import Path

import orjson
from tokenizers import AddedToken, Tokenizer, processors

from headrace.errors import InputError
from headrace.store import Workspace
from headrace.tokens.config import END_OF_DOCUMENT, VocabularyConfig
from headrace.tokens.formats import read_vocabulary

VOCABULARY_VERSION = 2
ENDS = (END_OF_DOCUMENT, "<|end_of_text|>", "<|eot|>", "</s>", "<eos>", "<｜end▁of▁sentence｜>", "<|im_end|>")
"""What vocabularies call the end of a document, the likeliest first."""


def build_vocabulary(
    config: VocabularyConfig, *, shards: Sequence[Path], folder: Path, workspace: Workspace
) -> dict[str, int]:
    """Writes `tokenizer.json`, trained on the texts of Parquet shards or read from a file below `folder`.

    Raises InputError if the text has too few different pairs for the wanted size, or the file is not a usable
    vocabulary.
    """
    if config.file is not None:
        path = folder / config.file
        tokenizer = read_vocabulary(path, pattern=config.pattern)
        _add_special(tokenizer, config)
        _mark_end(tokenizer, config.end_of_document or _find_end(tokenizer, path))
    else:
        from headrace.tokens.training import train_on  # brings the kernels' compiler

        tokenizer = train_on(shards, config)
        _mark_end(tokenizer, config.end_of_document or END_OF_DOCUMENT)
    tokenizer.save(str(workspace.output / "tokenizer.json"))
    return {"tokens": num_ids(tokenizer), "end_of_document": end_token(tokenizer)}


def load_vocabulary(path: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`. Raises InputError if it is none or lacks the end-of-document token."""
    tokenizer = read_vocabulary(path)
    end_token(tokenizer, path)
    return tokenizer


def num_ids(tokenizer: Tokenizer) -> int:
    """One more than the largest id. Some vocabularies leave ids out."""
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)


def end_token(tokenizer: Tokenizer, path: Path | None = None) -> int:
    """The id of the token that ends documents: the one that texts begin behind, else the likeliest by its name.

    Raises InputError if there is none.
    """
    processor = tokenizer.post_processor
    template = orjson.loads(processor.__getstate__()) if processor else {}
    first = template.get("single", [{}])[0] if template.get("type") == "TemplateProcessing" else {}
    name = first["SpecialToken"]["id"] if "SpecialToken" in first else _find_end(tokenizer, path)
    number = tokenizer.token_to_id(name)
    assert number is not None, "a template names a token that is there"
    return int(number)


def _find_end(tokenizer: Tokenizer, path: Path | None) -> str:
    found = next((name for name in ENDS if tokenizer.token_to_id(name) is not None), None)
    if found is None:
        raise InputError(
            f"{path or 'vocabulary'}: no token {END_OF_DOCUMENT!r}, nor another known name for the end of a document. "
            "Name the token that is it: `end_of_document: TOKEN`; `special_tokens: [TOKEN]` adds it."
        )
    return found


def _add_special(tokenizer: Tokenizer, config: VocabularyConfig) -> None:
    """Adds what the recipe names and the file lacks. Raises InputError for an end of documents that nobody has."""
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in config.special_tokens])
    end = config.end_of_document
    if end is not None and tokenizer.token_to_id(end) is None:
        raise InputError(
            f"tokens.vocabulary.end_of_document: {config.file} has no token {end!r}. Name one that it has, or add it: "
            f"`special_tokens: [{end!r}]`."
        )


def _mark_end(tokenizer: Tokenizer, end: str) -> None:
    """Makes a text that transformers encodes begin as documents do in training: behind the end of the one before."""
    tokenizer.add_special_tokens([AddedToken(end, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{end} $A",
        pair=f"{end} $A {end} $B",
        special_tokens=[(end, tokenizer.token_to_id(end))],
    )
