"""Packed rows as padded rows of one document each: what every model of transformers understands.

Shape letters: B rows, T tokens of a row, N documents, G documents of a group, L their longest, S its longest source.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from headrace.models.rows import Rows

MOST_PADDING = 0.125
"""Share of a group that may be padding."""
CHEAP_PADDING = 256
"""Tokens of padding that cost less than one more group."""


class Padded(NamedTuple):
    """Token ids, and 1 where there is one."""

    token_GL: Tensor
    mask_GL: Tensor


class Group(NamedTuple):
    """Documents of about the same length."""

    inputs: Padded
    place_GL: Tensor
    """Where each token stood, over all rows end to end; of padding, anywhere."""
    source: Padded | None
    """What each is to be written from."""


class Documents(NamedTuple):
    """Where the documents of packed rows lie, over all rows end to end."""

    start_N: Tensor
    length_N: Tensor
    key_N: Tensor
    """Row and number, as one number."""


def unpack(rows: Rows, padding_token: int) -> list[Group]:
    """The documents of packed rows, in groups that hold little padding. Padding of the rows is in none."""
    found = documents_of(rows.document_BT)
    sources = None if rows.source is None else _beside(documents_of(rows.source.document_BS), found)
    groups = []
    for chosen in _grouped(found.length_N.tolist(), None if sources is None else sources.length_N.tolist()):
        inputs, place_GL = _padded(rows.token_BT, found, chosen, padding_token)
        source = None
        if sources is not None and rows.source is not None:
            source, _ = _padded(rows.source.token_BS, sources, chosen, padding_token)
        groups.append(Group(inputs, place_GL, source))
    return groups


def documents_of(document_BT: Tensor) -> Documents:
    """The documents of rows, in the order in which they stand."""
    first_BT = torch.ones_like(document_BT, dtype=torch.bool)
    first_BT[:, 1:] = document_BT[:, 1:] != document_BT[:, :-1]
    start_N = torch.nonzero(first_BT.flatten())[:, 0]
    end_N = torch.cat([start_N[1:], start_N.new_tensor([document_BT.numel()])])
    number_N = document_BT.flatten()[start_N].long()
    key_N = (start_N // document_BT.shape[1] << 32) + number_N
    used = number_N >= 0
    return Documents(start_N[used], (end_N - start_N)[used], key_N[used])


def _beside(sources: Documents, targets: Documents) -> Documents:
    """The source of each target: that of the same number in the row of the same number."""
    key_N, order_N = sources.key_N.sort()
    place_N = torch.searchsorted(key_N, targets.key_N).clamp(max=max(0, len(key_N) - 1))
    assert torch.equal(key_N[place_N], targets.key_N), "every target has a source"
    chosen_N = order_N[place_N]
    return Documents(sources.start_N[chosen_N], sources.length_N[chosen_N], targets.key_N)


def _grouped(lengths: Sequence[int], sources: Sequence[int] | None) -> list[list[int]]:
    """Numbers of documents that are padded to a common length, the longest first."""
    both = [(length, sources[number] if sources else 0) for number, length in enumerate(lengths)]
    groups: list[list[int]] = []
    longest, longest_source, total = 0, 0, 0
    for number in sorted(range(len(both)), key=lambda number: both[number], reverse=True):
        length, source = both[number]
        if groups:
            longest_source = max(longest_source, source)
            places = (len(groups[-1]) + 1) * (longest + longest_source)
            padding = places - total - length - source
        if not groups or padding > max(CHEAP_PADDING, MOST_PADDING * places):
            groups.append([])
            longest, longest_source, total = length, source, 0
        groups[-1].append(number)
        total += length + source
    return groups


def _padded(token_BT: Tensor, found: Documents, chosen: list[int], padding_token: int) -> tuple[Padded, Tensor]:
    start_G, length_G = found.start_N[chosen], found.length_N[chosen]
    offset_L = torch.arange(int(length_G.max()))
    mask_GL = offset_L < length_G[:, None]
    place_GL = torch.where(mask_GL, start_G[:, None] + offset_L, 0)
    token_GL = torch.where(mask_GL, token_BT.flatten()[place_GL].long(), padding_token)
    return Padded(token_GL, mask_GL.long()), place_GL
