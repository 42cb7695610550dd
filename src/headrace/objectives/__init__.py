"""What is learnt: functions from hidden states and targets to a loss.

In: final hidden states, the head's weight, targets. Out: the sum of the loss over valid targets, ready for `backward`.
Promises: full logits of a batch are never held; an ignored target adds nothing to loss or gradient. The sum is not
divided by anything: the caller knows how many valid targets the whole global step has.
"""

from headrace.objectives.causal import causal_loss, token_losses

__all__ = ["causal_loss", "token_losses"]
