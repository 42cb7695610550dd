"""Token stores made of given ids, without text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from small_road import Settings

from headrace.store import Artefact, StepSpec, Store, Workspace
from headrace.tokens import TokenStore
from headrace.tokens.indexed import token_type, write_indexed
from headrace.tokens.packing import Packing, plan_rows

NAMES = ("novels", "poems", "manual", "mail")
"""What the shards are called as sources: one each."""

Documents = Sequence[Sequence[int]]


def build_store(
    root: Path,
    shards: Sequence[Documents],
    *,
    row_tokens: int,
    vocabulary_size: int = 400,
    masks: Sequence[NDArray[np.uint8] | None] | None = None,
    packing: Packing = "best_fit",
) -> TokenStore:
    """A store of these shards, each a list of documents of a source of its own.

    A mask, where there is one, holds a byte for each token.
    """

    def build(workspace: Workspace) -> dict[str, int]:
        for number, documents in enumerate(shards):
            ids = np.array([token for document in documents for token in document], token_type(vocabulary_size))
            lengths = np.array([len(document) for document in documents], np.int32)
            mask = masks[number] if masks else None
            write_indexed(workspace.output / f"train-{number:05d}", ids, lengths, mask=mask)
        lengths = np.array([len(document) for documents in shards for document in documents], np.int32)
        sources = np.repeat(np.arange(len(shards), dtype=np.int32), [len(documents) for documents in shards])
        names = tuple(NAMES[: len(shards)])
        plan = plan_rows(lengths, row_tokens, sources=sources, names=names, packing=packing)
        plan.save(workspace.output / "train")
        return {}

    spec = StepSpec("tokens", 1, Settings(name="tokens", row_tokens=row_tokens), {})
    return TokenStore(Artefact(Store(root).ensure(spec, build).path), "train")
