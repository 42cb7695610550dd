"""The n-grams of evaluation items as sorted hashes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.code_points import hash_runs
from headrace.corpus.decontaminate.config import DecontaminateConfig
from headrace.corpus.decontaminate.folding import folded_letters
from headrace.corpus.decontaminate.items import EvaluationItem
from headrace.corpus.deduplicate.tokens import SINGLE, Hashes, Positions, Tokens, tokenize
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts
from headrace.errors import InputError

GATE_BITS_PER_NGRAM = 16
LEAST_GATE_BITS_LOG2 = 16


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """G different n-grams of I items; n-grams of several lengths.

    An n-gram is looked for by its first tokens, as many as the shortest one has: few places in a corpus pass this gate,
    so that what lies behind it costs nothing, whatever the lengths.
    """

    ngrams: Hashes
    """(G,) sorted."""

    lengths: Positions
    """Every length that an n-gram has, ascending."""

    gates: Hashes
    """Sorted hashes of the first `lengths[0]` tokens of the n-grams."""

    gate_table: npt.NDArray[np.bool_]
    """Whether a gate's hash begins with these bits."""

    firsts: Positions
    """(G + 1,); n-gram g is in the items `items[firsts[g]:firsts[g + 1]]`."""

    items: Positions

    num_ngrams: Positions
    """(I,) different n-grams of each item; 0: too short or too monotonous to be looked for."""

    window_characters: Positions
    """(1,) what a hit is widened by."""

    def save(self, path: Path) -> None:
        """Writes it as `.npz`, for workers."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Index":
        """What `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def build_index(items: Sequence[EvaluationItem], config: DecontaminateConfig) -> Index:
    """The index of all items. Raises InputError for a set of `config`, or of the items, that yields no n-gram."""
    tokens = tokenize(Texts.from_strings([item.text for item in items]), folded_letters())
    lengths = _ngram_lengths(items, tokens, config)
    starts, owners = _find_ngrams(tokens, lengths, config.least_distinct)
    _check_sets(items, owners, config)
    distinct = np.unique(lengths[lengths > 0])
    hashes = np.empty(len(starts), np.uint64)
    for length in distinct.tolist():
        mine = lengths[owners] == length
        hashes[mine] = runs_at(tokens, length)[starts[mine]]
    gates = np.unique(runs_at(tokens, int(distinct[0]))[starts])
    pairs = np.unique(np.stack((hashes, owners.astype(np.uint64))), axis=1)
    ngrams, firsts = np.unique(pairs[0], return_index=True)
    return Index(
        ngrams=ngrams,
        lengths=distinct,
        gates=gates,
        gate_table=_gate_table(gates),
        firsts=np.append(firsts, pairs.shape[1]),
        items=pairs[1].astype(np.int64),
        num_ngrams=np.bincount(pairs[1].astype(np.int64), minlength=len(items)),
        window_characters=np.array([config.window_characters]),
    )


def runs_at(tokens: Tokens, length: int) -> Hashes:
    """(T,) the hash of the `length` tokens from each on; 0 where the text ends before."""
    out = np.zeros(len(tokens.hashes), np.uint64)
    hash_runs(tokens.hashes, tokens.firsts, length, out)
    return out


def gate_slots(hashes: Hashes, table: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Where in the gate table each hash is answered for."""
    return hashes >> np.uint64(65 - len(table).bit_length())


def _gate_table(gates: Hashes) -> npt.NDArray[np.bool_]:
    bits_log2 = max((GATE_BITS_PER_NGRAM * len(gates)).bit_length(), LEAST_GATE_BITS_LOG2)
    table = np.zeros(1 << bits_log2, np.bool_)
    table[gate_slots(gates, table)] = True
    return table


def _ngram_lengths(items: Sequence[EvaluationItem], tokens: Tokens, config: DecontaminateConfig) -> Positions:
    """(I,) tokens of the n-grams by which each item is looked for; 0 if it is too short."""
    num_tokens = np.diff(tokens.firsts)
    num_unspaced = np.array([_num_unspaced(item.text) for item in items], np.int64)
    is_unspaced = 2 * num_unspaced > num_tokens
    ngram = np.where(is_unspaced, config.ngram_characters, config.ngram_words)
    shortest = np.where(is_unspaced, config.shortest_characters, config.shortest_words)
    return np.where(num_tokens >= shortest, np.minimum(ngram, num_tokens), 0)


def _num_unspaced(text: str) -> int:
    letters = folded_letters()
    return sum(ord(character) >= len(letters) or bool(letters[ord(character)] & SINGLE) for character in text)


def _find_ngrams(tokens: Tokens, lengths: Positions, least_distinct: int) -> tuple[Positions, Positions]:
    """The first token of each n-gram that is looked for, and its item."""
    num_starts = np.where(lengths > 0, np.diff(tokens.firsts) - lengths + 1, 0)
    owners = np.repeat(np.arange(len(lengths)), num_starts)
    offsets = np.arange(len(owners)) - np.repeat(np.cumsum(num_starts) - num_starts, num_starts)
    starts = tokens.firsts[owners] + offsets
    is_wanted = np.zeros(len(starts), np.bool_)
    mark_varied(tokens.hashes, starts, lengths[owners], least_distinct, is_wanted)
    return starts[is_wanted], owners[is_wanted]


@kernel
def mark_varied(
    hashes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, least_distinct: int, out: np.ndarray
) -> None:
    """out[i]: whether the run of lengths[i] tokens from starts[i] on has so many different ones."""
    for index in range(len(starts)):
        num_distinct = 0
        for token in range(starts[index], starts[index] + lengths[index]):
            is_new = True
            for earlier in range(starts[index], token):
                is_new = is_new and hashes[earlier] != hashes[token]
            num_distinct += is_new
        out[index] = num_distinct >= least_distinct


def _check_sets(items: Sequence[EvaluationItem], owners: Positions, config: DecontaminateConfig) -> None:
    """A set that nothing can be found of would look like a clean corpus. owners: (n-grams,) the item of each."""
    names = dict.fromkeys([*(item.name for item in config.sets), *(item.set_name for item in items)])
    found = dict.fromkeys(names, 0)
    for owner in np.unique(owners).tolist():
        found[items[owner].set_name] += 1
    for name in names:
        if not found[name]:
            num_items = sum(item.set_name == name for item in items)
            raise InputError(
                f"evaluation set {name}: none of its {num_items} items is long enough to be looked for, so nothing "
                f"would ever be found. Wanted at least {config.shortest_words} words or {config.shortest_characters} "
                "characters of an unspaced script: check `path` and `fields`, or lower `shortest_words`."
            )
