"""Records in, documents and all their scores out: everything that rules can ask about, in one pass over the text.

In: units of raw input. Out: per source, shards of documents and of scores, and the damaged records.
Promises: scores depend on a text and its language alone; compiled kernels agree with plain functions that tests hold;
the same bytes for any number of workers and kills.

    source.py, unit.py, batch.py   who measures what, and where it lies
    normal_form.py                 texts in one form, and what equal documents share
    language*.py                   which language a text is in
    scores.py and the rest         the scores, by family
"""
