"""Scores of continuations: those of one whole pass for each pair."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import rough_decoder, small_config

from headrace.models.decoder import Decoder
from headrace.serve import scoring
from headrace.serve.scoring import score_tokens

VOCABULARY, POSITIONS = 23, 18
MODEL = rough_decoder(small_config(), vocabulary_size=VOCABULARY)
TOKEN = st.integers(0, VOCABULARY - 1)
CONTEXTS = st.lists(st.lists(TOKEN, min_size=1, max_size=25), min_size=1, max_size=4)
CONTINUATION = st.lists(TOKEN, max_size=8)


def score_slowly(model: Decoder, context: list[int], continuation: list[int]) -> tuple[float, bool]:
    total, greedy = 0.0, True
    for place, token in enumerate(continuation):
        room = POSITIONS - (len(continuation) - 1)  # of the context, wherever its continuation stands
        seen = [*context[-room:], *continuation[:place]]
        with torch.no_grad():
            logits_V = model.logits(torch.tensor([seen]))[0, -1].double()
        total += float(torch.log_softmax(logits_V, dim=0)[token])
        greedy &= int(logits_V.argmax()) == token
    return total, greedy


@settings(max_examples=60)
@given(contexts=CONTEXTS, data=st.data(), at_once=st.sampled_from([1, 40, 8192]), logits=st.sampled_from([1, 1 << 20]))
def test_scores_are_those_of_a_whole_pass_for_each_pair(
    contexts: list[list[int]], data: st.DataObject, at_once: int, logits: int
) -> None:
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(contexts), CONTINUATION), max_size=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "TOKENS_AT_ONCE", at_once)
        patch.setattr(scoring, "LOGITS_AT_ONCE", logits)

        found = score_tokens(MODEL, pairs, max_positions=POSITIONS)

    wanted = [score_slowly(MODEL, context, continuation) for context, continuation in pairs]
    assert [scored.is_greedy for scored in found] == [greedy for _, greedy in wanted]
    assert [scored.log_likelihood for scored in found] == pytest.approx([total for total, _ in wanted], abs=2e-4)


def test_the_greedy_continuation_is_known_as_such() -> None:
    context, greedy = [1, 2, 3], []
    for _ in range(5):
        with torch.no_grad():
            greedy.append(int(MODEL.logits(torch.tensor([context + greedy]))[0, -1].argmax()))
    other = [*greedy[:-1], (greedy[-1] + 1) % VOCABULARY]

    found = score_tokens(MODEL, [(context, greedy), (context, other)], max_positions=POSITIONS)

    assert [scored.is_greedy for scored in found] == [True, False]


def test_a_continuation_beyond_the_context_is_refused() -> None:
    with pytest.raises(ValueError, match="19 tokens, wanted 18"):
        score_tokens(MODEL, [([1], [2] * 19)], max_positions=POSITIONS)
