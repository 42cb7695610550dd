"""What a page is made of: sections of tables, charts, facts and quoted text. The template knows how each looks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True)
class Fact:
    """One number that matters."""

    label: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Numbers side by side."""

    kind: ClassVar[str] = "facts"
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    look: str = "number"
    """`number` (to the right, digits of one width), `text` or `code`."""
    hint: str = ""
    """What it means, shown when the pointer rests on it."""


@dataclass(frozen=True)
class Gauge:
    """A table cell with a bar behind its number."""

    text: str
    fraction: float
    """Length of the bar, 0 to 1."""


Cell = str | Gauge


@dataclass(frozen=True)
class Table:
    """Rows below columns; every row has one cell a column."""

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), f"table {self.title!r}: a row has too few cells"


@dataclass(frozen=True)
class Heat:
    """A cell of a matrix: a text on a colour."""

    text: str
    fraction: float
    """Strength of the colour, 0 to 1."""
    wanted: bool
    """Whether one would like much of it."""


@dataclass(frozen=True)
class Matrix:
    """Cells between names; every row has one cell a column."""

    kind: ClassVar[str] = "matrix"
    title: str
    corner: str
    """What rows and columns are."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Heat, ...]], ...]
    note: str = ""

    def __post_init__(self) -> None:
        assert all(len(cells) == len(self.columns) for _, cells in self.rows), (
            f"{self.title!r}: a row has too few cells"
        )


@dataclass(frozen=True)
class Chart:
    """A Plotly figure as JSON that is safe inside a script element."""

    kind: ClassVar[str] = "chart"
    title: str
    figure: Markup
    height: int
    """Pixels."""
    note: str = ""
    wide: bool = True
    """Takes the whole width; otherwise it stands beside others."""


@dataclass(frozen=True)
class Note:
    """A sentence between other things."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Quotation:
    """A document of the corpus, or a part of one."""

    place: str
    text: str
    scores: Mapping[str, str]
    remark: str = ""


@dataclass(frozen=True)
class Quotations:
    """Documents under one heading, folded away until they are wanted."""

    kind: ClassVar[str] = "quotations"
    title: str
    remark: str
    quotations: tuple[Quotation, ...]


@dataclass(frozen=True)
class Sample:
    """What a model wrote, and from what beginning."""

    kind: ClassVar[str] = "sample"
    prompt: str
    continuation: str
    settings: str


@dataclass(frozen=True)
class Listing:
    """Text in fixed width."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str


Block = Facts | Table | Matrix | Chart | Note | Quotations | Sample | Listing


@dataclass(frozen=True)
class Section:
    """A heading of the page and of its table of contents."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """Everything that is shown."""

    name: str
    status: str
    verdict: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    footer: str
