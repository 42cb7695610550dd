"""A model with what goes with it, from whatever somebody gives: a folder, or a GGUF file."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.models.build import Model
from headrace.models.families import Facts
from headrace.models.foreign.folder import foreign_facts, is_foreign, load_foreign
from headrace.models.foreign.model import ForeignModel
from headrace.models.gguf_files import read_model
from headrace.models.hugging_face import CONFIG, OURS, load_model
from headrace.tokens.formats import read_vocabulary
from headrace.tokens.vocabulary import ENDS

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class OpenedModel:
    """A model, its vocabulary, and how both are used."""

    path: Path
    model: Model | ForeignModel
    facts: Facts
    tokenizer: Tokenizer | None
    """None where a folder has none that is read here."""
    begin_tokens: tuple[int, ...]
    """What every prompt begins with."""
    chat_template: str | None

    @property
    def own(self) -> Model:
        """The model, made of our blocks. Raises InputError for one that transformers has built."""
        if isinstance(self.model, ForeignModel):
            raise InputError(
                f"{self.path}: a model of kind {self.model.config.family!r}, which only transformers can build; it can "
                "be trained and used, but not be converted."
            )
        return self.model

    def need_tokenizer(self) -> Tokenizer:
        """The vocabulary. Raises InputError if there is none."""
        if self.tokenizer is None:
            raise InputError(f"{self.path}: no {TOKENIZER} beside the model. Save the fast tokenizer there.")
        return self.tokenizer


def open_model(path: Path) -> OpenedModel:
    """The model at a path. Raises InputError, naming the file, for anything that cannot be read."""
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder. Give a folder with {CONFIG}, or a GGUF file.")
    found = read_model(path)
    begin = (found.facts.begin_token,) if found.begins and found.facts.begin_token is not None else ()
    return OpenedModel(path, found.model, found.facts, found.tokenizer, begin, found.chat_template)


def _open_folder(folder: Path) -> OpenedModel:
    _check_whole(folder)
    model: Model | ForeignModel
    if is_foreign(folder):
        model, facts = load_foreign(folder), foreign_facts(folder)
    else:
        model, facts = load_model(folder)
    ends = read_json(folder / "generation_config.json").get("eos_token_id")
    more = ends if isinstance(ends, list) else [] if ends is None else [ends]
    facts = replace(facts, end_tokens=tuple(dict.fromkeys([*facts.end_tokens, *more])))
    tokenizer = read_vocabulary(folder / TOKENIZER) if (folder / TOKENIZER).is_file() else None
    begin = tuple(tokenizer.encode("", add_special_tokens=True).ids) if tokenizer else ()
    return OpenedModel(folder, model, facts, tokenizer, begin, chat_template_of(folder))


def _check_whole(folder: Path) -> None:
    """Raises InputError for a model that is more than its weights: read as a plain one, it would be another."""
    config = read_json(folder / CONFIG)
    ours = config.get(OURS) if isinstance(config.get(OURS), dict) else {}
    if (ours or {}).get("adapter") is not None:
        raise InputError(
            f"{folder}: an adapter stands beside these weights and belongs to them. Use `headrace predict`; or train "
            "with lora, dora, adalora or ia3, which become part of the weights."
        )


def end_of_texts(tokenizer: Tokenizer, facts: Facts, path: Path) -> int:
    """What ends a text: a token known for it, else the one that ends what the model writes. Raises InputError."""
    named = (tokenizer.token_to_id(name) for name in (*ENDS, "[SEP]"))
    found = next((number for number in (*named, *facts.end_tokens) if number is not None), None)
    if found is None:
        raise InputError(f"{path}: nothing says which token ends a text. Write eos_token_id into config.json.")
    return int(found)


def chat_template_of(folder: Path) -> str | None:
    """The chat template in a model's folder, if there is one."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = read_json(folder / "tokenizer_config.json").get("chat_template")
    return template if isinstance(template, str) else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object beside a model; empty if there is no such file. Raises InputError if it is damaged."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
    return found if isinstance(found, dict) else {}
