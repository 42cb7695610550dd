"""The model as others open it: a Hugging Face folder with weights, vocabulary and a card."""

import shutil
from pathlib import Path

import orjson

from headrace.models.config import ModelConfig
from headrace.models.decoder import Decoder
from headrace.models.families import family_for
from headrace.models.families.native import Native
from headrace.models.hugging_face import save_decoder
from headrace.store import write_file
from headrace.tokens import load_vocabulary
from headrace.tokens.vocabulary import end_token

CARD = """---
library_name: {library}
pipeline_tag: text-generation
tags: [headrace]
---
# A language model trained with headrace

{description}

It continues text. It has not been taught to follow instructions, knows nothing but what its corpus says, and will state
falsehoods fluently.

{usage}
`manifest.json` beside this file names everything it was made from; `metrics.jsonl` holds one record per training step.
"""

WITH_TRANSFORMERS = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")
inputs = tokenizer("It is a truth", return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=50)[0]))
```"""
WITH_HEADRACE = """No family of transformers can express this model; headrace reads the folder:
```
headrace generate . --prompt "It is a truth"
```"""


def write_model_folder(model: Decoder, folder: Path, *, tokenizer_path: Path, row_tokens: int) -> None:
    """Writes weights, configs, tokenizer and card. `row_tokens` is the longest context the model has seen."""
    tokenizer = load_vocabulary(tokenizer_path)
    end = end_token(tokenizer)
    end_name = tokenizer.id_to_token(end)
    save_decoder(model, folder, max_positions=row_tokens, end_token=end)
    shutil.copyfile(tokenizer_path, folder / "tokenizer.json")
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end_name,
        "eos_token": end_name,
        "pad_token": end_name,
        "model_max_length": row_tokens,
        "clean_up_tokenization_spaces": False,
    }
    write_file(folder / "tokenizer_config.json", orjson.dumps(tokenizer_config, option=orjson.OPT_INDENT_2))
    write_file(
        folder / "README.md",
        write_card(model.config, describe(model.config, model.vocabulary_size, row_tokens)).encode(),
    )


def write_card(config: ModelConfig, description: str) -> str:
    """The text of a model card, with the lines that use the model."""
    native = family_for(config).model_type == Native.model_type
    library, usage = ("headrace", WITH_HEADRACE) if native else ("transformers", WITH_TRANSFORMERS)
    return CARD.format(library=library, usage=usage, description=description)


def describe(config: ModelConfig, vocabulary_size: int, row_tokens: int) -> str:
    """A sentence with the sizes of the model."""
    millions = config.num_parameters(vocabulary_size) / 1e6
    return (
        f"{millions:.1f} M parameters: {config.depth} blocks, width {config.width}, {config.heads} query heads and "
        f"{config.kv_heads} key-value heads, {vocabulary_size:,} tokens, rows of {row_tokens:,} tokens in training."
    )
