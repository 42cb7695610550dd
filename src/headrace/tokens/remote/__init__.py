"""Token stores that lie in an object store: what a batch needs is fetched in blocks, and kept on this machine.

In: the address of a published token store. Out: the same batches as from a local copy, bit for bit.
Promises: blocks on disk take no more than they may, whatever is killed and however many jobs share them; every block is
checked against the sum that was published with it, whenever it is used.

    source.py       where the store lies, and what may be kept of it
    objects.py      ranges of objects, asked for together, again if a request fails
    block_cache.py  blocks on this machine's disk
    reader.py       bytes of token files, from both
    rows.py         rows of a plan, as batches
"""
