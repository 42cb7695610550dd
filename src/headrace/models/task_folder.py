"""Folders of models with a head: as transformers' `...ForSequenceClassification` and `...ForTokenClassification`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from headrace.errors import InputError
from headrace.models.families import Facts, Family
from headrace.models.heads import Classifier, Headed, Pooling, Tagger
from headrace.models.hugging_face import CONFIG, HEADS, OURS, load_model, read_config, read_weights, save_model

Task = Literal["classify", "classify_many", "tag"]
CLASSES: dict[str, dict[str, str]] = {
    "bert": {"classify": "BertForSequenceClassification", "tag": "BertForTokenClassification"},
    "gpt2": {"classify": "GPT2ForSequenceClassification", "tag": "GPT2ForTokenClassification"},
    "llama": {"classify": "LlamaForSequenceClassification", "tag": "LlamaForTokenClassification"},
    "mistral": {"classify": "MistralForSequenceClassification", "tag": "MistralForTokenClassification"},
    "qwen2": {"classify": "Qwen2ForSequenceClassification", "tag": "Qwen2ForTokenClassification"},
    "qwen3": {"classify": "Qwen3ForSequenceClassification", "tag": "Qwen3ForTokenClassification"},
}
"""What transformers calls a family's models with a head."""
LAYERS = {("bert", "classify"): "classifier", ("bert", "tag"): "classifier", ("gpt2", "tag"): "classifier"}
"""What it calls the head, where that is not `score`."""


@dataclass(frozen=True)
class TaskModel:
    """A model with its head, and what its answers are called."""

    model: Headed
    facts: Facts
    task: Task
    labels: tuple[str, ...]


def save_task_model(found: TaskModel, folder: Path, *, ours: Mapping[str, Any] | None = None) -> Family:
    """Writes the folder; returns the family it is written as.

    ours: as for `save_model`. transformers pools in its own way a model that was trained to pool in another.
    """
    return save_model(
        found.model.body, folder, found.facts, head=lambda family: _describe_head(found, family), ours=ours
    )


def _describe_head(found: TaskModel, family: Family) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Entries of `config.json`, and tensors by name."""
    kind = "tag" if found.task == "tag" else "classify"
    layer = head_name(family, found.task)
    entries: dict[str, Any] = {
        "id2label": {str(number): label for number, label in enumerate(found.labels)},
        "label2id": {label: number for number, label in enumerate(found.labels)},
    }
    if name := CLASSES.get(family.model_type, {}).get(kind):
        entries["architectures"] = [name]
    if found.task != "tag":
        many = found.task == "classify_many"
        entries["problem_type"] = "multi_label_classification" if many else "single_label_classification"
    ours: dict[str, Any] = {"task": found.task, "head_dropout": found.model.head_dropout.p}
    if isinstance(found.model, Classifier):
        ours["pooling"] = found.model.pooling
    score = found.model.score
    tensors = {f"{layer}.{name}": parameter.detach().float() for name, parameter in score.named_parameters()}
    return entries | {OURS: ours}, tensors


def head_name(family: Family, task: Task) -> str:
    """What transformers calls the head of a task."""
    return LAYERS.get((family.model_type, "tag" if task == "tag" else "classify"), "score")


def head_of(folder: Path, task: Task, labels: Sequence[str]) -> dict[str, Tensor] | None:
    """The head in a folder that headrace wrote, by name, if it is for this task and these labels."""
    foreign = read_config(folder)
    if (foreign.get(OURS) or {}).get("task") != task or _labels(foreign) != tuple(labels):
        return None
    return _head_tensors(read_weights(folder)[1])


def _head_tensors(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.rpartition(".")[2]: tensor for name, tensor in named.items() if name.startswith(HEADS)}


def load_task_model(folder: Path) -> TaskModel:
    """A model with its head from a folder, ours or one that transformers wrote. Raises InputError if it has none."""
    foreign = read_config(folder)
    labels = _labels(foreign)
    _, named = read_weights(folder)
    head = _head_tensors(named)
    if "weight" not in head:
        raise InputError(f"{folder / CONFIG}: a model without a head that classifies; train one with headrace.")
    body, facts = load_model(folder)
    ours = foreign.get(OURS) or {}
    task = ours.get("task") or _task_of(foreign)
    dropout = float(ours.get("head_dropout", 0.0))
    model: Headed
    if task == "tag":
        model = Tagger(body, len(labels), dropout=dropout)
    else:
        default: Pooling = "last" if body.config.shape == "decoder" else "pooler"
        model = Classifier(body, len(labels), pooling=ours.get("pooling", default), dropout=dropout)
    try:
        model.score.load_state_dict({name: head[name].float() for name, _ in model.score.named_parameters()})
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{folder}: its head is not that of {len(labels)} labels ({error}).") from error
    return TaskModel(model, facts, task, labels)


def _labels(foreign: dict[str, Any]) -> tuple[str, ...]:
    found = foreign.get("id2label") or {}
    return tuple(str(found[number]) for number in sorted(found, key=int))


def _task_of(foreign: dict[str, Any]) -> Task:
    name = next(iter(foreign.get("architectures") or [""]))
    if name.endswith("ForTokenClassification"):
        return "tag"
    return "classify_many" if foreign.get("problem_type") == "multi_label_classification" else "classify"
