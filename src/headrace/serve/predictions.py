"""What a model makes of records from files: one record of answers for each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from headrace.errors import InputError
from headrace.examples.spans import entity_spans
from headrace.objectives.config import ClassifyConfig, InstructConfig, SeqToSeqConfig, TagConfig
from headrace.serve.predictor import Predictor
from headrace.serve.writing import WritingConfig

Record = Mapping[str, Any]
RECORDS_AT_ONCE = 512
THRESHOLD = 0.5  # from which on one of several labels is given


def predict(predictor: Predictor, records: Iterable[Record], *, config: WritingConfig) -> Iterator[dict[str, Any]]:
    """Each record with its answer beside its own columns, in order: `label` and `probability`, `labels`, `tags` and
    `entities`, `target`, or `answer`; called `predicted_...` where the record has such a column. Records may have more
    columns than the model looks at.

    Raises InputError, with the number of the record, for one that lacks what the model reads.
    """
    number, left = 0, iter(records)
    while part := list(islice(left, RECORDS_AT_ONCE)):
        answers = _predict_part(predictor, part, config=config, before=number)
        yield from (_beside(record, answer) for record, answer in zip(part, answers, strict=True))
        number += len(part)


def _beside(record: Record, answer: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its answer; what both have a column for is not overwritten: the answer's is `predicted_...`."""
    same = {name for name in answer if name in record and answer[name] is not record[name]}
    return {**record, **{f"predicted_{name}" if name in same else name: value for name, value in answer.items()}}


def input_column(predictor: Predictor) -> str:
    """The column that a plain line of text stands for."""
    names = {ClassifyConfig: "text", TagConfig: "tokens", SeqToSeqConfig: "source", InstructConfig: "prompt"}
    kind = type(predictor.objective)
    if kind not in names:
        raise InputError(f"a model of {predictor.objective.name} answers through `headrace chat` and `generate`.")
    return names[kind]


def _predict_part(
    predictor: Predictor, records: Sequence[Record], *, config: WritingConfig, before: int
) -> Iterator[dict[str, Any]]:
    objective = predictor.objective
    if isinstance(objective, ClassifyConfig):
        return _classes(predictor, records, before=before)
    if isinstance(objective, TagConfig):
        return _tags(predictor, records, before=before)
    if isinstance(objective, SeqToSeqConfig):
        table = pa.table({"source": _column(records, "source", str, before)})
        return ({"target": text} for text in predictor.write(table, config))
    input_column(predictor)
    conversations = [_conversation(record, before + place) for place, record in enumerate(records, 1)]
    return ({"answer": text} for text in predictor.answer(conversations, max_tokens=config.max_tokens))


def _classes(predictor: Predictor, records: Sequence[Record], *, before: int) -> Iterator[dict[str, Any]]:
    columns: dict[str, Any] = {"text": pa.array(_column(records, "text", str, before), pa.large_string())}
    if any(record.get("text_pair") is not None for record in records):
        columns["text_pair"] = pa.array([record.get("text_pair") for record in records], pa.large_string())
    for shares in predictor.class_probabilities(predictor.encode(pa.table(columns))):
        named = {label: round(float(share), 6) for label, share in zip(predictor.labels, shares, strict=True)}
        if predictor.is_multi_label:
            yield {"labels": [label for label, share in named.items() if share >= THRESHOLD], "probabilities": named}
        else:
            label = max(named, key=lambda name: named[name])
            yield {"label": label, "probability": named[label], "probabilities": named}


def _tags(predictor: Predictor, records: Sequence[Record], *, before: int) -> Iterator[dict[str, Any]]:
    sentences = [_words(record, before + place) for place, record in enumerate(records, 1)]
    encoded = predictor.encode(pa.table({"tokens": pa.array(sentences, pa.list_(pa.string()))}))
    for words, tags in zip(sentences, predictor.tags(encoded, list(map(len, sentences))), strict=True):
        entities = [
            {"type": kind, "text": " ".join(words[start:end]), "start": start, "end": end}
            for kind, start, end in entity_spans(tags)
        ]
        yield {"tokens": words, "tags": tags, "entities": entities}


def _words(record: Record, number: int) -> list[str]:
    """The words of a record; a text is cut at spaces."""
    words = record.get("tokens", record.get("text"))
    words = words.split() if isinstance(words, str) else words
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise InputError(f"record {number:,}: wanted `tokens`, a list of words, or `text`; it has {_names(record)}.")
    return words


def _conversation(record: Record, number: int) -> list[dict[str, Any]]:
    if isinstance(prompt := record.get("prompt", record.get("text")), str):
        return [{"role": "user", "content": prompt}]
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InputError(f"record {number:,}: wanted `prompt` or `messages`; it has {_names(record)}.")
    return messages[:-1] if messages[-1].get("role") == "assistant" and len(messages) > 1 else messages


def _column(records: Sequence[Record], name: str, kind: type, before: int) -> list[Any]:
    found = [record.get(name) for record in records]
    for number, (record, value) in enumerate(zip(records, found, strict=True), before + 1):
        if not isinstance(value, kind):
            raise InputError(f"record {number:,}: wanted `{name}`; it has {_names(record)}.")
    return found


def _names(record: Record) -> str:
    return ", ".join(record) or "nothing"
