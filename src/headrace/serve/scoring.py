"""How likely a model finds given continuations of given contexts.

Shape letters: G contexts, R continuations (rows), T time, N tokens, V vocabulary.

Contexts of about the same length are read side by side, each once, however many continuations it has; those of one
token, as answers to choose from often are, cost nothing more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

from headrace.errors import InputError
from headrace.models.decoder import Decoder
from headrace.models.opened import OpenedModel
from headrace.serve.continuing import read_prompts
from headrace.serve.sampling import likeliest

TOKENS_AT_ONCE = 8192  # of contexts with their continuations; bounds what caches and inner layers take
LOGITS_AT_ONCE = 1 << 24

Tokens = Sequence[int]


class Scored(NamedTuple):
    """What a model says of a continuation."""

    log_likelihood: float
    """Natural logarithm of the probability of all of its tokens, one after the other."""
    is_greedy: bool
    """Whether each of its tokens is the likeliest where it stands."""


def score_continuations(opened: OpenedModel, pairs: Sequence[tuple[str, str]]) -> list[Scored]:
    """Scores (context, continuation) texts, cut into tokens as one text: a context loses the spaces it ends with to the
    continuation. Where the tokens are too many for the model, those the context begins with are left out.

    Raises InputError for a model that does not continue text.
    """
    model, tokenizer = need_decoder(opened), opened.need_tokenizer()
    beginning = opened.begin_tokens or (prefix_token(opened),)
    encoded = [encode_pair(tokenizer, pair, beginning=beginning) for pair in pairs]
    return score_tokens(model, encoded, max_positions=opened.facts.max_positions)


def need_decoder(opened: OpenedModel) -> Decoder:
    """The model. Raises InputError if it is none that continues text."""
    if not isinstance(opened.model, Decoder):
        raise InputError(
            f"{opened.path}: a model of shape {opened.model.config.shape}, wanted one that continues text."
        )
    return opened.model.eval()


def prefix_token(opened: OpenedModel) -> int:
    """What stands before a text that has nothing before it. Raises InputError if the model has no such token."""
    facts = opened.facts
    found = next(iter(opened.begin_tokens), facts.begin_token)
    if found is None:
        found = next(iter(facts.end_tokens), None)
    if found is None:
        raise InputError(f"{opened.path}: neither a token that begins texts nor one that ends them is known.")
    return found


def encode_pair(
    tokenizer: Tokenizer, pair: tuple[str, str], *, beginning: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """The tokens of context and continuation, the context's after `beginning`."""
    context, continuation = pair[0].rstrip(), pair[0][len(pair[0].rstrip()) :] + pair[1]
    before = tokenizer.encode(context, add_special_tokens=False).ids
    whole = tokenizer.encode(context + continuation, add_special_tokens=False).ids
    return [*beginning, *before], whole[len(before) :]


@dataclass(frozen=True)
class _Asked:
    context: tuple[int, ...]
    continuations: list[tuple[int, tuple[int, ...]]]
    """Each with the number of its pair."""

    @property
    def longest(self) -> int:
        return max(len(continuation) for _, continuation in self.continuations)


@torch.inference_mode()
def score_tokens(model: Decoder, pairs: Sequence[tuple[Tokens, Tokens]], *, max_positions: int) -> list[Scored]:
    """Scores (context, continuation) tokens; a context has one at least. A continuation without tokens is certain.

    Raises ValueError for a continuation that is longer than `max_positions`.
    """
    result = [Scored(0.0, True)] * len(pairs)
    for batch in _batches(pairs, max_positions):
        for number, scored in _score_batch(model, batch):
            result[number] = scored
    return result


def _batches(pairs: Sequence[tuple[Tokens, Tokens]], max_positions: int) -> Iterator[list[_Asked]]:
    """Contexts with their continuations, like lengths together."""
    by_context: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    for number, (context, continuation) in enumerate(pairs):
        if not continuation:
            continue
        assert context, "a context has a token at least"
        if len(continuation) > max_positions:
            raise ValueError(f"a continuation has {len(continuation)} tokens, wanted {max_positions} at most")
        kept = tuple(context[-(max_positions + 1 - len(continuation)) :])
        by_context.setdefault(kept, []).append((number, tuple(continuation)))
    batch: list[_Asked] = []
    rows = 0
    order = sorted(_parts(by_context), key=lambda asked: (len(asked.context), asked.longest))
    for asked in order:
        rows += len(asked.continuations)
        tokens = len(asked.context) + max(asked.longest, *(other.longest for other in batch), 0)
        if batch and rows * tokens > TOKENS_AT_ONCE:
            yield batch
            batch, rows = [], len(asked.continuations)
        batch.append(asked)
    if batch:
        yield batch


def _parts(by_context: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]]) -> Iterator[_Asked]:
    """No more continuations of a context at once than fit."""
    for context, continuations in by_context.items():
        ordered = sorted(continuations, key=lambda entry: len(entry[1]))
        fitting = max(1, TOKENS_AT_ONCE // (len(context) + len(ordered[-1][1])))
        for start in range(0, len(ordered), fitting):
            yield _Asked(context, ordered[start : start + fitting])


def _score_batch(model: Decoder, batch: list[_Asked]) -> Iterator[tuple[int, Scored]]:
    room = max(len(asked.context) for asked in batch) + max(asked.longest for asked in batch) - 1
    cache, logits_GV = read_prompts(model, [asked.context for asked in batch], max_positions=room)
    rows = [(place, *entry) for place, asked in enumerate(batch) for entry in asked.continuations]
    place_R = torch.tensor([place for place, _, _ in rows])
    first_R = torch.tensor([continuation[0] for _, _, continuation in rows])
    likelihood_GV, likeliest_G = torch.log_softmax(logits_GV.float(), dim=-1), likeliest(logits_GV)
    likelihood_R, greedy_R = likelihood_GV[place_R, first_R].double(), likeliest_G[place_R] == first_R
    longer = [row for row, (_, _, continuation) in enumerate(rows) if len(continuation) > 1]
    if longer:
        cache.choose_rows([rows[row][0] for row in longer])
        continuations = [rows[row][2] for row in longer]
        longest = max(map(len, continuations))
        token_RT = torch.tensor([[*tokens, *[0] * (longest - len(tokens))] for tokens in continuations])
        length_R = torch.tensor([len(tokens) for tokens in continuations])
        x_RTD = model.extend(token_RT[:, :-1], cache)
        real_RT = torch.arange(1, longest) < length_R[:, None]
        found_N, is_best_N = _compare(model, x_RTD[real_RT], token_RT[:, 1:][real_RT])
        of_N = torch.tensor(longer).repeat_interleave(length_R - 1)
        likelihood_R.index_add_(0, of_N, found_N.double())
        greedy_R[of_N[~is_best_N]] = False
    for (_, number, _), likelihood, greedy in zip(rows, likelihood_R.tolist(), greedy_R.tolist(), strict=True):
        yield number, Scored(likelihood, greedy)


def _compare(model: Decoder, x_ND: Tensor, target_N: Tensor) -> tuple[Tensor, Tensor]:
    """The log-likelihood of each target, and whether it is the likeliest token, some at a time."""
    at_once = max(1, LOGITS_AT_ONCE // model.vocabulary_size)
    found, is_best = [], []
    for x_PD, target_P in zip(x_ND.split(at_once), target_N.split(at_once), strict=True):
        logits_PV = model.logits_behind(x_PD)
        found.append(torch.log_softmax(logits_PV.float(), dim=-1).gather(1, target_P[:, None])[:, 0])
        is_best.append(likeliest(logits_PV) == target_P)
    return torch.cat(found), torch.cat(is_best)
