"""Files of examples as examples in our own columns."""

from collections.abc import Iterator, Mapping, Sequence

from headrace.corpus.raw_file import RawFile
from headrace.errors import InputError
from headrace.examples.kinds import Kind, kind_of_columns, ways_to_write
from headrace.examples.records import Record, fault, read_records
from headrace.examples.standard import Example, standard_example


def read_examples(
    files: Sequence[RawFile], columns: Mapping[str, str], *, kind: Kind | None = None
) -> tuple[Kind, list[Example]]:
    """The kind of the examples in some files, by the columns of the first, and all of them in order.

    `columns`: our name -> the files' name. `kind`: what they must be, if that is known.
    Raises InputError, naming file and line, at the first record that is none.
    """
    examples: list[Example] = []
    for file in files:
        for number, record in read_records(file):
            fields = _renamed(record, columns)
            kind = kind or _kind_of(file, number, fields)
            try:
                examples.append(standard_example(kind, fields))
            except ValueError as error:
                raise fault(file, number, str(error)) from error
    if kind is None or not examples:
        raise InputError(f"{', '.join(file.name for file in files)}: no examples in it.")
    return kind, examples


def read_inputs(file: RawFile, columns: Mapping[str, str]) -> Iterator[tuple[int, Record]]:
    """The records of a file in our own columns, unchecked: what a finished model is asked about has no labels."""
    return ((number, _renamed(record, columns)) for number, record in read_records(file))


def _renamed(record: Record, columns: Mapping[str, str]) -> Record:
    """The record under our names; a column that is another's name for one of ours keeps no second meaning."""
    theirs = {name: ours for ours, name in columns.items()}
    kept = {name: value for name, value in record.items() if name not in theirs and name not in columns}
    return kept | {ours: record[name] for name, ours in theirs.items() if name in record}


def _kind_of(file: RawFile, number: int, fields: Record) -> Kind:
    kind = kind_of_columns([name for name, value in fields.items() if value is not None])
    if kind is None:
        raise fault(
            file,
            number,
            f"its columns are {', '.join(fields) or 'none'}, wanted those of a kind of examples: {ways_to_write()}. "
            "Say what yours are called: `columns: {text: body, label: class}`.",
        )
    return kind
