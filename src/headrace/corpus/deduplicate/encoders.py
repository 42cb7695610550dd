"""Text as vectors whose angles say how near two meanings are."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from headrace.errors import InputError, RecipeError

Vectors = npt.NDArray[np.float32]
Encoder = Callable[[list[str]], Vectors]
"""Texts to (N, D) vectors of any length; the same text always gives the same vector."""

MODEL_FILES = ("model.onnx", "onnx/model.onnx")
BATCH_TOKENS = 8_192
CHARACTERS_PER_TOKEN = 16
"""More than this of a text's beginning never makes a token: what lies beyond is not even tokenised."""


class OnnxEncoder:
    """A model in ONNX form beside its `tokenizer.json`, run by onnxruntime on the CPU.

    Inputs are any of `input_ids`, `attention_mask` and `token_type_ids`; the first output is a vector for each text or
    for each token, which pooling makes into one. Texts of similar length share a batch.
    """

    def __init__(
        self, folder: Path, *, pooling: Literal["mean", "first"] = "mean", max_tokens: int = 256, num_threads: int = 1
    ) -> None:
        model = next((folder / name for name in MODEL_FILES if (folder / name).is_file()), None)
        if model is None or not (folder / "tokenizer.json").is_file():
            raise InputError(
                f"encoder {folder}: want tokenizer.json and {' or '.join(MODEL_FILES)} there. "
                "`optimum-cli export onnx` makes them from a Hugging Face model."
            )
        try:
            import onnxruntime  # here because only this method of deduplication needs it
        except ImportError as error:
            raise RecipeError(
                'deduplicate.method "meaning" needs onnxruntime: pip install "headrace[meaning]".'
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._pooling, self._max_tokens = pooling, max_tokens

    def __call__(self, texts: list[str]) -> Vectors:
        """(N, D), not normalised."""
        cut = [text[: CHARACTERS_PER_TOKEN * self._max_tokens] for text in texts]
        encodings = self._tokenizer.encode_batch(cut)
        parts: list[Vectors] = []
        order: list[int] = []
        for batch in _batches([len(encoding) for encoding in encodings]):
            parts.append(self._run([encodings[index] for index in batch]))
            order += batch
        vectors = np.concatenate(parts)
        return vectors[np.argsort(order)]

    def _run(self, encodings: Sequence[Encoding]) -> Vectors:
        shape = len(encodings), max(1, *(len(encoding) for encoding in encodings))
        given = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        for row, encoding in enumerate(encodings):
            given["input_ids"][row, : len(encoding)] = encoding.ids
            given["attention_mask"][row, : len(encoding)] = 1
            given["token_type_ids"][row, : len(encoding)] = encoding.type_ids
        output, *_ = self._session.run(None, {name: given[name] for name in self._inputs})
        if output.ndim == 2:
            return np.asarray(output, np.float32)
        if self._pooling == "first":
            return np.asarray(output[:, 0], np.float32)
        mask = given["attention_mask"][:, :, None]
        return np.asarray((output * mask).sum(1) / np.maximum(mask.sum(1), 1), np.float32)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions, the shortest texts first, in batches of at most `BATCH_TOKENS` with padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (lengths[index], index)):
        if batch and lengths[index] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
