"""NeMo Curator's text filters: `python nemo_curator_jobs.py filters INPUT OUTPUT`. Kept: OUTPUT/kept/*.parquet.

Its own reader, filters and writer, called one after the other in this process: the Ray cluster, on which it would run
them, is left out in its favour. Of C4 and FineWeb it has the rule on ends of sentences and on boilerplate.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

import sys
from pathlib import Path

from nemo_curator.stages.text.filters import ScoreFilter
from nemo_curator.stages.text.filters.heuristic import (
    BoilerPlateStringFilter,
    BulletsFilter,
    CommonEnglishWordsFilter,
    EllipsisFilter,
    LongWordFilter,
    MeanWordLengthFilter,
    PunctuationFilter,
    SymbolsToWordsFilter,
    WordCountFilter,
    WordsWithoutAlphabetsFilter,
)
from nemo_curator.stages.text.filters.heuristic.repetition import (
    RepeatedLinesByCharFilter,
    RepeatedLinesFilter,
    RepeatedParagraphsByCharFilter,
    RepeatedParagraphsFilter,
    RepeatingDuplicateNGramsFilter,
    RepeatingTopNGramsFilter,
)
from nemo_curator.stages.text.io.reader.jsonl import JsonlReaderStage
from nemo_curator.stages.text.io.writer import ParquetWriter
from nemo_curator.tasks import FileGroupTask

FILTERS = [
    RepeatedLinesFilter(),
    RepeatedParagraphsFilter(),
    RepeatedLinesByCharFilter(),
    RepeatedParagraphsByCharFilter(),
    *(RepeatingTopNGramsFilter(n=n, max_repeating_ngram_ratio=share) for n, share in ((2, 0.2), (3, 0.18), (4, 0.16))),
    *(RepeatingDuplicateNGramsFilter(n=n, max_repeating_duplicate_ngram_ratio=0.2 - n / 100) for n in range(5, 11)),
    WordCountFilter(),
    MeanWordLengthFilter(),
    SymbolsToWordsFilter(),
    BulletsFilter(),
    EllipsisFilter(),
    WordsWithoutAlphabetsFilter(),
    CommonEnglishWordsFilter(),
    LongWordFilter(),
    BoilerPlateStringFilter(),
    PunctuationFilter(),
]


def main() -> None:
    """Reads one file, filters and writes."""
    source, output = sys.argv[2], Path(sys.argv[3])
    batch = JsonlReaderStage(fields=["id", "text"]).process(FileGroupTask(dataset_name="bench", data=[source]))
    for rule in FILTERS:
        batch = ScoreFilter(filter_obj=rule, text_field="text").process(batch)
    (output / "kept").mkdir()
    ParquetWriter(path=str(output / "kept")).process(batch)


if __name__ == "__main__":
    main()
