"""How a question is put to a model that was never trained for it (needs no torch)."""

from string import Formatter
from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, model_validator

from headrace.config import Config

FIELDS = ("text", "text_pair")


class PromptConfig(Config):
    """A template around a text, and the words that stand for its labels."""

    template: str
    """What the model reads: `{text}` and `{text_pair}` stand for the texts, `{{` and `}}` for braces. The answer
    follows directly, so a template that ends in a letter wants verbalisers that begin with a space."""
    verbalisers: Annotated[dict[str, str], Field(min_length=2)]
    """For each label what the model would say: `{spam: " spam", ham: " normal"}`."""
    instruction: str = ""
    """Stands once before everything."""
    shots: NonNegativeInt = 0
    """Answered examples before the question, as many of each label as possible."""
    separator: str = "\n\n"
    """Between instruction, examples and question."""
    seed: int = Field(ge=0)
    """Chooses the examples and their order."""
    calibrate: bool = False
    """Divides each label's probability by the one it gets for texts that say nothing. Source: Zhao et al. 2021, arXiv
    2102.09690."""
    content_free: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("N/A", "", "[MASK]")
    """The texts that say nothing, as in the paper."""
    per_token: bool = False
    """Compares mean log-likelihoods of a verbaliser's tokens, not their sums: for verbalisers of unlike lengths."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "text" not in fields_of(self.template):
            raise ValueError("template must have {text}, where the text to be judged stands")
        if empty := [label for label, word in self.verbalisers.items() if not word.strip()]:
            raise ValueError(f"verbalisers.{empty[0]} is empty, wanted a word")
        if len(set(self.verbalisers.values())) < len(self.verbalisers):
            raise ValueError("two verbalisers are the same; each label needs its own")
        return self


def fields_of(template: str) -> set[str]:
    """The names in a template. Raises ValueError for anything in braces that is not one of the known names."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"template has a brace that stands alone ({error}); write {{{{ or }}}} for one") from error
    names = set()
    for _, name, details, conversion in parts:
        if name is None:
            continue
        if name not in FIELDS or details or conversion:
            raise ValueError(f"template has {{{name}}}, wanted {' or '.join(f'{{{field}}}' for field in FIELDS)}")
        names.add(name)
    return names


def fill(template: str, *, text: str, text_pair: str = "") -> str:
    """A checked template around texts. Only the known names are replaced, and never within the texts."""
    values = {"text": text, "text_pair": text_pair}
    return "".join(literal + (values[name] if name else "") for literal, name, _, _ in Formatter().parse(template))
