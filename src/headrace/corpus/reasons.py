"""Reasons for which documents go that are no rules, in the order in which they are looked at."""

LOW_QUALITY = "low_quality"
HIGH_PERPLEXITY = "high_perplexity"
CONTAMINATED = "contaminated"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near_duplicate"
SAME_MEANING = "same_meaning"
NOTHING_LEFT = "nothing_left"

MEANINGS = {
    LOW_QUALITY: "the learned quality score is among the best",
    HIGH_PERPLEXITY: "the perplexity is among the lowest",
    CONTAMINATED: "no part of an evaluation set is in it",
    DUPLICATE: "no equal document came before",
    NEAR_DUPLICATE: "no nearly equal document stays in its place",
    SAME_MEANING: "no document that says the same stays in its place",
    NOTHING_LEFT: "some text is left after repeated or unwanted parts were cut",
}
"""Reason -> what holds for documents that stay. No rule may have one of these names."""

SIMILAR = frozenset((DUPLICATE, NEAR_DUPLICATE, SAME_MEANING))
