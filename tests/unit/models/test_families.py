"""Conversion both ways: each family of transformers gives our logits on text, and we give theirs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from small_models import rough_model, small_config
from small_road import VOCABULARY_SIZE, Road
from torch import Tensor

from headrace.errors import InputError
from headrace.models import ModelConfig
from headrace.models.build import Model
from headrace.models.encoder import Encoder
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.families import FAMILIES, Facts, family_for
from headrace.models.hugging_face import load_decoder, load_model, save_model
from headrace.models.unscaled import unscaled
from headrace.tokens import TokenStore

SIZES = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "initializer_range": 0.2,
}
LLAMA = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 64}
GPT2 = {"vocab_size": VOCABULARY_SIZE, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}
BERT = {**SIZES, "max_position_embeddings": 64, "layer_norm_eps": 1e-6}
T5 = {"vocab_size": VOCABULARY_SIZE, "d_model": 32, "d_kv": 6, "d_ff": 48, "num_layers": 3, "num_heads": 4}
UNTIED = {"tie_word_embeddings": False}
WINDOW = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
SHORT_T5 = {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 20}


def rope(kind: str, **given: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 5_000.0, "factor": 4.0, **given}}


LLAMA3 = {"original_max_position_embeddings": 32, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
FOREIGN: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("LlamaForCausalLM", LLAMA),
    "Llama, biased and tied": (
        "LlamaForCausalLM",
        {**LLAMA, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    ),
    "Llama, wide heads": ("LlamaForCausalLM", {**LLAMA, "head_dim": 20, "hidden_act": "gelu_pytorch_tanh"}),
    "Llama 3.1": ("LlamaForCausalLM", {**LLAMA, **rope("llama3", **LLAMA3)}),
    "Llama, linear": ("LlamaForCausalLM", {**LLAMA, **rope("linear")}),
    "Llama, YaRN": ("LlamaForCausalLM", {**LLAMA, **rope("yarn", original_max_position_embeddings=16)}),
    "Mistral": ("MistralForCausalLM", {**LLAMA, "sliding_window": 8, "head_dim": 8}),
    "Qwen 2": ("Qwen2ForCausalLM", LLAMA),
    "Qwen 2, window and tied": ("Qwen2ForCausalLM", {**LLAMA, **WINDOW, "tie_word_embeddings": True}),
    "Qwen 3": ("Qwen3ForCausalLM", {**LLAMA, "head_dim": 16}),
    "Qwen 3, window and biases": ("Qwen3ForCausalLM", {**LLAMA, **WINDOW, "head_dim": 8, "attention_bias": True}),
    "GPT-2": ("GPT2LMHeadModel", GPT2),
    "GPT-2, otherwise": (
        "GPT2LMHeadModel",
        {
            **GPT2,
            "n_inner": 40,
            "activation_function": "relu",
            "scale_attn_weights": False,
            "tie_word_embeddings": False,
        },
    ),
    "BERT": ("BertForMaskedLM", BERT),
    "BERT, other activation": ("BertForMaskedLM", {**BERT, "hidden_act": "gelu_new", "type_vocab_size": 1}),
    "BERT, two heads": ("BertForPreTraining", BERT),
    "T5": ("T5ForConditionalGeneration", {**T5, **SHORT_T5}),
    "T5 1.1": (
        "T5ForConditionalGeneration",
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_decoder_layers": 2},
    ),
}
OURS: dict[str, dict[str, Any]] = {
    "llama": {"rope_scaling": {"kind": "ntk", "factor": 2.0}, "max_positions": 64},
    "qwen2": {"qkv_bias": True, "sliding_window": 6, "full_attention_blocks": 1},
    "qwen3": {"qk_norm": True, "qkv_bias": True, "output_bias": True, "head_size": 10},
    "mistral": {"sliding_window": 6, "activation": "gelu"},
    "gpt2": {
        "norm": "layer",
        "positions": "learned",
        "max_positions": 64,
        "activation": "gelu_tanh",
        "gated": False,
        "qkv_bias": True,
        "output_bias": True,
        "feed_forward_bias": True,
        "kv_heads": 4,
    },
    "t5": {"shape": "encoder_decoder", "positions": "relative", "attention_scale": 1.0, "kv_heads": 4, "head_size": 6},
}
OURS["bert"] = OURS["gpt2"] | {
    "shape": "encoder",
    "norm_place": "post",
    "embedding_norm": True,
    "token_types": 2,
    "head_transform": True,
    "head_bias": True,
}


@pytest.fixture(scope="module")
def text(road: Road) -> Tensor:
    """The beginnings of two documents, as ids."""
    store = TokenStore(road.tokens, "validation")
    documents = [store.document(number) for number in range(store.num_documents)]
    long = [document[:40] for document in documents if len(document) >= 40][:2]
    return torch.from_numpy(np.stack(long).astype(np.int64))


def foreign_model(kind: str, given: dict[str, Any]) -> Any:
    """A model of transformers with large weights and uneven gains."""
    family = getattr(transformers, kind)
    torch.manual_seed(1)
    model = family(family.config_class(**given)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0.0 if parameter.dim() > 1 or name.endswith("bias") else 1.0, 0.2)
    return model


@torch.no_grad()
def foreign_logits(model: Any, text: Tensor) -> Tensor:
    if model.config.model_type == "t5":
        return model(input_ids=text, decoder_input_ids=text[:, :17]).logits
    answer = model(input_ids=text)
    return answer.prediction_logits if hasattr(answer, "prediction_logits") else answer.logits


@torch.no_grad()
def our_logits(model: Model, text: Tensor) -> Tensor:
    return model.logits(text, text[:, :17]) if isinstance(model, EncoderDecoder) else model.logits(text)


FACTS = Facts(VOCABULARY_SIZE, 64, begin_token=1, end_tokens=(1,), pad_token=0, start_token=0)


@pytest.mark.parametrize("name", FOREIGN)
def test_we_give_the_logits_of_transformers_and_give_them_back(name: str, text: Tensor, tmp_path: Path) -> None:
    theirs = foreign_model(*FOREIGN[name])
    theirs.save_pretrained(tmp_path / "theirs")

    ours, facts = load_model(tmp_path / "theirs")
    ours.eval()
    save_model(ours, tmp_path / "again", facts)
    again = type(theirs).from_pretrained(tmp_path / "again")

    wanted = foreign_logits(theirs, text)
    torch.testing.assert_close(our_logits(ours, text), wanted, rtol=0, atol=1e-4)
    torch.testing.assert_close(foreign_logits(again, text), wanted, rtol=0, atol=1e-5)
    assert wanted.abs().max() > 0.5


@pytest.mark.parametrize(
    ("family", "tied"), [(family, tied) for family in OURS for tied in (True, False) if tied or family != "bert"]
)
def test_transformers_gives_our_logits(family: str, tied: bool, text: Tensor, tmp_path: Path) -> None:
    ours = rough_model(small_config(**OURS[family], tied=tied)).eval()

    assert save_model(ours, tmp_path, FACTS).model_type == family
    kind = json.loads((tmp_path / "config.json").read_text())["architectures"][0]
    theirs = getattr(transformers, kind).from_pretrained(tmp_path)

    torch.testing.assert_close(foreign_logits(theirs, text), our_logits(ours, text), rtol=0, atol=1e-4)
    assert theirs.config.eos_token_id == 1
    again, facts = load_model(tmp_path)
    assert facts.end_tokens == (1,)
    for (name, one), two in zip(ours.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM"])
def test_states_and_pooled_states_of_a_bert_are_those_of_transformers(kind: str, text: Tensor, tmp_path: Path) -> None:
    theirs = foreign_model(kind, BERT)
    theirs.save_pretrained(tmp_path)
    ours, _ = load_model(tmp_path)
    assert isinstance(ours, Encoder)
    ours.eval()
    types = (torch.arange(text.shape[1]) > 12).long().expand_as(text)

    with torch.no_grad():
        places = torch.arange(text.shape[1]).expand_as(text)
        hidden = ours(text, places, torch.zeros_like(text), types)
        core = theirs if kind == "BertModel" else theirs.bert
        answer = core(input_ids=text, token_type_ids=types)

    torch.testing.assert_close(hidden, answer.last_hidden_state, rtol=0, atol=1e-4)
    assert ours.config.pooler == (kind == "BertModel")
    if ours.config.pooler:
        torch.testing.assert_close(ours.pooled(hidden[:, 0]), answer.pooler_output, rtol=0, atol=1e-4)


def test_a_model_that_no_family_can_express_is_kept_under_our_own_names(text: Tensor, tmp_path: Path) -> None:
    ours = rough_model(small_config(norm="layer", positions="sinusoidal", dropout=0.1, max_positions=99)).eval()

    assert save_model(ours, tmp_path, FACTS).model_type == "headrace"

    again, facts = load_model(tmp_path)
    assert (again.config, facts) == (ours.config, FACTS)
    assert torch.equal(our_logits(again.eval(), text), our_logits(ours, text))


@pytest.mark.parametrize("given", [{}, {"qk_norm": True}, {"qkv_bias": True, "norm": "layer", "norm_epsilon": 1e-6}])
def test_scaling_across_widths_can_be_worked_into_the_weights(given: dict[str, Any], text: Tensor) -> None:
    model = rough_model(small_config(base_width=8, **given)).eval()

    plain = unscaled(model)

    assert plain.config.base_width is None
    torch.testing.assert_close(our_logits(plain, text), our_logits(model, text), rtol=0, atol=1e-4)
    assert unscaled(plain) is plain


@pytest.mark.parametrize(
    ("given", "family"),
    [
        ({}, "llama"),
        ({"qk_norm": True}, "qwen3"),
        ({"qkv_bias": True}, "qwen2"),
        ({"qkv_bias": True, "output_bias": True}, "llama"),
        ({"output_bias": True}, "headrace"),
        ({"sliding_window": 4}, "mistral"),
        ({"embedding_scale": 2.0}, "headrace"),
        ({"base_width": 8}, "headrace"),
        ({"shape": "encoder"}, "headrace"),
        ({"norm_place": "post"}, "headrace"),
        ({"dropout": 0.1}, "llama"),
    ],
    ids=str,
)
def test_a_config_is_written_as_a_family_that_computes_the_same(given: dict[str, Any], family: str) -> None:
    assert family_for(small_config(**given)).model_type == family


@pytest.mark.parametrize("field", sorted(ModelConfig.model_fields))
def test_no_family_of_transformers_overlooks_a_setting(field: str) -> None:
    """Each setting is written into the config, fixed by the family, or only for training."""
    free_of_all = {"preset", "attention_dropout", "dropout", "stochastic_depth", "max_positions", "rope_theta"}
    others = {
        "shape": "encoder",
        "norm": "layer",
        "norm_place": "post",
        "positions": "none",
        "activation": "gelu",
        "gated": False,
        "tied": False,
        "qk_norm": True,
        "rope_scaling": {"kind": "linear", "factor": 2.0},
        "kv_heads": 1,
    }
    if field in free_of_all:
        return
    default = ModelConfig.model_fields[field].default
    other = others.get(field, True if default is False else 2 if default in (None, 0) else default * 2)
    related = {"source_depth": {"shape": "encoder_decoder"}, "pooler": {"shape": "encoder"}}
    related["head_transform"] = related["pooler"]
    config = ModelConfig(**{"depth": 5, **related.get(field, {}), field: other})
    for family in FAMILIES.values():
        if not family.misfits(config):
            written = family.write(config, FACTS)
            plain = ModelConfig(**related.get(field, {}))
            assert family.misfits(plain) or written != family.write(plain, FACTS), f"{family.model_type} loses {field}"


def test_weights_in_several_files_are_read_together(text: Tensor, tmp_path: Path) -> None:
    theirs = foreign_model(*FOREIGN["Llama"])
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1

    torch.testing.assert_close(
        our_logits(load_decoder(tmp_path), text), foreign_logits(theirs, text), rtol=0, atol=1e-4
    )

    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../elsewhere.safetensors"}}')
    with pytest.raises(InputError, match="files of the same folder"):
        load_decoder(tmp_path)


def test_a_head_that_is_said_to_be_the_embedding_and_is_not_is_refused(tmp_path: Path) -> None:
    foreign_model("LlamaForCausalLM", {**LLAMA, "tie_word_embeddings": True}).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"] + 1}, tmp_path / "model.safetensors")

    with pytest.raises(InputError, match="its head is not the embedding"):
        load_decoder(tmp_path)


def test_an_encoder_is_not_taken_for_a_model_that_continues_text(tmp_path: Path) -> None:
    foreign_model("BertModel", BERT).save_pretrained(tmp_path)

    with pytest.raises(InputError, match="shape encoder, wanted one that continues text"):
        load_decoder(tmp_path)


@pytest.mark.parametrize(
    ("kind", "given", "complaint"),
    [
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        (
            "qwen3",
            {"use_sliding_window": True, "layer_types": ["sliding_attention", "full_attention"] * 2},
            "take turns",
        ),
        ("t5", {"feed_forward_proj": "mixed-gelu"}, "feed_forward_proj is 'mixed-gelu'"),
        ("bert", {"is_decoder": True}, "is_decoder is True"),
        ("bert", UNTIED, "head is not the embedding"),
    ],
)
def test_what_a_family_can_do_and_we_cannot_is_refused(
    kind: str, given: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    save_model(rough_model(small_config(depth=4, **{**OURS[kind], "full_attention_blocks": 0})), tmp_path, FACTS)
    config = json.loads((tmp_path / "config.json").read_text()) | {"sliding_window": 4} | given
    (tmp_path / "config.json").write_text(json.dumps(config))

    with pytest.raises(InputError, match=complaint):
        load_model(tmp_path)
