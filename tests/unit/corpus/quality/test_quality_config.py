"""What a user may write under `quality`, and what is refused."""

import pytest
from pydantic import ValidationError

from headrace.corpus.quality.config import QualityConfig


def test_shares_and_single_paths_are_understood() -> None:
    written = {
        "classifier": {"good": "books/*.txt", "bad": ["spam/", "ads.jsonl"], "keep": "30%", "keep_by": "bytes"},
        "perplexity": {"reference": ["books/*.txt"], "order": 4},
    }
    config = QualityConfig.model_validate(written)

    assert config.classifier is not None
    assert (config.classifier.good, config.classifier.keep) == (("books/*.txt",), 0.3)
    assert config.perplexity is not None
    assert config.perplexity.order == 4


@pytest.mark.parametrize(
    "written",
    [
        {"classifier": {"good": "a"}},
        {"classifier": {"good": "a", "bad": []}},
        {"classifier": {"good": "a", "bad": "b", "keep": "0%"}},
        {"classifier": {"good": "a", "bad": "b", "keep": "130%"}},
        {"classifier": {"good": "a", "bad": "b", "held_out": 0}},
        {"perplexity": {"reference": "a", "order": 1}},
        {"perplexity": {"reference": "a", "smoothing": "none"}},
    ],
)
def test_what_cannot_be_meant_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QualityConfig.model_validate(written)
