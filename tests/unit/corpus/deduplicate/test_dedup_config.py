"""What may be written under `deduplicate`, and what it comes to."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from headrace.corpus.deduplicate.config import BestBy, DeduplicateSteps, ExactConfig, LineConfig, MinHashConfig

STEPS: TypeAdapter[Any] = TypeAdapter(DeduplicateSteps)


@pytest.mark.parametrize(
    ("written", "steps"),
    [
        (None, ()),
        ("none", ()),
        ("exact", (ExactConfig(),)),
        ("minhash", (MinHashConfig(),)),
        ({"method": "minhash", "keep": {"best": "num_words"}}, (MinHashConfig(keep=BestBy(best="num_words")),)),
        (["exact", "lines"], (ExactConfig(), LineConfig(method="lines"))),
        (
            [{"method": "minhash", "confirm": 0.8}, {"method": "paragraphs", "keep_first": 2}],
            (MinHashConfig(confirm=0.8), LineConfig(method="paragraphs", keep_first=2)),
        ),
    ],
)
def test_steps_may_be_written_short(written: Any, steps: tuple[Any, ...]) -> None:
    assert STEPS.validate_python(written) == steps


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("fuzzy", "minhash"),
        ({"method": "minhash", "band": 3}, "band"),
        ({"method": "minhash", "confirm": 1.5}, "less than or equal to 1"),
        ({"method": "lines", "keep_first": 0}, "seen_more_than"),
        ({"method": "lines", "keep_first": 3, "seen_more_than": 2}, "at least keep_first"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(written: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        STEPS.validate_python(written)
