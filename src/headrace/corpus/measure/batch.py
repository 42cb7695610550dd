"""The documents of a batch and all their scores, as tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from headrace.corpus.columns import DOCUMENTS, SCORES
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.measure.language import identify_languages
from headrace.corpus.measure.normal_form import hash_contents, hash_identities, normalize_texts
from headrace.corpus.measure.scores import score_texts
from headrace.corpus.read import Batch
from headrace.corpus.redact.config import RedactConfig
from headrace.corpus.rewrite.config import RewriteConfig, Script
from headrace.corpus.tables import table_of
from headrace.corpus.texts import Texts, replace_rows

Columns = dict[str, pa.Array]

CHINESE = "zh"

USUAL_ID = r'^\{"id":(?:"(?P<text>[^"\\]*)"|(?P<number>-?[0-9]+)[,}])'
"""What metadata mostly begin with, where there is an id."""


def measure_batch(
    batch: Batch, *, settings: MeasureSettings, files: Sequence[str], quality: Path | None
) -> tuple[pa.Table, pa.Table]:
    """The documents of a batch, and their scores.

    files: where each document was read. quality: folder of the learned models, where the settings ask for their scores.
    """
    source = settings.source.name
    texts, languages, certainties, redacted = _prepare(batch.texts, settings)
    metadata = batch.metadata if settings.redact is None else _redact_metadata(batch.metadata, settings.redact)
    places = [f"{source}\0{file}\0{offset}\0" for file, offset in zip(files, batch.offsets.tolist(), strict=True)]
    columns: Columns = {
        "raw_id": _raw_ids(batch.metadata.to_arrow()),
        "id": pa.array(hash_identities(texts, places), pa.string()),
        "text": texts.to_arrow().cast(pa.string()),
        "source": pa.repeat(source, len(texts)),
        "metadata": metadata.to_arrow().cast(pa.string()),
        "file": pa.array(files, pa.string()),
        "offset": pa.array(batch.offsets),
        "size_bytes": pa.array(batch.sizes),
        "language": pa.array(languages, pa.string()),
        "language_score": pa.array(certainties),
        "content_hash": pa.array(hash_contents(texts, settings.normalize), pa.string()),
        **_scores(texts, languages, settings),
        **redacted,
        **(_learned(texts, quality) if quality else {}),
    }
    return table_of(columns, DOCUMENTS), table_of(columns, SCORES)


def prepare_texts(texts: Texts, settings: MeasureSettings) -> Texts:
    """Texts as they are published and compared: normalised, rewritten, redacted. Their languages are identified."""
    source = settings.source.model_copy(update={"language": None})
    prepared, *_ = _prepare(texts, settings.model_copy(update={"source": source}))
    return prepared


def _prepare(texts: Texts, settings: MeasureSettings) -> tuple[Texts, Sequence[str], npt.NDArray[np.float64], Columns]:
    """The texts as they will be published, their languages with certainties, and counts of what was redacted."""
    rewrite, redacted = settings.rewrite, Columns()
    texts = normalize_texts(texts, settings.normalize)
    if rewrite is not None:
        texts = _rewrite(texts, rewrite)
    languages, certainties = _languages(texts, settings)
    if rewrite is not None and rewrite.script != "keep":
        texts = _fold_script(texts, languages, rewrite.script)
    if settings.redact is not None:
        texts, redacted = _redact(texts, settings.redact)
    return texts, languages, certainties, redacted


def measure_sample(settings: MeasureSettings, *, quality: Path | None) -> None:
    """Measures two small texts, for the sake of the kernels that get compiled by it."""
    strings = ["It is one text.\nIt holds 2 lines, and (see www.example.com) some signs.", "这是一篇短文。\n它有两行。"]
    texts, places = Texts.from_strings(strings), np.arange(len(strings))
    batch = Batch(texts, Texts.from_strings(["{}"] * len(texts)), places, places, [])
    measure_batch(batch, settings=settings, files=[""] * len(texts), quality=quality)


def _rewrite(texts: Texts, config: RewriteConfig) -> Texts:
    """The texts repaired; the script of Chinese ones is seen to when the languages are known."""
    from headrace.corpus.rewrite.repair import narrow_texts, repair_texts  # loads libraries that few runs need

    if config.repair:
        texts, _ = repair_texts(texts)
    return narrow_texts(texts) if config.full_width else texts


def _fold_script(texts: Texts, languages: Sequence[str], script: Script) -> Texts:
    from headrace.corpus.rewrite.script import fold_text

    chinese = (row for row, language in enumerate(languages) if language == CHINESE)
    return replace_rows(texts, {row: fold_text(texts[row], script) for row in chinese})


def _redact(texts: Texts, config: RedactConfig) -> tuple[Texts, Columns]:
    """The texts without personal data, and how many of each kind there were."""
    from headrace.corpus.redact.redaction import redact_texts

    texts, counts = redact_texts(texts, config)
    return texts, {f"redacted_{kind}": pa.array(numbers.astype(np.int64)) for kind, numbers in counts.items()}


def _redact_metadata(metadata: Texts, config: RedactConfig) -> Texts:
    """JSON objects without personal data in their values; keys, and values that are none, stay as they are."""
    from headrace.corpus.redact.redaction import redact_text, redact_texts

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(each) for key, each in value.items()}
        if isinstance(value, list):
            return [cleaned(each) for each in value]
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        found = redact_text(str(value), config)
        return found.text if found.found else value

    _, counts = redact_texts(metadata, config)
    has_some = np.zeros(len(metadata), np.bool_)
    for numbers in counts.values():
        has_some |= numbers > 0
    rows = np.flatnonzero(has_some).tolist()
    return replace_rows(metadata, {row: orjson.dumps(cleaned(orjson.loads(metadata[row]))).decode() for row in rows})


def _raw_ids(metadata: pa.Array) -> pa.Array:
    """The `id` among each record's other fields, as text; "" if there is none."""
    usual = pc.extract_regex(metadata, USUAL_ID)
    is_other = pc.and_(pc.is_null(usual), pc.match_substring(metadata, '"id"'))
    first, second = pc.struct_field(usual, "text"), pc.struct_field(usual, "number")
    found = pc.fill_null(pc.if_else(pc.equal(first, ""), second, first), "")
    rows = np.flatnonzero(np.asarray(is_other))
    texts = replace_rows(Texts.from_arrow(found), {row: _raw_id(metadata[row].as_py()) for row in rows.tolist()})
    return texts.to_arrow().cast(pa.string())


def _raw_id(metadata: str) -> str:
    found = orjson.loads(metadata).get("id")
    return "" if found is None else found if isinstance(found, str) else orjson.dumps(found).decode()


def _languages(texts: Texts, settings: MeasureSettings) -> tuple[Sequence[str], npt.NDArray[np.float64]]:
    if declared := settings.source.language:
        return [declared] * len(texts), np.ones(len(texts))
    return identify_languages(texts)


def _scores(texts: Texts, languages: Sequence[str], settings: MeasureSettings) -> Columns:
    if not settings.scores:
        return {"num_bytes": pa.array(texts.sizes)}
    return {name: pa.array(values) for name, values in score_texts(texts, languages, words=settings.words).items()}


def _learned(texts: Texts, folder: Path) -> Columns:
    from headrace.corpus.measure.learned import score_learned

    return score_learned(texts, folder)
