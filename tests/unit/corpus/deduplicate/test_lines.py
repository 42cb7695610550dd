"""Which lines and paragraphs are cut: those a plain count says, whatever the limit and the units."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_shingles import is_unspaced, words_of

from headrace.corpus.cuts import remove
from headrace.corpus.deduplicate.config import LineConfig
from headrace.corpus.deduplicate.lines import line_cuts, line_hashes
from headrace.corpus.deduplicate.occurrences import find_repeated, write_line_hashes
from headrace.corpus.texts import Texts

LINES = st.sampled_from(
    ["", " ", "All rights reserved.", "all RIGHTS: reserved", "No. 1,5", "no 27", "no ٢٧", "}", "水水", "x y z"]
)
TEXTS = st.lists(LINES, max_size=8).map("\n".join)
SETTINGS = st.builds(
    LineConfig,
    method=st.just("lines"),
    keep_first=st.integers(1, 2),
    seen_more_than=st.none() | st.integers(2, 4),
    min_characters=st.integers(1, 12),
    fold_numbers=st.booleans(),
)


def weight(words: list[str]) -> int:
    return sum(3 if is_unspaced(character) else 1 for word in words for character in word)


def plain_lines(texts: list[str], config: LineConfig, takes_part: list[bool]) -> list[str]:
    """The texts without what goes, line after line."""
    split = [[line + "\n" for line in text.split("\n")] for text in texts]
    for lines, text in zip(split, texts, strict=True):
        lines[-1] = text.split("\n")[-1]
    tallies: Counter[str] = Counter()
    totals = Counter(
        " ".join(words_of(line, "auto", fold_numbers=config.fold_numbers))
        for lines, takes in zip(split, takes_part, strict=True)
        if takes
        for line in lines
    )
    limit = config.keep_first if config.seen_more_than is None else config.seen_more_than
    kept = []
    for lines, takes in zip(split, takes_part, strict=True):
        stays = []
        for line in lines:
            words = words_of(line, "auto", fold_numbers=config.fold_numbers)
            key = " ".join(words)
            is_late = tallies[key] >= config.keep_first and totals[key] > limit
            tallies[key] += takes
            if not (takes and is_late and weight(words) >= config.min_characters):
                stays.append(line)
        kept.append("".join(stays))
    return kept


def without_lines(
    texts: list[str], config: LineConfig, *, units: int = 1, takes_part: list[bool] | None = None, limit: int = 1 << 30
) -> list[str]:
    parts = [part.tolist() for part in np.array_split(np.arange(len(texts)), units)]
    batches = [Texts.from_strings([texts[row] for row in part]) for part in parts]
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / f"lines-{unit}.npy" for unit in range(units)]
        for path, batch, part in zip(paths, batches, parts, strict=True):
            mask = None if takes_part is None else np.array([takes_part[row] for row in part], np.bool_)
            write_line_hashes(path, line_hashes(batch, config), mask)
        repeated = find_repeated(paths, config, folder=folder / "scratch", memory_limit_bytes=limit)
        kept = [remove(batch, line_cuts(batch, config, repeated.of_unit(unit))) for unit, batch in enumerate(batches)]
    return [text for batch in kept for text in batch]


@given(texts=st.lists(TEXTS, min_size=1, max_size=6), config=SETTINGS, units=st.integers(1, 3), data=st.data())
@settings(max_examples=80)
def test_lines_that_go_are_those_of_a_plain_count(
    texts: list[str], config: LineConfig, units: int, data: st.DataObject
) -> None:
    takes_part = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))

    assert without_lines(texts, config, units=units, takes_part=takes_part) == plain_lines(texts, config, takes_part)


@pytest.mark.parametrize("limit", [1, 200_000])
def test_the_limit_and_the_units_change_nothing(limit: int) -> None:
    random = np.random.default_rng(2)
    texts = [
        "\n".join(f"line number {'abcdefgh'[i % 8]}{chr(97 + i // 8)} here" for i in row)
        for row in random.zipf(1.5, (300, 12)) % 200
    ]
    config = LineConfig(method="lines", keep_first=2, min_characters=10)

    plain = without_lines(texts, config)

    assert without_lines(texts, config, units=7, limit=limit) == plain
    assert plain != texts


def test_lines_seen_too_often_go_altogether() -> None:
    footer = "Copyright by somebody, all rights reserved"
    texts = [f"document {'abcdefg'[i]}\n{footer}" for i in range(7)]
    config = LineConfig(method="lines", keep_first=0, seen_more_than=6)

    assert without_lines(texts, config) == [f"document {'abcdefg'[i]}\n" for i in range(7)]
    assert without_lines(texts[:6], config) == texts[:6]


def test_paragraphs_are_cut_with_the_blank_lines_after_them() -> None:
    boilerplate = "This page was written by volunteers\nwho are not responsible for it."
    wrapped = "This page was written by volunteers who\nare not responsible for it."
    texts = [f"One.\n\n{boilerplate}\n\nTwo.", f"{wrapped}\n \n\nThree.\n", f"Four.\n\n{boilerplate}"]
    config = LineConfig(method="paragraphs")

    assert without_lines(texts, config) == [texts[0], "Three.\n", "Four.\n\n"]


def test_short_lines_stay_and_han_characters_count_more() -> None:
    texts = ["}\nSee also\n版权所有未经许可不得转载使用", "}\nSee also\n版权所有未经许可不得转载使用"]

    assert without_lines(texts, LineConfig(method="lines")) == [texts[0], "}\nSee also\n"]
