"""Folders that transformers loads, in and out: `config.json` and safetensors, under the names of a family it knows.

Nothing is rounded, so a round trip is exact. Only safetensors and JSON are read, never a pickle and never code.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from headrace.errors import InputError
from headrace.models.build import Model
from headrace.models.config import ModelConfig
from headrace.models.decoder import Decoder
from headrace.models.families import FAMILIES, Facts, Family, UnsuitedError, family_for
from headrace.models.families.family import TRAINING_ONLY
from headrace.models.foreign_weights import fill, foreign_tensors, plain_tensors, unfilled_model
from headrace.models.transformer import Transformer
from headrace.store import write_file

OURS = "headrace"  # entry of a `config.json` that others ignore
HEADS = ("score.", "classifier.")  # what tensors of a task's head begin with
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"


def save_decoder(decoder: Decoder, folder: Path, *, max_positions: int, end_token: int) -> None:
    """Writes the folder of a decoder whose documents all end, and begin behind, one token."""
    save_model(decoder, folder, _facts_of_training(decoder, max_positions, end_token))


HeadWriter = Callable[[Family], tuple[dict[str, Any], dict[str, Tensor]]]
"""Entries of `config.json` and tensors that a head adds."""


def save_model(
    model: Transformer,
    folder: Path,
    facts: Facts,
    *,
    head: HeadWriter | None = None,
    ours: Mapping[str, Any] | None = None,
) -> Family:
    """Writes `config.json`, `generation_config.json` and `model.safetensors` (float32), each in one step.

    ours: what headrace alone needs to know, for an entry of its own in `config.json`.
    Returns the family it is written as: one of transformers' where one can express the config, else our own.
    """
    family = family_for(model.config)
    folder.mkdir(parents=True, exist_ok=True)
    noise = {name: value for name in sorted(TRAINING_ONLY) if (value := getattr(model.config, name))}
    more, head_tensors = head(family) if head else ({}, {})
    kept = noise | more.pop(OURS, {}) | dict(ours or {})
    write_json(folder / CONFIG, family.write(model.config, facts) | more | ({OURS: kept} if kept else {}))
    roles = facts.as_json() | {"decoder_start_token_id": facts.start_token}
    generation = {name: roles[name] for name in ("bos_token_id", "eos_token_id") if roles[name] is not None}
    if facts.start_token is not None:
        generation |= {"decoder_start_token_id": facts.start_token, "pad_token_id": facts.pad_token}
    if model.config.shape != "encoder" and head is None:
        write_json(folder / "generation_config.json", generation | {"do_sample": True})
    tensors = dict(foreign_tensors(model, family)) | head_tensors
    write_file(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
    return family


def load_decoder(folder: Path) -> Decoder:
    """A decoder with the weights of a folder, ours or another's.

    Raises InputError, naming the file, for a missing or damaged file, a family that is not known or has another shape,
    or options we do not have.
    """
    model, _ = load_model(folder)
    if not isinstance(model, Decoder):
        raise InputError(f"{folder / CONFIG}: a model of shape {model.config.shape}, wanted one that continues text.")
    return model


def load_model(folder: Path) -> tuple[Model, Facts]:
    """A model of any shape from a folder, and what else its config says. Raises InputError as `load_decoder` does."""
    foreign = read_config(folder)
    family = FAMILIES[foreign["model_type"]]
    path, named = read_weights(folder)
    tensors = plain_tensors(family, {name: named[name] for name in named if not name.startswith(HEADS)})
    try:
        facts = family.facts(foreign)
        model = unfilled_model(_with_noise(family.read(foreign, tensors), foreign), facts.vocabulary_size)
    except UnsuitedError as error:
        raise InputError(f"{folder / CONFIG}: {error}.") from error
    except (KeyError, TypeError, RuntimeError, ValidationError) as error:
        raise InputError(f"{folder / CONFIG}: not a usable {family.model_type} config ({reason_of(error)}).") from error
    try:
        fill(model, family, tensors)
    except UnsuitedError as error:
        raise InputError(f"{path}: {error}.") from error
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights that {CONFIG} describes ({error}).") from error
    return model, facts


def load_facts(folder: Path) -> tuple[Family, Facts]:
    """The family of a folder's model, and what its config says besides the network. Raises InputError."""
    foreign = read_config(folder)
    family = FAMILIES[foreign["model_type"]]
    try:
        return family, family.facts(foreign)
    except KeyError as error:
        raise InputError(f"{folder / CONFIG}: not a usable {family.model_type} config ({error!r}).") from error


def _with_noise(config: ModelConfig, foreign: dict[str, Any]) -> ModelConfig:
    """With the dropout that `save_model` wrote beside what the family knows, for a training that goes on."""
    ours = foreign.get(OURS)
    kept = {name: ours[name] for name in TRAINING_ONLY & set(ours)} if isinstance(ours, dict) else {}
    return ModelConfig.model_validate(config.as_json() | kept) if kept else config


def reason_of(error: Exception) -> str:
    """What a config lacks, or which of its values is impossible."""
    if not isinstance(error, ValidationError):
        return repr(error)
    first = error.errors()[0]
    return " ".join(map(str, [*first["loc"], first["msg"]]))


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a folder. Raises InputError if there is none, or its family is not known."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no readable model config ({error}). Give a folder saved by headrace or transformers."
        ) from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in FAMILIES:
        raise InputError(f"{path}: model_type is {kind!r}, wanted one of {', '.join(FAMILIES)}.")
    return dict(config)


def read_weights(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """All tensors of a folder, from one file or from those that an index names; and the path to speak of.

    Raises InputError, naming the file, for one that is missing or damaged, or lies elsewhere.
    """
    index = folder / INDEX
    if (folder / WEIGHTS).exists() or not index.exists():
        return folder / WEIGHTS, _read_file(folder / WEIGHTS)
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{index}: not an index of weights ({error!r}).") from error
    if wrong := [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]:
        raise InputError(f"{index}: names {wrong[0]!r}, wanted safetensors files of the same folder.")
    return index, {name: tensor for file in names for name, tensor in _read_file(folder / file).items()}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON file in one step."""
    write_file(path, json.dumps(value, indent=2).encode())


def _read_file(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights that {CONFIG} describes ({error}).") from error


def _facts_of_training(decoder: Decoder, max_positions: int, end_token: int) -> Facts:
    return Facts(decoder.vocabulary_size, max_positions, begin_token=end_token, end_tokens=(end_token,))
