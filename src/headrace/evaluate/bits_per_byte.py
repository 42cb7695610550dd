"""Loss on held-out documents, in units that do not depend on the vocabulary.

Bits per byte = summed negative log-likelihood of a text's tokens, in bits, over its bytes in UTF-8. The token that ends
a document is counted with its text: a model must also know when to stop. Each document is read in pieces of one
training row, each piece without the one before, so figures are what the model can do within the context it was
trained on.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from headrace.models.decoder import Decoder
from headrace.models.foreign.folder import is_foreign, load_foreign
from headrace.models.foreign.model import ForeignModel
from headrace.models.hugging_face import load_decoder
from headrace.models.machine import use_machine_well
from headrace.objectives.cross_entropy import token_losses
from headrace.objectives.guesses import asked
from headrace.objectives.reading import as_rows
from headrace.tokens import Batch, TokenStore
from headrace.tokens.batch import PADDING_DOCUMENT
from headrace.tokens.rows import RowGatherer
from headrace.tokens.store import Lineage
from headrace.tokens.vocabulary import end_token, load_vocabulary
from headrace.trace import progress

BATCH_TOKENS = 4096

DocumentLosses = NDArray[np.float64]
"""Summed negative log-likelihood of each document of a split, in nats."""


def measure_losses(model_folder: Path, store: TokenStore) -> DocumentLosses:
    """The loss of every document of a split under a published model."""
    use_machine_well()
    model = _load(model_folder).eval()
    end = end_token(load_vocabulary(model_folder / "tokenizer.json"))
    losses = np.zeros(store.num_documents)
    gatherer = RowGatherer(store, end)
    rows_at_once, num_rows = max(1, BATCH_TOKENS // store.row_tokens), store.plan.num_rows
    for start in range(0, num_rows, rows_at_once):
        batch = gatherer.gather(np.arange(start, min(start + rows_at_once, num_rows)))
        with torch.inference_mode():
            loss_N = _losses(model, batch)
        document_N = batch.documents_BT.ravel()
        used = document_N != PADDING_DOCUMENT
        np.add.at(losses, document_N[used], loss_N.numpy()[used].astype(np.float64))
        progress("evaluate", min(start + rows_at_once, num_rows), num_rows, unit="rows")
    return losses


def with_before(figures: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Figures, each group's with the bits per byte that it had before."""
    add = {"bits_per_byte_before": before["bits_per_byte"]} if "bits_per_byte" in before else {}
    return {
        name: with_before(value, before[name]) if isinstance(value, dict) else value for name, value in figures.items()
    } | add


def _load(folder: Path) -> Decoder | ForeignModel:
    return load_foreign(folder) if is_foreign(folder) else load_decoder(folder)


def _losses(model: Decoder | ForeignModel, batch: Batch) -> Tensor:
    """Of all places, over all rows end to end; zero where nothing is asked."""
    rows, target_N = as_rows(batch), torch.from_numpy(batch.targets_BT).flatten()
    if isinstance(model, Decoder):
        return token_losses(model.hidden_states(rows).flatten(0, 1), model.head_weight, target_N)
    place_N, asked_N = asked(batch)
    losses_N = functional.cross_entropy(model.logits_at(rows, place_N), asked_N, reduction="none")
    return torch.zeros(len(target_N)).index_copy(0, place_N, losses_N)


def summarise(losses: DocumentLosses, lineage: Lineage) -> dict[str, Any]:
    """Figures for all documents together (`overall`), and per `source` and `language`."""
    num_tokens = np.asarray(lineage.table.column("num_tokens").to_numpy(), np.int64)
    everything = np.ones(len(losses), bool)
    result: dict[str, Any] = {"overall": _figures(losses, num_tokens, lineage.size_bytes, everything)}
    for column in ("source", "language"):
        values = np.asarray(lineage.column(column))
        result[column] = {
            str(value): _figures(losses, num_tokens, lineage.size_bytes, values == value) for value in np.unique(values)
        }
    return result


def _figures(
    losses: DocumentLosses, num_tokens: NDArray[np.int64], size_bytes: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> dict[str, float]:
    nats, tokens, size = float(losses[chosen].sum()), int(num_tokens[chosen].sum()), int(size_bytes[chosen].sum())
    return {
        "bits_per_byte": nats / math.log(2) / size,
        "perplexity": math.exp(nats / tokens),
        "nats_per_token": nats / tokens,
        "documents": int(chosen.sum()),
        "tokens": tokens,
        "bytes": size,
    }
