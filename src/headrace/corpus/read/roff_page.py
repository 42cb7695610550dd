"""The text of a manual page while it is put together."""

import re

HAN = re.compile("[\u3000-\u9fff\uff00-\uffef]")
BLANKS = re.compile(r"[ \t]+")


class RoffPage:
    """Paragraphs in order. A paragraph is filled into one line, unless it is literal."""

    def __init__(self) -> None:
        self.title = self.section = ""
        self.strings = {"R": "®", "Tm": "™", "lq": "“", "rq": "”", "S": "", "HF": ""}
        self.last_condition = True
        self.mdoc_name = ""
        self._lines: list[str] = []
        self._filled: list[str] = []
        self._is_literal = self._is_tag = False
        self._table_rows: int | None = None
        self._link = ""
        self._shown_blocks: list[bool] = []

    def text(self) -> str:
        """The page; one empty line between paragraphs."""
        self.end_line()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip()

    def add_text(self, text: str, *, is_tag: bool = False) -> None:
        """A line of text; an empty one ends the paragraph."""
        if self._table_rows is not None:
            self._add_row(text)
        elif self._is_literal:
            self._lines.append(text.rstrip())
        elif not text.strip():
            if not is_tag:
                self.end_paragraph()
        else:
            if text.startswith(" "):
                self.end_line()
            self._filled.append(text.strip())
            if self._is_tag:
                self.end_line()

    def end_line(self) -> None:
        """What was filled so far becomes a line."""
        if self._filled:
            self._lines.append(_joined(self._filled))
            self._filled = []
        self._is_tag = False

    def end_paragraph(self) -> None:
        """An empty line."""
        self.end_line()
        self._lines.append("")

    def add_heading(self, text: str) -> None:
        """A heading; without words, the next line is it."""
        self.set_literal(False)
        self.begin_entry(text or None)

    def begin_entry(self, tag: str | None) -> None:
        """An entry of a list. Its tag stands on a line of its own: given, or (None) the next line of text."""
        self.end_paragraph()
        if tag:
            self._lines.append(BLANKS.sub(" ", tag).strip())
        self._is_tag = tag is None

    def set_literal(self, is_literal: bool) -> None:
        """Whether lines stay as they are."""
        self.end_line()
        if is_literal != self._is_literal:
            self._lines.append("")
        self._is_literal = is_literal

    @property
    def is_hidden(self) -> bool:
        """Whether what comes now hangs on a condition that does not hold."""
        return not all(self._shown_blocks)

    def open_blocks(self, are_shown: list[bool]) -> None:
        """Blocks of lines that hang on conditions."""
        self._shown_blocks += are_shown

    def close_blocks(self, number: int) -> None:
        """The ends of the innermost blocks."""
        del self._shown_blocks[max(0, len(self._shown_blocks) - number) :]

    def begin_table(self) -> None:
        """Rows of tbl(1) follow, below the lines that say how they look."""
        self.end_paragraph()
        self._table_rows = -1

    def end_table(self) -> None:
        """The end of the table."""
        self._table_rows = None
        self.end_paragraph()

    def open_link(self, words: list[str]) -> None:
        """A link follows; its address is given before its text."""
        self._link = words[0] if words else ""

    def close_link(self, words: list[str]) -> None:
        """The end of a link's text; what follows without a space is given."""
        self.add_text(f"<{self._link}>{''.join(words)}" if self._link else "".join(words))

    def _add_row(self, text: str) -> None:
        if self._table_rows == -1:
            if text.rstrip().endswith("."):
                self._table_rows = 0
        elif text in ("T{", "T}", "_", "="):
            return
        elif text.strip():
            cells = (cell.strip().removeprefix("T{").removeprefix("T}").strip() for cell in text.split("\t"))
            self._lines.append("  ".join(cell for cell in cells if cell))


def _joined(texts: list[str]) -> str:
    """Lines as one: with a space between, but not between Chinese characters."""
    line = texts[0]
    for text in texts[1:]:
        is_unspaced = bool(line and text and HAN.match(line[-1]) and HAN.match(text[0]))
        line += text if is_unspaced else f" {text}"
    return BLANKS.sub(" ", line)
