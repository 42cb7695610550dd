"""Model folders: transformers reads ours and we read theirs, with equal logits; nothing else is believed."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import rough_decoder, small_config
from small_road import END, VOCABULARY_SIZE, Road
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.models.hugging_face import load_decoder, save_decoder
from headrace.tokens.encoder import Encoder
from headrace.train.publish import Publication, write_model_folder

TOKENS = torch.randint(0, VOCABULARY_SIZE, (2, 24), generator=torch.Generator().manual_seed(1))
SHAPES = [
    {"qk_norm": qk_norm, "tied": tied, "kv_heads": kv_heads}
    for qk_norm in (False, True)
    for tied in (False, True)
    for kv_heads in (1, 2, 4)
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_transformers_gives_our_logits(shape: dict[str, Any], tmp_path: Path) -> None:
    decoder = rough_decoder(small_config(rope_theta=5_000.0, norm_epsilon=1e-4, **shape))
    save_decoder(decoder, tmp_path, max_positions=32, end_token=END)

    model = AutoModelForCausalLM.from_pretrained(tmp_path)

    assert type(model).__name__ == ("Qwen3ForCausalLM" if shape["qk_norm"] else "LlamaForCausalLM")
    assert sum(parameter.numel() for parameter in model.parameters()) == decoder.config.num_parameters(VOCABULARY_SIZE)
    with torch.no_grad():
        torch.testing.assert_close(model(TOKENS).logits, decoder.logits(TOKENS), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_we_give_the_logits_of_transformers(shape: dict[str, Any], tmp_path: Path) -> None:
    model = foreign_model(**shape)
    model.save_pretrained(tmp_path)

    decoder = load_decoder(tmp_path)

    with torch.no_grad():
        torch.testing.assert_close(decoder.logits(TOKENS), model(TOKENS).logits, rtol=0, atol=1e-4)


def foreign_model(*, qk_norm: bool = False, tied: bool = False, kv_heads: int = 2, **given: Any) -> LlamaForCausalLM:
    family, model = (Qwen3Config, Qwen3ForCausalLM) if qk_norm else (LlamaConfig, LlamaForCausalLM)
    sizes = {"vocab_size": VOCABULARY_SIZE, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": kv_heads, "head_dim": 8}
    config = family(**{**sizes, **heads, "tie_word_embeddings": tied, "initializer_range": 0.2, **given})
    torch.manual_seed(1)
    built = model(config).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.dim() == 1:
                parameter.normal_(1.0, 0.2)
    return built


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_round_trip_changes_no_bit(shape: dict[str, Any], tmp_path: Path) -> None:
    decoder = rough_decoder(small_config(**shape))
    save_decoder(decoder, tmp_path, max_positions=32, end_token=END)

    again = load_decoder(tmp_path)

    assert again.config == decoder.config
    for (name, one), two in zip(decoder.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two), name


def test_bfloat16_weights_are_taken_as_they_are(tmp_path: Path) -> None:
    model = foreign_model().to(torch.bfloat16)
    model.save_pretrained(tmp_path)

    assert torch.equal(load_decoder(tmp_path).embedding.weight, model.model.embed_tokens.weight.float())


@pytest.fixture
def published(road: Road, tmp_path: Path) -> Path:
    write_model_folder(rough_decoder(small_config()), tmp_path, Publication(road.tokenizer_path, END, 32))
    return tmp_path


@pytest.mark.parametrize("text", ["the mill turns", "水轮慢转", " \r\n🙂 \u200b", ""])
def test_the_published_tokenizer_begins_as_documents_do_in_training(text: str, published: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(published)
    ids = Encoder(published / "tokenizer.json").encode(Texts.from_strings([text])).ids

    assert tokenizer(text)["input_ids"] == [END, *ids[:-1].tolist()]
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (END, END, END)
    assert tokenizer.model_max_length == 32


def test_the_published_folder_generates_in_transformers_as_its_card_says(published: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(published), AutoTokenizer.from_pretrained(published)
    inputs = tokenizer("the mill", return_tensors="pt", return_token_type_ids=False)

    generated = model.generate(**inputs, max_new_tokens=5, do_sample=False)

    assert generated.shape[1] <= inputs["input_ids"].shape[1] + 5
    assert (published / "README.md").read_text().startswith("---\nlibrary_name: transformers\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_decoder(rough_decoder(small_config()), tmp_path, max_positions=32, end_token=END)
    return tmp_path


def change_config(folder: Path, **given: Any) -> None:
    config = json.loads((folder / "config.json").read_text()) | given
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value != "gone"}))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"model_type": "mamba"}, r"config\.json: model_type is 'mamba', wanted one of llama, "),
        ({"model_type": "gone"}, "model_type is None"),
        ({"model_type": "bert"}, r"model\.safetensors: not the weights .*bert\.embeddings"),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 4.0}}, "rotary positions are scaled as 'dynamic'"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "needs original_positions"),
        ({"rope_parameters": None, "rope_scaling": {"type": "longrope"}}, "rotary positions are scaled as 'longrope'"),
        ({"attention_bias": True}, r"model\.safetensors: not the weights .*q_proj\.bias"),
        ({"mlp_bias": True}, r"model\.safetensors: not the weights .*gate_proj\.bias"),
        ({"use_sliding_window": True}, "use_sliding_window is True, which is not supported"),
        ({"hidden_act": "relu2"}, "the activation 'relu2' is not known"),
        ({"head_dim": 16}, r"model\.safetensors: not the weights"),
        ({"hidden_size": "gone"}, r"config\.json: not a usable .*hidden_size"),
        ({"vocab_size": "gone"}, r"config\.json: not a usable .*vocab_size"),
        ({"num_key_value_heads": 3}, r"config\.json: not a usable .*kv_heads 3 must divide"),
        ({"num_hidden_layers": "two"}, r"config\.json: not a usable .*depth"),
        ({"intermediate_size": 10**9, "num_hidden_layers": 500}, r"model\.safetensors: not the weights"),
        ({"intermediate_size": 10**18}, r"config\.json: not a usable"),
        ({"num_hidden_layers": 3}, r"model\.safetensors: not the weights that config\.json describes"),
        ({"num_hidden_layers": 1}, r"model\.safetensors: tensors this model has no place for"),
        ({"vocab_size": 399}, r"model\.safetensors: not the weights"),
        ({"tie_word_embeddings": False}, r"model\.safetensors: not the weights .*lm_head"),
    ],
    ids=str,
)
def test_a_model_we_would_compute_otherwise_is_refused(given: dict[str, Any], complaint: str, folder: Path) -> None:
    change_config(folder, **given)

    with pytest.raises(InputError, match=complaint):
        load_decoder(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_or_cut_file_is_refused_by_name(name: str, folder: Path) -> None:
    whole = (folder / name).read_bytes()
    for cut in (0, 1, 9, len(whole) // 2, len(whole) - 1):
        (folder / name).write_bytes(whole[:cut])
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            load_decoder(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        load_decoder(folder)


@pytest.mark.parametrize("length", [0, 2**62, 2**64 - 1])
def test_a_header_that_lies_about_its_length_is_refused(length: int, folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(length.to_bytes(8, "little") + whole[8:])

    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_decoder(folder)


@pytest.mark.parametrize("shape", [(1,), (1, 32), (32, 1)])
def test_a_tensor_of_another_shape_is_refused_and_not_stretched(shape: tuple[int, ...], folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = torch.ones(shape)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(InputError, match=r"model\.safetensors: not the weights"):
        load_decoder(folder)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "config.json", "model.pt"])
def test_no_pickle_is_read_under_any_name(name: str, folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))

    with pytest.raises(InputError):
        load_decoder(folder)
    assert not (tmp_path / "sprung").exists()
