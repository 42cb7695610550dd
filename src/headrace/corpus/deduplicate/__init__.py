"""Which documents, lines and paragraphs say what others said before.

In: texts, batch by batch. Out: a row number for every document, that of the one that stays in its place, and cuts for
lines and paragraphs. Every stage is parallel, keeps its memory under a limit by working on one range of hashes after
the other, and gives the same answer for any number of workers and any limit. Rows are positions in the ledger.

    folding     what counts as the same character: case, accents, digits, punctuation
    shingles    texts as words, words as n-grams, n-grams as hashes
    minhash     a few band keys per document, equal in documents that share most n-grams
    keys        those keys on disk
    clusters    equal keys joined into clusters; who stays
    confirm     what stays after a look at the exact overlap
    index       keys of earlier dumps
    lines       lines and paragraphs as hashes, and the cuts
    occurrences how often each hash occurs, and which occurrences are too many
"""
