"""The share of documents that learned models find best."""

import numpy as np
import numpy.typing as npt

from headrace.corpus.decide.context import Context
from headrace.corpus.quality.judge import calibrate
from headrace.corpus.reasons import HIGH_PERPLEXITY, LOW_QUALITY


def drop_low_quality(context: Context) -> dict[str, float]:
    """Of the documents that have passed so far, drops those below the shares that the recipe keeps.

    Returns the thresholds that were found, by column.
    """
    quality, found = context.config.quality, dict[str, float]()
    if quality is None:
        return found
    if quality.classifier is not None and quality.classifier.keep is not None:
        by_bytes = quality.classifier.keep_by == "bytes"
        scores = context.column("quality_score")
        found["quality_score"] = _drop_worst(
            context, scores, quality.classifier.keep, reason=LOW_QUALITY, by_bytes=by_bytes
        )
    if quality.perplexity is not None and quality.perplexity.keep is not None:
        scores = -context.column("perplexity")
        found["perplexity"] = -_drop_worst(context, scores, quality.perplexity.keep, reason=HIGH_PERPLEXITY)
    return found


def _drop_worst(
    context: Context, scores: npt.NDArray[np.float64], share: float, *, reason: str, by_bytes: bool = False
) -> float:
    """Drops what scores below the threshold that keeps a share of what passes; returns the threshold."""
    verdicts = context.verdicts
    rows = np.flatnonzero(verdicts.passes)
    if not len(rows):
        return 0.0
    threshold = calibrate(scores[rows], share, verdicts.num_bytes[rows] if by_bytes else None)
    verdicts.drop(rows[scores[rows] < threshold], reason)
    return threshold
