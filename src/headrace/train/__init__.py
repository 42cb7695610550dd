"""The training loop: batches in, a model folder out, resumable to the bit.

In: a stage's settings, a token store, a model. Out: `model.safetensors` and its companions, and one metric record a
step.
Promises: the loss is normalised by the valid tokens of the whole global step, so accumulation and process count do not
change what is learnt; a killed run continues from its newest good checkpoint to the very bits of an undisturbed one
(same process count, threads and machine); a loss or gradient that is not finite never reaches the weights.

    config.py, schedule.py           what a user sets (needs no torch)
    stage.py                         a stage put together: inputs, state, loop, published folder
    loop.py                          the loop
    optimizer.py, validation.py      parts of a step
    state.py, checkpoint.py          what is resumed
    numerics.py                      precision, threads, compilation, and how fast this machine multiplies
    metrics.py, publish.py           what comes out
"""

from headrace.train.config import StageConfig

__all__ = ["StageConfig"]
