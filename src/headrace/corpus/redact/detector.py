"""How one written form of a kind is told: a pattern for its shape, and a judge for what no pattern can say."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headrace.corpus.redact.config import Kind, RedactConfig

Span = tuple[int, int]
Judge = Callable[[re.Match[str], RedactConfig], Span | None]

# \b is no boundary between a Chinese character and a digit: both are \w. A value beside a hyphen, underscore or decimal
# point that leads on to more letters or digits is a part of something longer: a UUID, a part number, a decimal number.
LEFT = r"(?<![0-9A-Za-z])(?<![0-9][-_.])(?<![A-Za-z][-_])"
RIGHT = r"(?![0-9A-Za-z]|[-_][0-9A-Za-z]|\.[0-9])"

_CONTEXT = 40
_BETWEEN = r"(?:[\s:#.,()'\"=*/|\[\]-]|号码|号|碼|码|为|為|是|is|was|no|numbers?|num|code|id|at|on|me|us|my){0,8}\Z"


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds one kind in the plain view of a text."""

    kind: Kind
    trigger: int
    """The bit of `candidates` that says where it is worth looking."""
    pattern: re.Pattern[str]
    judge: Judge
    hint: re.Pattern[str] | None = None
    """What every text with a match has in it, if that is much quicker to look for."""

    def finds(self, view: str, config: RedactConfig) -> Iterator[Span]:
        """Spans from left to right. After a match that is none, the search goes on one character further."""
        match = self.pattern.search(view) if self.hint is None or self.hint.search(view) else None
        while match:
            span = self.judge(match, config)
            if span:
                yield span
            match = self.pattern.search(view, span[1] if span else match.start() + 1)


def labels(*words: str) -> re.Pattern[str]:
    """A pattern that ends where a value begins and follows one of these words, perhaps with ": no. is" between."""
    return re.compile(rf"(?:{'|'.join(words)}){_BETWEEN}", re.IGNORECASE)


def follows(match: re.Match[str], label: re.Pattern[str]) -> bool:
    """Whether such a label stands directly before the match."""
    return label.search(match.string, max(0, match.start() - _CONTEXT), match.start()) is not None


def compact(value: str) -> str:
    """The value's letters and digits without what separates them."""
    return "".join(filter(str.isalnum, value))


def whole(match: re.Match[str], _: RedactConfig) -> Span:
    """The judge of patterns that need none: every match counts, all of it or its group `value`."""
    return match.span("value" if "value" in match.re.groupindex else 0)


OTHER_NUMBER = labels(
    r"(?<![a-z])(?:orders?|invoice|serial|sku|part|model|isbn|issn|ean|upc|doi|tracking|shipment|ticket|case|build|batch|lot|"
    r"ref(?:erence)?|transaction|revision|commit|item|product|article|patent|bug|issue|job|pid|size|offset|row|line)",
    "订单|訂單|单号|編號|编号|流水|序列|型号|料号|货号|批号|工单|运单|快递|票号|期号|档案|条码|学号|工号|专利|发票|号楼",
)
"""What stands before a number that is none of the kinds."""
