"""What the stages of a recipe are given."""

from dataclasses import dataclass, replace

from headrace.pipeline.stored_tokens import StoredTokens
from headrace.store import Artefact
from headrace.train.config import StageConfig


@dataclass(frozen=True)
class Supply:
    """Data, vocabulary and a model to go on from."""

    vocabulary: Artefact
    stored: StoredTokens | None
    """Rows of tokens."""
    examples: Artefact | None
    """Labelled ones."""
    initial: Artefact | None
    """The model of the stage before, or one that was taken in; None: fresh weights."""

    def of(self, stage: StageConfig) -> "Supply":
        """What one stage takes of it: rows or examples."""
        from_examples = stage.learns_from_examples
        return replace(
            self, stored=None if from_examples else self.stored, examples=self.examples if from_examples else None
        )

    @property
    def artefacts(self) -> dict[str, Artefact]:
        """All of it, by what it is to a stage."""
        found = {
            "tokens": self.stored.tokens if self.stored else None,
            "examples": self.examples,
            "vocabulary": self.vocabulary,
            "initial": self.initial,
        }
        return {name: artefact for name, artefact in found.items() if artefact is not None}
