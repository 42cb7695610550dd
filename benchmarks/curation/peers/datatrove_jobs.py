"""datatrove's pipelines: `python datatrove_jobs.py JOB INPUT OUTPUT`. The kept documents end below OUTPUT/kept."""

# mypy: disable-error-code="import-not-found, import-untyped"

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig

CHINESE = "cmn_Hani"
CHINESE_STOP_WORDS = list("的年在月是和日了於·為有被人中为他與後也而由")


def read(source: Path) -> JsonlReader:
    """Documents of one compressed file."""
    return JsonlReader(str(source.parent), glob_pattern=source.name, doc_progress=False, file_progress=False)


def run(steps: list[object], logs: Path) -> None:
    """One task in this process."""
    LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=str(logs)).run()


def filters(source: Path, output: Path) -> None:
    """FineWeb's order: Gopher repetition and quality, C4 without its rule on ends of lines, FineWeb's own."""
    rules = [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]
    run([read(source), *rules, JsonlWriter(str(output / "kept"))], output / "logs")


def chinese(source: Path, output: Path) -> None:
    """FineWeb2's rules and thresholds for Mandarin."""
    rules = [
        GopherRepetitionFilter(
            language=CHINESE, dup_line_frac=0.287, dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0,
            top_n_grams=((2, 0.256), (3, 0.201), (4, 0.171)),
            dup_n_grams=((5, 0.198), (6, 0.182), (7, 0.167), (8, 0.154), (9, 0.140), (10, 0.127)),
        ),
        FineWebQualityFilter(
            language=CHINESE, line_punct_thr=0.106, new_line_ratio=0.178, short_line_thr=999, char_duplicates_ratio=0.1
        ),
        GopherQualityFilter(
            language=CHINESE, min_avg_word_length=1, max_avg_word_length=5, max_non_alpha_words_ratio=0.735,
            stop_words=CHINESE_STOP_WORDS,
        ),
    ]  # fmt: skip
    run([read(source), *rules, JsonlWriter(str(output / "kept"))], output / "logs")


def minhash(source: Path, output: Path) -> None:
    """The four stages, 14 buckets of 8 hashes over 5-grams of words."""
    config = MinhashConfig(hash_config=HashConfig(precision=64), n_grams=5, num_buckets=14, hashes_per_bucket=8)
    signatures, buckets, remove = (str(output / name) for name in ("signatures", "buckets", "remove"))
    run([read(source), MinhashDedupSignature(signatures, config)], output / "logs1")
    # One task a bucket is how it is meant; the tasks run one after the other.
    LocalPipelineExecutor(
        [MinhashDedupBuckets(signatures, buckets, config=config)],
        tasks=config.num_buckets, workers=1, logging_dir=str(output / "logs2"),
    ).run()  # fmt: skip
    run([MinhashDedupCluster(buckets, remove, config=config)], output / "logs3")
    run([read(source), MinhashDedupFilter(remove), JsonlWriter(str(output / "kept"))], output / "logs4")


JOBS = {"filters": filters, "chinese": chinese, "minhash": minhash}

if __name__ == "__main__":
    job, source, output = sys.argv[1:]
    JOBS[job](Path(source), Path(output))
