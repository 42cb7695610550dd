"""A model from one format to another: folders of transformers, GGUF files, ONNX files."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer, processors

from headrace.errors import InputError
from headrace.models.families import Facts
from headrace.models.foreign.folder import copy_folder, describe_folder, foreign_facts, is_foreign
from headrace.models.gguf_files import GGUFType, write_model
from headrace.models.hugging_face import CONFIG, save_model, write_json
from headrace.models.onnx_file import write_onnx
from headrace.models.opened import TOKENIZER, OpenedModel, end_of_texts, open_model, read_json
from headrace.models.unscaled import unscaled
from headrace.store import write_file
from headrace.tokens.formats import read_vocabulary
from headrace.tokens.vocabulary import num_ids

Format = Literal["hf", "gguf", "onnx"]
SUFFIXES: dict[str, Format] = {".gguf": "gguf", ".onnx": "onnx", "": "hf"}
TOKENIZER_FILES = (
    *(TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"),
    *("vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model"),
)


def format_of(target: Path) -> Format:
    """The format that a path's ending stands for. Raises InputError if it stands for none."""
    if target.suffix not in SUFFIXES:
        raise InputError(f"{target}: the ending {target.suffix!r} names no format. Add --to hf, gguf or onnx.")
    return SUFFIXES[target.suffix]


def convert(source: Path, target: Path, *, to: Format, kind: GGUFType) -> str:
    """Writes the model at `source` to `target`; returns a sentence about what was written.

    Raises InputError if the source cannot be read, the target exists or cannot express the model.
    """
    if target.exists():
        raise InputError(f"{target}: is there already. Give a new name, or remove it.")
    kinds = read_json(source / CONFIG).get("architectures") or [""] if source.is_dir() else [""]
    if str(kinds[0]).endswith("Classification"):
        raise InputError(f"{source}: a model that classifies or tags: its head would be lost. Use its folder as it is.")
    opened = open_model(source)
    opened = replace(opened, model=unscaled(opened.own))
    target.parent.mkdir(parents=True, exist_ok=True)
    parameters = sum(parameter.numel() for parameter in opened.model.parameters())
    about = f"{parameters / 1e6:,.1f} M parameters"
    if to == "hf":
        return f"{target}: {about}, {_to_folder(opened, target)}"
    if to == "gguf":
        _to_gguf(opened, target, kind)
        return f"{target}: {about} in {kind}, {target.stat().st_size / 1e6:,.1f} MB"
    write_onnx(opened.own, target)
    return f"{target}: {about} in float32, {target.stat().st_size / 1e6:,.1f} MB"


def take_in(source: Path, folder: Path) -> dict[str, Any]:
    """Writes the model at `source` into a folder that is there; returns its config and what its vocabulary is.

    Raises InputError if it cannot be read, or has no vocabulary.
    """
    if is_foreign(source):
        return _take_in_foreign(source, folder)
    opened = open_model(source)
    tokenizer = opened.need_tokenizer()
    _to_folder(opened, folder)
    return {
        "model": opened.model.config.as_json(),
        "parameters": sum(parameter.numel() for parameter in opened.model.parameters()),
        "tokens": num_ids(tokenizer),
        "end_of_document": end_of_texts(tokenizer, opened.facts, opened.path),
    }


def _take_in_foreign(source: Path, folder: Path) -> dict[str, Any]:
    """The same for a model that transformers builds: its files as they are, but for what is neither weights nor
    vocabulary."""
    described, facts = describe_folder(source), foreign_facts(source)
    if not (source / TOKENIZER).is_file():
        raise InputError(
            f"{source}: no {TOKENIZER} beside the model. Save its fast tokenizer there "
            "(AutoTokenizer.from_pretrained(...).save_pretrained(...))."
        )
    tokenizer = read_vocabulary(source / TOKENIZER)
    copy_folder(source, folder, others=TOKENIZER_FILES)
    return {
        "foreign": described.as_json(),
        "parameters": described.parameters,
        "tokens": num_ids(tokenizer),
        "end_of_document": end_of_texts(tokenizer, facts, source),
    }


def _to_folder(opened: OpenedModel, target: Path) -> str:
    family = save_model(opened.own, target, opened.facts)
    if opened.path.is_dir():
        for name in TOKENIZER_FILES:
            if (opened.path / name).is_file():
                shutil.copyfile(opened.path / name, target / name)
    elif opened.tokenizer is not None:
        _write_tokenizer(opened, opened.tokenizer, target)
    if family.model_type == "headrace":
        return "which no family of transformers can express: only headrace reads the folder"
    return f"as transformers' {family.model_type}"


def _write_tokenizer(opened: OpenedModel, tokenizer: Tokenizer, target: Path) -> None:
    write_file(target / TOKENIZER, beginning_with(tokenizer, opened.begin_tokens).to_str(pretty=True).encode())
    facts = opened.facts
    roles = {
        "bos_token": facts.begin_token,
        "eos_token": next(iter(facts.end_tokens), None),
        "pad_token": facts.pad_token,
    }
    described: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": facts.max_positions,
        "clean_up_tokenization_spaces": False,
        **{role: tokenizer.id_to_token(number) for role, number in roles.items() if number is not None},
    }
    if opened.chat_template is not None:
        described["chat_template"] = opened.chat_template
    write_json(target / "tokenizer_config.json", described)


def beginning_with(tokenizer: Tokenizer, begin_tokens: tuple[int, ...]) -> Tokenizer:
    """The tokenizer, whose texts then begin with these tokens."""
    if not begin_tokens:
        return tokenizer
    result = Tokenizer.from_str(tokenizer.to_str())
    special = [(tokenizer.id_to_token(number), number) for number in begin_tokens]
    result.post_processor = processors.TemplateProcessing(
        single=[*(name for name, _ in special), "$A"],
        pair=[*(name for name, _ in special), "$A", "$B:1"],
        special_tokens=special,
    )
    return result


def _to_gguf(opened: OpenedModel, target: Path, kind: GGUFType) -> None:
    facts: Facts = opened.facts
    if opened.begin_tokens:
        facts = replace(facts, begin_token=opened.begin_tokens[0])
    write_model(
        opened.own,
        target,
        facts=facts,
        tokenizer=opened.need_tokenizer(),
        kind=kind,
        begins=bool(opened.begin_tokens),
        chat_template=opened.chat_template,
    )
