"""Adapters on disk: peft on the twin in transformers gives our logits, and we give its."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import rough_model, small_config
from test_adapters import KINDS, VOCABULARY, adapted, ids, learn, train
from test_families import OURS
from torch import Tensor, nn

from headrace.errors import InputError
from headrace.models.adapters.attached import Adapters, weights_of
from headrace.models.adapters.config import AdapterConfig
from headrace.models.adapters.injection import adapt
from headrace.models.adapters.peft_files import load_peft, save_peft
from headrace.models.build import Model
from headrace.models.families import Facts
from headrace.models.hugging_face import load_model, save_model

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
TEXT = ids(2, 9)
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("AutoModelForCausalLM", {}),
    "qwen3": ("AutoModelForCausalLM", {"qk_norm": True, "head_size": 10}),
    "gpt2": ("AutoModelForCausalLM", OURS["gpt2"]),
    "bert": ("AutoModelForMaskedLM", OURS["bert"]),
    "t5": ("AutoModelForSeq2SeqLM", OURS["t5"]),
}
BOTH_KNOW = [kind for kind in KINDS if kind != "bottleneck"]
PAIRS = [(family, kind) for family in FAMILIES for kind in BOTH_KNOW if (family, kind) != ("t5", "prefix")]


def saved(family: str, folder: Path) -> Model:
    model = rough_model(small_config(**FAMILIES[family][1]), vocabulary_size=VOCABULARY).eval()
    save_model(model, folder / "base", Facts(VOCABULARY, 64, end_tokens=(1,), pad_token=0, start_token=0))
    return model


def twin(family: str, folder: Path) -> Any:
    transformers = pytest.importorskip("transformers")
    return getattr(transformers, FAMILIES[family][0]).from_pretrained(folder / "base").eval()


def our_logits(adapters: Adapters) -> Tensor:
    model, num = adapters.model, adapters.config.num_placeholders
    text = torch.cat([torch.zeros(2, num, dtype=torch.long), TEXT], dim=1)
    return model.logits(text, TEXT[:, :6]) if model.config.shape == "encoder_decoder" else model.logits(text)[:, num:]


@torch.no_grad()
def their_logits(model: Any, skip: int) -> Tensor:
    if model.config.model_type == "t5":
        return model(input_ids=TEXT, decoder_input_ids=TEXT[:, :6]).logits
    return model(input_ids=TEXT).logits[:, skip:]


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_peft_and_we_read_each_other(family: str, kind: str, tmp_path: Path) -> None:
    adapters = learn(adapted(saved(family, tmp_path), kind))
    save_peft(adapters, tmp_path / "adapter", base=str(tmp_path / "base"))
    theirs = peft.PeftModel.from_pretrained(twin(family, tmp_path), tmp_path / "adapter").eval()
    skip = adapters.config.num_placeholders

    torch.testing.assert_close(their_logits(theirs, skip), our_logits(adapters), rtol=0, atol=1e-4)

    theirs.save_pretrained(tmp_path / "theirs")
    again = load_peft(load_model(tmp_path / "base")[0].eval(), tmp_path / "theirs")
    torch.testing.assert_close(our_logits(again), our_logits(adapters), rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore:The following rank_pattern keys:RuntimeWarning")  # peft's word on its own format
def test_ranks_that_were_taken_are_not_saved(tmp_path: Path) -> None:
    adapters = adapted(saved("llama", tmp_path), "adalora")
    train(adapters, range(1, 21))
    save_peft(adapters, tmp_path / "adapter", base=str(tmp_path / "base"), num_steps=20)
    theirs = peft.PeftModel.from_pretrained(twin("llama", tmp_path), tmp_path / "adapter").eval()
    again = load_peft(load_model(tmp_path / "base")[0].eval(), tmp_path / "adapter")

    torch.testing.assert_close(their_logits(theirs, 0), our_logits(adapters), rtol=0, atol=1e-4)
    torch.testing.assert_close(our_logits(again), our_logits(adapters), rtol=0, atol=1e-5)
    pattern = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["rank_pattern"]
    assert sum(map(sum, pattern.values())) == 2 * len(pattern)


def test_an_adapter_of_some_layers_only_is_read(tmp_path: Path) -> None:
    saved("llama", tmp_path)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, layers_to_transform=[1])
    theirs = peft.get_peft_model(twin("llama", tmp_path), config).eval()
    theirs.save_pretrained(tmp_path / "theirs")
    again = load_peft(load_model(tmp_path / "base")[0].eval(), tmp_path / "theirs")

    torch.testing.assert_close(our_logits(again), their_logits(theirs, 0), rtol=0, atol=1e-4)
    assert again.attached["default"].layers == tuple(
        f"blocks.1.attention.query_key_value.{part}" for part in ("query", "value")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_save_we_read(kind: str, tmp_path: Path) -> None:
    """On a model that transformers has no family for."""
    given = {"shape": "encoder", "norm": "rms"}
    model = rough_model(small_config(**given), vocabulary_size=VOCABULARY).eval()
    adapters = learn(adapted(model, kind))
    save_peft(adapters, tmp_path, base="nowhere")
    again = load_peft(rough_model(small_config(**given), vocabulary_size=VOCABULARY).eval(), tmp_path, name="other")

    assert torch.equal(our_logits(again), our_logits(adapters))


def test_several_adapters_are_loaded_beside_each_other(tmp_path: Path) -> None:
    wanted = {}
    for number, name in enumerate(("one", "two", "three")):
        adapters = learn(adapted(saved("llama", tmp_path), "lora"), seed=number)
        save_peft(adapters, tmp_path / name, base="base")
        wanted[name] = our_logits(adapters)
    model, _ = load_model(tmp_path / "base")
    loaded = load_peft(model, tmp_path / "one", name="one")
    for name in ("two", "three"):
        load_peft(model, tmp_path / name, name=name, beside=loaded)

    for name, logits in wanted.items():
        loaded.use(name)
        assert torch.equal(our_logits(loaded), logits)


def test_a_head_is_saved_and_read_with_the_adapter(tmp_path: Path) -> None:
    head = nn.Linear(32, 3, bias=False)
    adapters = adapted(saved("llama", tmp_path), "lora", heads={"score": head})
    save_peft(adapters, tmp_path / "adapter", base=str(tmp_path / "base"), task="SEQ_CLS")
    transformers = pytest.importorskip("transformers")
    kind = transformers.AutoModelForSequenceClassification
    theirs = peft.PeftModel.from_pretrained(kind.from_pretrained(tmp_path / "base", num_labels=3), tmp_path / "adapter")
    other = nn.Linear(32, 3, bias=False)
    load_peft(load_model(tmp_path / "base")[0], tmp_path / "adapter", heads={"score": other})

    assert torch.equal(theirs.base_model.model.score.modules_to_save["default"].weight, head.weight)
    assert torch.equal(other.weight, head.weight)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"use_rslora": True}, "use_rslora"),
        ({"peft_type": "VERA"}, "VERA"),
        ({"init_lora_weights": "pissa"}, "changes the base"),
        ({"r": 5}, "adapter_model.safetensors"),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(entries: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_peft(adapted(saved("llama", tmp_path), "lora"), tmp_path / "adapter", base="base")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))

    with pytest.raises(InputError, match=message):
        load_peft(load_model(tmp_path / "base")[0], tmp_path / "adapter")


def test_an_adapter_of_a_larger_model_is_refused(tmp_path: Path) -> None:
    larger = rough_model(small_config(depth=3), vocabulary_size=VOCABULARY)
    save_peft(adapted(larger, "lora"), tmp_path / "adapter", base="base")
    saved("llama", tmp_path)

    with pytest.raises(InputError, match="no place for"):
        load_peft(load_model(tmp_path / "base")[0], tmp_path / "adapter")


def test_names_are_short_where_they_are_clear(tmp_path: Path) -> None:
    config = AdapterConfig.model_validate({"lora": {"targets": "attention"}})
    for family, wanted in (("llama", ["k_proj", "o_proj", "q_proj", "v_proj"]), ("gpt2", None)):
        adapters = adapt(saved(family, tmp_path), config, seed=1, num_steps=1)
        save_peft(adapters, tmp_path / family, base="base")
        names = json.loads((tmp_path / family / "adapter_config.json").read_text())["target_modules"]
        assert names == wanted or (wanted is None and "transformer.h.0.attn.c_proj" in names and "c_attn" in names)
        assert weights_of(adapters.model, "default")
