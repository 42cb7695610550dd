"""Folders of transformers' own models, in and out: safetensors and JSON, never a pickle and never code."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError

from headrace.errors import InputError
from headrace.models.families import FAMILIES, Facts
from headrace.models.foreign.config import ForeignConfig
from headrace.models.foreign.counting import describe
from headrace.models.foreign.library import need_transformers
from headrace.models.foreign.model import Foreign, ForeignClassifier, ForeignModel, ForeignTagger
from headrace.models.hugging_face import CONFIG, INDEX, OURS, WEIGHTS

Task = Literal["classify", "classify_many", "tag"]
Shape = Literal["decoder", "encoder", "encoder_decoder"]
AUTO_CLASSES: dict[str, str] = {
    "decoder": "AutoModelForCausalLM",
    "encoder": "AutoModelForMaskedLM",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
    "classify": "AutoModelForSequenceClassification",
    "classify_many": "AutoModelForSequenceClassification",
    "tag": "AutoModelForTokenClassification",
}
NAMES: dict[Shape, str] = {
    "encoder_decoder": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "encoder": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "decoder": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
}
"""Where transformers keeps the names of its classes; some stand under several, and the first is meant."""
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
USUAL_POSITIONS = 2048
DAMAGED = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ImportError, SafetensorError)
"""What transformers raises for a config or weights that it cannot use."""


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds a model of a kind that we have no modules for."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    kind = config.get("model_type") if isinstance(config, dict) else None
    return isinstance(kind, str) and kind not in FAMILIES


def read_foreign_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a folder that `is_foreign`. Raises InputError for one that needs what we never do."""
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    kind = config["model_type"]
    for name, value in _entries(config):
        if name == "auto_map":
            raise InputError(
                f"{folder / CONFIG}: its model is code of its own ({name}), and code from a folder is never run. Give "
                "a model that transformers has a class for."
            )
        if name.endswith("_implementation") and isinstance(value, str) and "/" in value:
            raise InputError(f"{folder / CONFIG}: {name} names code elsewhere ({value}), which is never fetched.")
        if name == "quantization_config" and value:
            raise InputError(f"{folder / CONFIG}: a model of kind {kind!r} with quantised weights, which cannot learn.")
    if (folder / "adapter_config.json").exists() and not _has_weights(folder):
        raise InputError(f"{folder}: an adapter and not a model. Merge it into its model first.")
    return config


def _entries(value: object) -> Iterator[tuple[str, Any]]:
    """All names and values in JSON, those inside others too."""
    if isinstance(value, dict):
        yield from value.items()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _entries(inner)


def _has_weights(folder: Path) -> bool:
    return (folder / WEIGHTS).exists() or (folder / INDEX).exists()


def check_weights(folder: Path) -> None:
    """Raises InputError if a folder holds no safetensors."""
    if _has_weights(folder):
        return
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise InputError(
            f"{folder / pickles[0]}: weights in a form that can hold code are never read. Save them as {WEIGHTS}, with "
            "save_pretrained of transformers, on a machine that trusts them."
        )
    raise InputError(f"{folder}: no weights ({WEIGHTS}) beside {CONFIG}.")


def foreign_facts(folder: Path) -> Facts:
    """What a folder's config says besides the network. Raises InputError if it cannot be read."""
    config = _config(folder).get_text_config()
    ends = getattr(config, "eos_token_id", None)
    return Facts(
        vocabulary_size=int(config.vocab_size),
        max_positions=int(getattr(config, "max_position_embeddings", None) or USUAL_POSITIONS),
        begin_token=getattr(config, "bos_token_id", None),
        end_tokens=tuple(ends) if isinstance(ends, list) else () if ends is None else (ends,),
        pad_token=getattr(config, "pad_token_id", None),
        start_token=getattr(config, "decoder_start_token_id", None),
    )


def describe_folder(folder: Path) -> ForeignConfig:
    """The sizes of a folder's model, for which no weight is read. Raises InputError for one that cannot be built."""
    check_weights(folder)
    config = _config(folder)
    shape = _shape(config)
    with _as_input_errors(folder), torch.device("meta"):
        inner = _auto(config, shape).from_config(config, trust_remote_code=False)
    return describe(inner, shape)


def load_foreign(folder: Path) -> ForeignModel:
    """A model with its own head, in float32. Raises InputError for one that cannot be read, or lacks weights."""
    config = _config(folder)
    shape = _shape(config)
    inner, missing = _load(folder, config, shape)
    if missing:
        raise InputError(f"{folder}: no weights for {_some(missing)}, without which it cannot guess tokens.")
    return ForeignModel(inner, describe(inner, shape))


def load_foreign_head(
    folder: Path, task: Task, labels: tuple[str, ...], *, seed: int | None
) -> ForeignClassifier | ForeignTagger:
    """A model with transformers' own head for labels. The folder's head is gone on from if it is for these labels.

    seed: of the weights that the folder has not; None: it must have all.
    Raises InputError for a model that cannot be read, or that transformers has no such head for.
    """
    config = _config(folder)
    shape = _shape(config)
    known = {int(number): str(label) for number, label in (config.id2label or {}).items()}
    is_same = [known.get(number) for number in range(len(known))] == list(labels)
    config.id2label, config.label2id = dict(enumerate(labels)), {label: number for number, label in enumerate(labels)}
    if task != "tag":
        many = task == "classify_many"
        config.problem_type = "multi_label_classification" if many else "single_label_classification"
    if config.get_text_config().pad_token_id is None:  # by which some heads find where a text ends
        config.get_text_config().pad_token_id = next(iter(foreign_facts(folder).end_tokens), 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0 if seed is None else seed)
        inner, missing = _load(folder, config, task)
        base = f"{inner.base_model_prefix}."
        if lost := [name for name in missing if seed is None or (name.startswith(base) and ".pooler." not in name)]:
            raise InputError(f"{folder}: no weights for {_some(lost)}.")
        if not is_same and seed is not None:
            _forget_labels(inner, len(labels))
    kind = ForeignTagger if task == "tag" else ForeignClassifier
    return kind(inner, describe(inner, shape))


def _forget_labels(inner: Any, num_labels: int) -> None:
    """Draws the last layer anew, which another task's labels may have shaped."""
    for name, layer in inner.named_modules():
        is_last = isinstance(layer, torch.nn.Linear) and layer.out_features == num_labels
        if is_last and not name.startswith(f"{inner.base_model_prefix}."):
            with torch.no_grad():
                layer.weight.normal_(0.0, 0.02)
                if layer.bias is not None:
                    layer.bias.zero_()


def load_foreign_task(folder: Path) -> tuple[ForeignClassifier | ForeignTagger, Task, tuple[str, ...]]:
    """A model with the head that its folder holds, what it is for, and the names of its labels. Raises InputError."""
    config = _config(folder)
    labels = tuple(str(config.id2label[number]) for number in sorted(config.id2label))
    task: Task = "classify_many" if config.problem_type == "multi_label_classification" else "classify"
    if _architecture(config).endswith("ForTokenClassification"):
        task = "tag"
    return load_foreign_head(folder, task, labels, seed=None), task, labels


def has_head(folder: Path) -> bool:
    """Whether a folder's model tells labels."""
    return _architecture(_config(folder)).endswith("Classification")


def save_foreign(model: Foreign, folder: Path, *, ours: Mapping[str, Any]) -> None:
    """Writes the folder as transformers does. ours: what headrace alone needs to know, for an entry of its own."""
    config = model.inner.config
    if ours:
        setattr(config, OURS, dict(ours))
    elif hasattr(config, OURS):
        delattr(config, OURS)
    with quiet():
        model.inner.save_pretrained(folder)


def copy_folder(source: Path, target: Path, *, others: tuple[str, ...]) -> None:
    """Copies a model as it is: config, safetensors, and files of the other names."""
    weights = (path.name for path in source.glob("*.safetensors"))
    for name in (CONFIG, "generation_config.json", INDEX, *weights, *others):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _config(folder: Path) -> Any:
    family = read_foreign_config(folder)["model_type"]
    library = need_transformers(family)
    if family not in library.models.auto.configuration_auto.CONFIG_MAPPING_NAMES:
        raise InputError(
            f"{folder / CONFIG}: model_type is {family!r}, which neither headrace nor transformers "
            f"{library.__version__} knows. headrace has {', '.join(FAMILIES)}."
        )
    with _as_input_errors(folder):
        return library.AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)


def _architecture(config: Any) -> str:
    return next(iter(config.architectures or [""]))


def _shape(config: Any) -> Shape:
    """What a model is for: by the class that its folder names, else the first that transformers has for its kind."""
    auto = need_transformers(config.model_type).models.auto.modeling_auto
    classes = {shape: getattr(auto, names).get(config.model_type) for shape, names in NAMES.items()}
    for shape, found in classes.items():
        if found == _architecture(config):
            return shape
    if getattr(config, "is_encoder_decoder", False):
        classes = {"encoder_decoder": classes["encoder_decoder"]}
    known = next((shape for shape, found in classes.items() if found), None)
    if known is None:
        raise InputError(
            f"model_type is {config.model_type!r}, and transformers has no class for it that guesses tokens of texts."
        )
    return known


def _auto(config: Any, kind: str) -> Any:
    return getattr(need_transformers(config.model_type), AUTO_CLASSES[kind])


def _load(folder: Path, config: Any, kind: str) -> tuple[Any, list[str]]:
    """The model in float32, and the names of the weights that the folder has not."""
    check_weights(folder)
    with _as_input_errors(folder):
        inner, told = _auto(config, kind).from_pretrained(
            str(folder),
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=kind in ("classify", "classify_many", "tag"),
            output_loading_info=True,
        )
    return inner, sorted(told["missing_keys"])


@contextmanager
def _as_input_errors(folder: Path) -> Iterator[None]:
    """What transformers raises for a folder, as ours."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        with quiet():
            yield
    except (*DAMAGED, StrictDataclassError) as error:
        told = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise InputError(f"{folder}: not a model that transformers can use ({told.strip()}).") from error


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no warnings of transformers: what they tell of weights we tell ourselves."""
    from transformers.utils import logging as talkative

    verbosity, has_bars = talkative.get_verbosity(), talkative.is_progress_bar_enabled()
    talkative.set_verbosity_error()
    talkative.disable_progress_bar()
    try:
        yield
    finally:
        talkative.set_verbosity(verbosity)
        if has_bars:
            talkative.enable_progress_bar()


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
