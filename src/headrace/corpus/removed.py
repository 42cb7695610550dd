"""What was cut out of a kept document: where, by what, and where a copy of it stays.

Nothing of this is stored. A text that stays is the measured one without some ranges, so the two say which; rules on
lines are asked again, and copies are looked for in the curated text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
import pyarrow.compute as pc

from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.decide.copy import SPLITS, line_cutters
from headrace.corpus.deduplicate.config import LineConfig
from headrace.corpus.deduplicate.text_config import SubstringsConfig
from headrace.corpus.tables import read_texts, stored
from headrace.corpus.texts import Texts
from headrace.store import Artefact

LONGEST_MATCH = 32
"""Characters that are looked for at once behind a cut; less where another cut follows sooner."""
MOST_CUTS = 20
EXCERPT_CHARACTERS = 100
SEARCHED_BYTES = 256_000_000
"""Curated shards up to this size are looked through for copies: some seconds."""
LEAST_CHARACTERS = 20
"""Of a line that is looked for: shorter ones are found anywhere."""


@dataclass(frozen=True)
class Removed:
    """A range that was cut."""

    begin: int
    """First byte in the document's text as it was measured (the raw file's bytes may be others)."""
    end: int
    cause: str
    """The rule on lines that cut it; else the steps that may have."""
    excerpt: str
    copy_in: str
    """Id of a kept document in which the longest line of it stays, letter by letter; "" if none was found."""


def find_removed(curated: Artefact, *, document: str, source: str, text: str, is_contaminated: bool) -> list[Removed]:
    """What was cut out of a kept document, the first ranges of it; white space that went with it is not told of.

    text: as it was measured. Copies that differ in case, punctuation or white space are not found, and none at all in
    a large corpus.
    """
    shards = [path for split in SPLITS for path in curated.files(f"{split}-*.parquet")]
    kept = next((found[document] for path in shards if document in (found := read_texts(path, {document}))), None)
    if kept is None or kept == text:
        return []
    ranges = [(begin, end) for begin, end in align(text, kept) if not text[begin:end].isspace()][:MOST_CUTS]
    pieces = [text[begin:end] for begin, end in ranges]
    copies = _find_copies([max(piece.splitlines(), key=len).strip() for piece in pieces], curated)
    causes = _causes(curated, source, text, ranges, is_contaminated=is_contaminated)
    places = ((len(text[:begin].encode()), len(text[:end].encode())) for begin, end in ranges)
    return [
        Removed(*place, cause, " ".join(piece.split())[:EXCERPT_CHARACTERS], copy)
        for place, piece, cause, copy in zip(places, pieces, causes, copies, strict=True)
    ]


def align(text: str, kept: str) -> list[tuple[int, int]]:
    """Ranges of `text` without which it is `kept`; empty if none are found.

    Of ranges that are as good the one at the beginning of a line. Takes linear time on all but odd texts.
    """
    ranges: list[tuple[int, int]] = []
    for begin, end in _cut_places(text, kept):
        ranges.append(_at_line(text, begin, end, floor=ranges[-1][1] if ranges else 0))
    left, place = "", 0
    for first, last in ranges:
        left, place = left + text[place:first], last
    return ranges if left + text[place:] == kept else []


def _cut_places(text: str, kept: str) -> Iterator[tuple[int, int]]:
    """The ranges from the first character on that differs to where the rest goes on."""
    place = done = 0
    while True:
        same = _num_same(text, place, kept, done)
        place, done = place + same, done + same
        if done == len(kept):
            if place < len(text):
                yield place, len(text)
            return
        size = min(LONGEST_MATCH, len(kept) - done)
        while size and (found := text.find(kept[done : done + size], place)) < 0:
            size //= 2
        if not size:
            return
        yield place, found
        place = found


def _num_same(text: str, place: int, kept: str, done: int) -> int:
    """How many characters from two places on are equal."""
    step, same = 1 << 16, 0
    while step:
        while text[place + same : place + same + step] == kept[done + same : done + same + step] and (
            done + same + step <= len(kept) and place + same + step <= len(text)
        ):
            same += step
        step //= 2
    return same


def _at_line(text: str, begin: int, end: int, *, floor: int) -> tuple[int, int]:
    """The same cut moved to where a line begins, if what is left is the same then."""
    first, last = begin, end
    while first > floor and text[first - 1] == text[last - 1]:
        if text[first - 1] == "\n":
            return first, last
        first, last = first - 1, last - 1
    return (first, last) if first == 0 else (begin, end)


def _find_copies(lines: Sequence[str], curated: Artefact) -> list[str]:
    """Per line the id of the first kept document that has it; "" where there is none, or it is too short to tell."""
    shards = [path for split in SPLITS for path in curated.files(f"{split}-*.parquet")]
    found = dict.fromkeys((line for line in lines if len(line) >= LEAST_CHARACTERS), "")
    if sum(path.stat().st_size for path in shards) > SEARCHED_BYTES:
        found = {}
    for path in shards:
        with stored(path) as parquet:
            for group in range(parquet.num_row_groups if "" in found.values() else 0):
                table = parquet.read_row_group(group, ["id", "text"], use_threads=False)
                for line in [line for line, document in found.items() if not document]:
                    row = pc.index(pc.match_substring(table["text"], line), True).as_py()
                    if row >= 0:
                        found[line] = table["id"][row].as_py()
    return [found.get(line, "") for line in lines]


def _causes(
    curated: Artefact, source: str, text: str, ranges: Sequence[tuple[int, int]], *, is_contaminated: bool
) -> list[str]:
    """Per range the rule on lines that cuts it, else the steps of the recipe that may have."""
    config = CorpusConfig.model_validate_json(_recipe_of(curated))
    rules = config.line_rules_for(_source_of(config, source))
    steps = [step.method for step in config.deduplicate if isinstance(step, LineConfig | SubstringsConfig)]
    others = " or ".join([*steps, *(["decontaminate"] if is_contaminated else [])])
    by_rule = [
        (rule, cutter(Texts.from_strings([text]))) for rule, cutter in zip(rules, line_cutters(rules), strict=True)
    ]
    places = [(len(text[:begin].encode()), len(text[:end].encode())) for begin, end in ranges]
    return [
        next((rule for rule, cuts in by_rule if ((cuts.begins < end) & (cuts.ends > begin)).any()), others)
        for begin, end in places
    ]


def _recipe_of(curated: Artefact) -> bytes:
    return orjson.dumps(curated.manifest.config["corpus"])


def _source_of(config: CorpusConfig, name: str) -> SourceConfig:
    return next(source for source in config.sources if source.name == name)
