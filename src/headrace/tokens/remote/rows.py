"""Rows whose ids are fetched before they are put together.

Shape letters: B rows, P pieces, S shards, C columns.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.gather import ADDRESS, LEARNT, LENGTH, START, fill_pieces, look_up, resolve

if TYPE_CHECKING:
    from headrace.tokens.store import TokenStore


def fill_remote_rows(
    store: "TokenStore",
    rows_B: NDArray[np.int64],
    *,
    shards_SC: NDArray[np.int64],
    plan: tuple[int, int, int],
    end_token: int,
    out: int,
) -> None:
    """`gather.fill_rows` for a store whose shards are known, but not their ids and masks.

    What all pieces of the rows need is asked for together.
    """
    kind_N = np.empty(0, store.shards[0].ids.dtype)
    pieces_PC, bounds_B = look_up(rows_B, shards_SC, plan)
    shard_P = pieces_PC[:, LEARNT].copy()
    resolve(pieces_PC, shards_SC, kind_N.itemsize)  # now ADDRESS is the byte in the shard's `.bin`
    begin_P, length_P = pieces_PC[:, ADDRESS].copy(), pieces_PC[:, LENGTH]
    before_P = np.where(pieces_PC[:, START] > 0, kind_N.itemsize, 0)  # a later piece is predicted from the token before
    masked_P = np.array([shard.mask is not None for shard in store.shards])[shard_P]
    ids = zip(shard_P, begin_P - before_P, begin_P + length_P * kind_N.itemsize, strict=True)
    first_P = begin_P // kind_N.itemsize
    masks = zip(shard_P + len(store.shards), first_P, first_P + length_P * masked_P, strict=True)
    found = store.reader.read([(int(file), int(start), int(end)) for file, start, end in (*ids, *masks)])
    memory = np.concatenate(found)
    places = memory.ctypes.data + np.cumsum([0, *(len(piece) for piece in found)])[:-1]
    pieces_PC[:, ADDRESS] = places[: len(shard_P)] + before_P
    pieces_PC[:, LEARNT] = np.where(masked_P, places[len(shard_P) :], 0)
    fill_pieces(pieces_PC, bounds_B, plan[2], kind_N, end_token, out)
    del memory  # held until the ids were copied
