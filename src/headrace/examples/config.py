"""What a user writes under `examples`."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from headrace.config import Config
from headrace.corpus.settings import Paths, as_list, parse_share
from headrace.examples.kinds import COLUMNS

TEXTS = "texts"
"""The folder, of examples in the store, with the texts of the training ones."""


def _as_split(value: object) -> object:
    """A number or "10%" is a share, any other text a path."""
    share = parse_share(value)
    if isinstance(share, int | float) and not isinstance(share, bool):
        if not 0 <= share < 1:
            raise ValueError(f'got {value!r}, wanted a share below 1, such as "10%" or 0.1, or the path of a file')
        return float(share)
    return as_list(share)


Split = Annotated[
    float | Annotated[tuple[str, ...], Field(strict=False, min_length=1)],
    BeforeValidator(_as_split, json_schema_input_type=float | str | tuple[str, ...]),
]
"""A share of the training examples, or files of its own."""


class ExamplesConfig(Config):
    """Where labelled examples lie, and which of them are kept apart."""

    train: Paths
    """Files, folders or globs (`**` included), relative to the recipe's folder: `.jsonl`, `.json`, `.csv`, `.tsv`,
    `.parquet`, or columns of words and tags (`.conll`, `.txt`)."""

    validation: Split = 0.1
    """Share of the training examples that is measured while training goes on ("10%" or 0.1), or files of its own."""

    test: Split | None = None
    """Share of the training examples that only the finished model is measured on, or files of its own. Left out:
    none."""

    columns: dict[str, str] = Field(default_factory=dict)
    """What the files call a column, where it has another name there: `{text: body, label: class}`."""

    @field_validator("columns")
    @classmethod
    def _are_ours(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := [name for name in value if name not in COLUMNS]:
            raise ValueError(
                f"no column is called {', '.join(unknown)}; ours are {', '.join(COLUMNS)}. Write our name first, then "
                "the file's: `{text: body}`"
            )
        return value

    @model_validator(mode="after")
    def _leaves_some_to_learn_from(self) -> Self:
        shares = sum(share for share in (self.validation, self.test) if isinstance(share, float))
        if shares >= 1:
            raise ValueError("`validation` and `test` together take every example; leave some to train on")
        return self

    @property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """The paths of each split that has files of its own."""
        given = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: paths for split, paths in given.items() if isinstance(paths, tuple)}

    @property
    def shares(self) -> dict[str, float]:
        """The share of the training examples that each other split takes, where it takes one."""
        given = {"test": self.test, "validation": self.validation}
        return {split: share for split, share in given.items() if isinstance(share, float) and share > 0}
