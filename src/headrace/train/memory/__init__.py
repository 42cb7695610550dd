"""Training in the memory there is: what is kept, what is computed again, and what lies on the disk.

In: a stage, its model, and so many bytes. Out: a plan, which is kept with the stage, and a model and an optimiser that
follow it. Promises: in plain float32 no plan changes a bit of what is learnt, but for the size of micro-batches, and
for updates by block, which a recipe asks for itself.

    config.py, room.py, forecast.py    what a user sets; what is free; the bytes of weights, gradients and moments
                                       (need no torch)
    kept.py, live.py                   what a block keeps of a row, and how long it takes, measured
    plan.py, settle.py                 the cheapest way that fits; for a stage, and kept with it
    shelf.py, tensor_file.py           tensors in a file, in memory while they are used; and how they are written
    ceiling.py                         what is not used any more, given back
    by_block.py                        updates as soon as a block's gradient is there
"""
