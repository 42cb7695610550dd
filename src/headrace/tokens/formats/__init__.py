"""Vocabularies of other programs, as `tokenizers` objects with the ids of the original.

In: a `tokenizer.json`, a `.tiktoken` file of ranks, GPT-2's pair of files, a GGUF model file. Out: a `Tokenizer`.
Promises: the same ids for the same text as the program the file was made for; InputError, never a guess, where a file
does not say how it wants text cut.
"""

from headrace.tokens.formats.reading import files_of, read_vocabulary

__all__ = ["files_of", "read_vocabulary"]
