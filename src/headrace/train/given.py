"""What a stage is given."""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from headrace.models.foreign import AnyModelConfig, ForeignConfig
from headrace.models.foreign.folder import foreign_facts
from headrace.models.hugging_face import load_facts
from headrace.models.opened import chat_template_of
from headrace.objectives.encoding import ModelVocabulary
from headrace.store import Artefact, Workspace
from headrace.tokens import TokenStore
from headrace.tokens.formats import read_vocabulary
from headrace.tokens.remote.source import RemoteSource
from headrace.train.config import StageConfig

NUMERICS = "numerics.json"


def vocabulary_used(tokenizer: Tokenizer, folder: Path, *, end_token: int, start_token: int) -> ModelVocabulary:
    """A vocabulary as the model in a folder uses it."""
    begin = tuple(tokenizer.encode("", add_special_tokens=True).ids)
    return ModelVocabulary(tokenizer, end_token, begin, start_token, chat_template_of(folder))


@dataclass(frozen=True)
class Stage:
    """What determines a stage, and where it works."""

    config: StageConfig
    model: AnyModelConfig
    seed: int
    tokens: Artefact | None
    """Rows, for an objective on rows."""
    vocabulary: Artefact
    initial: Artefact | None
    """A model to go on from; None begins with fresh weights."""
    workspace: Workspace
    num_threads: int
    """Threads of each process."""
    remote: RemoteSource | None = None
    """Where ids are fetched from, if they are not in `tokens`."""
    examples: Artefact | None = None
    """Labelled examples, for an objective on examples."""

    @property
    def vocabulary_size(self) -> int:
        return int(self.vocabulary.summary["tokens"])

    def split(self, name: str) -> TokenStore:
        """The documents to learn from, or those held out."""
        assert self.tokens is not None, "an objective on rows has rows"
        return TokenStore(self.tokens, name, remote=self.remote)

    @property
    def model_vocabulary(self) -> ModelVocabulary:
        """The vocabulary as the stage's model uses it."""
        tokenizer, end = read_vocabulary(self.tokenizer_path), self.end_token
        if self.initial is None:
            return ModelVocabulary(tokenizer, end, (end,), end)
        return vocabulary_used(tokenizer, self.initial.path, end_token=end, start_token=self.start_token)

    @property
    def start_token(self) -> int:
        """What an encoder-decoder begins to write with."""
        if self.initial is None:
            return self.end_token
        path = self.initial.path
        facts = foreign_facts(path) if isinstance(self.model, ForeignConfig) else load_facts(path)[1]
        return self.end_token if facts.start_token is None else facts.start_token

    @property
    def end_token(self) -> int:
        """Ends a document."""
        return int(self.vocabulary.summary["end_of_document"])

    @property
    def tokenizer_path(self) -> Path:
        return self.vocabulary.path / "tokenizer.json"
