"""The training loop: batches in, a model folder out, resumable to the bit.

In: a stage's settings, rows of tokens or labelled examples, a model. Out: `model.safetensors` and its companions, and
one metric record a step.
Promises: the loss is normalised by the valid targets of the whole global step, so accumulation and process count do not
change what is learnt; a killed run continues from its newest good checkpoint to the very bits of an undisturbed one
(same process count, threads and machine); a loss or gradient that is not finite never reaches the weights.

    config.py, *_config.py, schedule.py   what a user sets, and the rate of every step (need no torch)
    given.py, first_model.py, stage.py    what a stage is given, the model it begins with, all of it put together
    feed.py, feeds.py                     what is read step by step, and what is learnt from it: row_feed.py with
                                          data.py from token stores, example_feed.py from labelled examples
    loop.py                               the loop; trainable.py: which parameters it changes
    gradient.py, spikes.py, validation.py parts of a step
    optimizer.py, rules.py, rounding.py   from gradients to updates; hidden_matrices.py: which of them Muon takes
    state.py, progress.py, checkpoint.py  what is resumed
    averaging.py                          averages of weights
    calibration.py, numerics.py           what this machine can do, kept; precision, threads, compiling chosen by it
    compiled.py                           compiled blocks, checked
    rate_finder.py                        a learning rate by trying
    metrics.py, outcome.py                what comes out: publish.py (the folder), adapter_outcome.py
"""

from headrace.train.config import StageConfig

__all__ = ["StageConfig"]
