"""The model as others open it: a Hugging Face folder with weights, vocabulary and a card."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from torch import nn

from headrace.models.config import ModelConfig
from headrace.models.convert import TOKENIZER_FILES, beginning_with
from headrace.models.families import Facts
from headrace.models.families.native import Native
from headrace.models.foreign.folder import save_foreign
from headrace.models.foreign.model import Foreign
from headrace.models.heads import Headed
from headrace.models.hugging_face import load_facts, save_model
from headrace.models.opened import TOKENIZER, chat_template_of
from headrace.models.task_folder import Task, TaskModel, save_task_model
from headrace.models.transformer import Transformer
from headrace.store import write_file
from headrace.tokens.formats import read_vocabulary

CARD = """---
library_name: {library}
pipeline_tag: {pipeline}
tags: [headrace]
---
# A language model trained with headrace

{description}

{does}

{usage}
`manifest.json` beside this file names everything it was made from; `metrics.jsonl` holds one record per training step.
"""
WITH_HEADRACE = """No family of transformers can express this model; headrace reads the folder:
```
{command}
```"""


@dataclass(frozen=True)
class Card:
    """What a model card says of models of one kind."""

    pipeline: str
    does: str
    usage: str
    command: str


CONTINUES = (
    "It continues text. It has not been taught to follow instructions, knows nothing but what its corpus says, and "
    "will state\nfalsehoods fluently."
)
CLASSIFIES = "It tells which class a text belongs to, of those that its training examples had, and no others."
CLASSIFY_USAGE = """```python
from transformers import pipeline
print(pipeline("text-classification", ".")("some text"))
```"""
CARDS = {
    "decoder": Card(
        "text-generation",
        CONTINUES,
        """```python
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
inputs = tokenizer("It is a truth", return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=50)[0]))
```""",
        'headrace generate . --prompt "It is a truth"',
    ),
    "encoder": Card(
        "fill-mask",
        "It tells masked tokens from those around them; its states are what classifiers and taggers begin with.",
        """```python
from transformers import AutoModelForMaskedLM, AutoTokenizer
model, tokenizer = AutoModelForMaskedLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
```""",
        "headrace run recipe.yaml  # with model: {hf: .}",
    ),
    "encoder_decoder": Card(
        "text2text-generation",
        "It writes a text that belongs to the one it is given.",
        """```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
```""",
        "headrace predict . texts.jsonl",
    ),
    "classify": Card("text-classification", CLASSIFIES, CLASSIFY_USAGE, "headrace predict . texts.jsonl"),
    "classify_many": Card(
        "text-classification",
        "It tells which of several labels a text has, none, one or more, of those that its training examples had.",
        CLASSIFY_USAGE,
        "headrace predict . texts.jsonl",
    ),
    "tag": Card(
        "token-classification",
        "It tells the tag of every word, of those that its training examples had, and no others.",
        """```python
from transformers import pipeline
print(pipeline("token-classification", ".", aggregation_strategy="first")("some text"))
```""",
        "headrace predict . texts.jsonl",
    ),
}


@dataclass(frozen=True)
class Publication:
    """What a model's folder says besides its weights."""

    tokenizer_path: Path
    end_token: int
    row_tokens: int
    """The longest context that the model has seen."""
    origin: Path | None = None
    """The folder of the model that training began with; its vocabulary and how that is used are kept."""
    task: Task | None = None
    labels: tuple[str, ...] = ()
    """Of a model with a head."""
    ours: Mapping[str, Any] = field(default_factory=dict)
    """What headrace alone needs to know to use it."""
    chat_template: str | None = None
    """How it learnt that conversations are written, if it did."""


def write_model_folder(model: nn.Module, folder: Path, about: Publication) -> None:
    """Writes weights, configs, tokenizer and card."""
    if isinstance(model, Foreign):
        _write_foreign(model, folder, about)
        return
    body = body_of(model)
    facts = _facts(body, about)
    if about.task is not None and facts.pad_token is None:
        facts = replace(facts, pad_token=about.end_token)  # without one transformers classifies one text at a time
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, Headed):
        assert about.task is not None, "a head has a task"
        family = save_task_model(TaskModel(model, facts, about.task, about.labels), folder, ours=about.ours)
    else:
        family = save_model(body, folder, facts, ours=about.ours)
    _write_vocabulary(folder, about)
    sizes = describe(body.config, body.vocabulary_size, about.row_tokens)
    write_file(folder / "README.md", write_card(family.model_type, about.task or body.config.shape, sizes).encode())


def _write_foreign(model: Foreign, folder: Path, about: Publication) -> None:
    ours = dict(about.ours) | ({"task": about.task} if about.task else {})
    save_foreign(model, folder, ours=ours)
    _write_vocabulary(folder, about)
    config = model.config
    sizes = (
        f"{config.parameters / 1e6:.1f} M parameters, of the kind that transformers calls {config.family}, "
        f"{model.vocabulary_size:,} tokens, documents of up to {about.row_tokens:,} tokens in training."
    )
    write_file(folder / "README.md", write_card(config.family, about.task or config.shape, sizes).encode())


def body_of(model: nn.Module) -> Transformer:
    """The Transformer of a model: itself, or what a head is put on."""
    body = model.body if isinstance(model, Headed) else model
    assert isinstance(body, Transformer), "what is published is made of our blocks"
    return body


def _facts(body: Transformer, about: Publication) -> Facts:
    longest = body.config.max_positions or about.row_tokens
    if about.origin is not None:
        _, facts = load_facts(about.origin)
        return replace(facts, max_positions=max(longest, facts.max_positions))
    end, is_pair = about.end_token, body.config.shape == "encoder_decoder"
    start = end if is_pair else None
    return Facts(body.vocabulary_size, longest, begin_token=end, end_tokens=(end,), pad_token=start, start_token=start)


def _write_vocabulary(folder: Path, about: Publication) -> None:
    _copy_vocabulary(folder, about)
    if about.chat_template is not None and chat_template_of(folder) is None:
        write_file(folder / "chat_template.jinja", about.chat_template.encode())
    tokenizer = read_vocabulary(folder / TOKENIZER) if about.task is not None else None
    if tokenizer is not None and not tokenizer.num_special_tokens_to_add(False):
        # Examples were read behind this token; so must texts be that others give the model.
        written = beginning_with(tokenizer, (about.end_token,)).to_str(pretty=True)
        write_file(folder / TOKENIZER, written.encode())


def _copy_vocabulary(folder: Path, about: Publication) -> None:
    if about.origin is not None:
        for name in TOKENIZER_FILES:
            if (about.origin / name).is_file():
                shutil.copyfile(about.origin / name, folder / name)
        return
    end_name = read_vocabulary(about.tokenizer_path).id_to_token(about.end_token)
    shutil.copyfile(about.tokenizer_path, folder / "tokenizer.json")
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end_name,
        "eos_token": end_name,
        "pad_token": end_name,
        "model_max_length": about.row_tokens,
        "clean_up_tokenization_spaces": False,
    }
    write_file(folder / "tokenizer_config.json", orjson.dumps(tokenizer_config, option=orjson.OPT_INDENT_2))


def write_card(model_type: str, kind: str, description: str) -> str:
    """The text of a model card, with the lines that use the model. kind: of its task, or its shape."""
    card = CARDS[kind]
    is_ours = model_type == Native.model_type
    usage = WITH_HEADRACE.format(command=card.command) if is_ours else card.usage
    return CARD.format(
        library="headrace" if is_ours else "transformers",
        pipeline=card.pipeline,
        does=card.does,
        usage=usage,
        description=description,
    )


def describe(config: ModelConfig, vocabulary_size: int, row_tokens: int) -> str:
    """A sentence with the sizes of the model."""
    millions = config.num_parameters(vocabulary_size) / 1e6
    return (
        f"{millions:.1f} M parameters: {config.depth} blocks, width {config.width}, {config.heads} query heads and "
        f"{config.kv_heads} key-value heads, {vocabulary_size:,} tokens, rows of {row_tokens:,} tokens in training."
    )
