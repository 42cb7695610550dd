"""What the scores of a source depend on, besides its files."""

import re
from typing import Literal

from headrace.config import Config
from headrace.corpus.columns import TEXT_SCORES
from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.deduplicate.config import BestBy, ExactConfig, MinHashConfig
from headrace.corpus.redact.config import RedactConfig
from headrace.corpus.rewrite.config import RewriteConfig

MEASURED = frozenset(TEXT_SCORES) - {"num_bytes"}

MEASURE_VERSION = 5
"""Raised when documents or scores come out otherwise for the same settings and files."""


class MeasureSettings(Config):
    """What a source's documents and scores depend on. Rules do not count: they are thresholds over the scores."""

    source: SourceConfig
    normalize: Literal["NFC", "NFKC", "none"]
    words: Literal["unicode", "datatrove"]
    scores: bool
    """Whether the text scores are measured, or only what every ledger needs."""
    rewrite: RewriteConfig | None
    redact: RedactConfig | None
    quarantine_limit: float

    @property
    def kernels(self) -> str:
        """Names the set of kernels that measuring with these settings uses."""
        asked = {
            self.words: self.scores,
            "language": self.source.language is None,
            "zh": self.source.language in (None, "zh"),
            "rewrite": self.rewrite is not None,
            "redact": self.redact is not None,
        }
        return "-".join(name for name, is_used in asked.items() if is_used) or "plain"

    @classmethod
    def of(cls, corpus: CorpusConfig, source: SourceConfig) -> "MeasureSettings":
        """What a corpus asks of one of its sources."""
        asked = [*(rule.rule for rule in corpus.rules_for(source)), *(corpus.mix.by for _ in (1,) if corpus.mix)]
        steps = (step for step in corpus.deduplicate if isinstance(step, ExactConfig | MinHashConfig))
        asked += [step.keep.best for step in steps if isinstance(step.keep, BestBy)]
        return cls(
            source=source.for_measuring(),
            normalize=corpus.normalize,
            words=corpus.words,
            scores=corpus.measure == "all" or not MEASURED.isdisjoint(re.findall(r"\w+", " ".join(asked))),
            rewrite=corpus.rewrite,
            redact=corpus.redact,
            quarantine_limit=corpus.quarantine_limit,
        )
