"""GGUF files: read back as written, and read by transformers and llama.cpp with equal logits."""

import dataclasses
import json
import signal
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from real_data import SMOLLM, TEXT, real
from small_models import rough_model, small_config
from small_road import END, VOCABULARY_SIZE, Road
from test_families import OURS
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import AutoModelForCausalLM

from headrace.errors import InputError
from headrace.models.build import Model
from headrace.models.decoder import Decoder
from headrace.models.families import Facts
from headrace.models.gguf_files import GGUFModel, GGUFType, read_model, write_model
from headrace.models.gguf_files.layout import from_theirs, to_theirs
from headrace.tokens.formats.gguf_fields import gguf_fields

FACTS = Facts(VOCABULARY_SIZE, 64, begin_token=END, end_tokens=(END,))
TOKENS = torch.randint(0, VOCABULARY_SIZE, (1, 24), generator=torch.Generator().manual_seed(1))
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama, untied and wide": {"tied": False, "head_size": 20, "rope_scaling": {"kind": "ntk", "factor": 2.0}},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": True, "head_size": 128},
    "gpt2": {**OURS["gpt2"], "max_positions": 1024, "feed_forward": 128},
    "across widths": {"base_width": 16},
}
"""Of Qwen 3 and GPT-2 transformers' reader takes some sizes to be the usual ones, whatever the file says."""
KINDS: tuple[GGUFType, ...] = ("f32", "f16", "q8_0")


@pytest.fixture(scope="module")
def tokenizer(road: Road) -> Tokenizer:
    return Tokenizer.from_file(str(road.tokenizer_path))


def model_of(name: str) -> Decoder:
    model = rough_model(small_config(**CONFIGS[name])).eval()
    assert isinstance(model, Decoder)
    return model


def write(model: Model, path: Path, tokenizer: Tokenizer, kind: GGUFType = "f32", facts: Facts = FACTS) -> Path:
    write_model(model, path, facts=facts, tokenizer=tokenizer, kind=kind, begins=True, chat_template="{{ messages }}")
    return path


@torch.no_grad()
def logits(model: Model, tokens: Tensor = TOKENS) -> Tensor:
    assert isinstance(model, Decoder)
    return model.eval().logits(tokens)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_file_is_read_back_as_it_was_written(name: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = model_of(name)

    again = read_model(write(model, tmp_path / "model.gguf", tokenizer))

    facts = dataclasses.replace(FACTS, max_positions=model.config.max_positions or 64)
    torch.testing.assert_close(logits(again.model), logits(model), rtol=0, atol=1e-5)
    assert (again.facts, again.begins, again.chat_template) == (facts, True, "{{ messages }}")
    for text in ("the mill turns 1234", "水轮慢转", " \r\n🙂 \u200b<|endoftext|>"):
        assert again.tokenizer.encode(text, add_special_tokens=False).ids == ids_of(tokenizer, text)
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "gpt2"])
def test_transformers_reads_the_logits_that_we_read(
    name: str, kind: GGUFType, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    path = write(model_of(name), tmp_path / "model.gguf", tokenizer, kind)

    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32).eval()

    with torch.no_grad():
        torch.testing.assert_close(theirs(TOKENS).logits, logits(read_model(path).model), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_is_off_by_no_more_than_its_type_rounds(kind: GGUFType, tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = model_of("qwen2")

    again = read_model(write(model, tmp_path / "model.gguf", tokenizer, kind)).model

    for (name, one), two in zip(model.named_parameters(), again.parameters(), strict=True):
        largest = one.detach().abs().amax(-1, keepdim=True)  # of a row; a block of 8 bits has no larger one
        share = 0.0 if one.dim() < 2 else {"f32": 0.0, "f16": 2**-11, "q8_0": 0.5 / 127 + 1e-3}[kind]
        bound = largest * share
        assert bool(((one - two).abs() <= bound).all()), name


@pytest.mark.parametrize("kind", KINDS)
def test_llama_cpp_gives_our_logits(kind: GGUFType, tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = write(rough_model(small_config(width=64, feed_forward=96)), tmp_path / "model.gguf", tokenizer, kind)

    found = llama_cpp_logits(path, TOKENS[0].tolist())

    tolerance = {"f32": 1e-4, "f16": 2e-2, "q8_0": 0.3}[kind]  # it also rounds activations, to the type of the weights
    np.testing.assert_allclose(found, logits(read_model(path).model)[0].numpy(), rtol=0, atol=tolerance)


def llama_cpp_logits(path: Path, tokens: list[int]) -> Any:
    """Logits of llama.cpp, in a process of its own: a build for another processor would end ours."""
    if find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed")
    program = (
        "import json, sys, numpy, llama_cpp\n"
        "exact = {'type_k': llama_cpp.GGML_TYPE_F32, 'type_v': llama_cpp.GGML_TYPE_F32}\n"
        "model = llama_cpp.Llama(sys.argv[1], logits_all=True, n_ctx=512, n_threads=1, verbose=False, **exact)\n"
        "tokens = json.loads(sys.argv[2]); model.eval(tokens)\n"
        "numpy.save(sys.argv[1] + '.npy', model.scores[: len(tokens)])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(path), json.dumps(tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGILL:
        pytest.skip("this build of llama.cpp does not run on this processor")
    assert done.returncode == 0, done.stderr
    return np.load(f"{path}.npy")


@pytest.mark.parametrize("heads", [1, 3])
def test_channels_come_back_to_their_places(heads: int) -> None:
    config = small_config(width=48, heads=heads, kv_heads=1, head_size=16)
    array = np.random.default_rng(1).normal(size=(heads * 16, 5)).astype(np.float32)
    name = "model.layers.0.self_attn.q_proj.weight"

    turned = to_theirs(name, array, kind="llama", config=config)

    assert turned.reshape(heads, 16, 5)[0, :4].tolist() == array.reshape(heads, 16, 5)[0, [0, 8, 1, 9]].tolist()
    assert np.array_equal(from_theirs(name, turned, kind="llama", config=config), array)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"sliding_window": 4}, "models of the kind mistral"),
        ({"qkv_bias": True, "sliding_window": 4}, "sliding_window"),
        ({"norm": "layer"}, "models of the kind headrace"),
        ({"activation": "gelu"}, "activation gelu"),
        ({"rope_scaling": {"kind": "llama3", "factor": 4.0, "original_positions": 32}}, "rope_scaling of kind llama3"),
    ],
    ids=str,
)
def test_what_llama_cpp_cannot_compute_is_not_written(
    given: dict[str, Any], complaint: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"no counterpart for {complaint}"):
        write(rough_model(small_config(**given)), tmp_path / "model.gguf", tokenizer)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_of_another_kind_is_not_written(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="kind WordLevel"):
        gguf_fields(Tokenizer(models.WordLevel({"a": 0}, "a")), vocabulary_size=1)
    other = Tokenizer.from_str(tokenizer.to_str())
    other.pre_tokenizer = None
    with pytest.raises(InputError, match="no name for"):
        gguf_fields(other, vocabulary_size=1)


def test_ids_without_a_token_are_filled_up(tokenizer: Tokenizer) -> None:
    fields = gguf_fields(tokenizer, vocabulary_size=VOCABULARY_SIZE + 2)

    assert fields["tokens"][-2:] == [f"[PAD{VOCABULARY_SIZE}]", f"[PAD{VOCABULARY_SIZE + 1}]"]
    assert fields["token_type"][END] == gguf.TokenType.CONTROL
    assert fields["token_type"][-1] == gguf.TokenType.UNUSED


def test_a_damaged_file_is_refused_by_name(tokenizer: Tokenizer, tmp_path: Path) -> None:
    whole = write(model_of("llama"), tmp_path / "whole.gguf", tokenizer).read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in (1, 30, 2_000, len(whole) // 2, len(whole) - 40):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.gguf"):
            read_model(cut)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"llama", b"mamba", "a model of the kind 'mamba'"),
        (b"blk.0.attn_q.weight", b"blk.9.attn_q.weight", "not a llama model that can be read"),
        (b"llama.block_count", b"llama.block_coupt", "not a llama model that can be read"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    old: bytes, new: bytes, complaint: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    path = write(model_of("llama"), tmp_path / "model.gguf", tokenizer)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))

    with pytest.raises(InputError, match=complaint):
        read_model(path)


@pytest.mark.parametrize("kind", [3, 199])
def test_a_tensor_of_an_unknown_type_or_size_is_refused(kind: int, tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = write(model_of("llama"), tmp_path / "model.gguf", tokenizer)
    data = bytearray(path.read_bytes())
    at = data.index(b"token_embd.weight") + len(b"token_embd.weight")
    data[at + 20 : at + 24] = struct.pack("<I", kind)  # behind two dimensions
    path.write_bytes(data)

    with pytest.raises(InputError, match="not a llama model that can be read"):
        read_model(path)


@pytest.fixture(scope="module")
def smollm() -> GGUFModel:
    return read_model(real(SMOLLM))


@pytest.mark.slow
def test_smollm_knows_the_capital_of_france(smollm: GGUFModel) -> None:
    tokens = ids_of(smollm.tokenizer, "The capital of France is")

    best = int(logits(smollm.model, torch.tensor([tokens]))[0, -1].argmax())

    assert smollm.tokenizer.decode([best]) == " Paris"


@pytest.mark.slow
def test_smollm_has_the_logits_that_transformers_reads(smollm: GGUFModel) -> None:
    path, tokens = real(SMOLLM), torch.tensor([ids_of(smollm.tokenizer, TEXT)])
    theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()

    with torch.no_grad():
        wanted = theirs(tokens).logits
    torch.testing.assert_close(logits(smollm.model, tokens), wanted, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["f32", "q8_0"])
def test_smollm_gives_llama_cpp_our_logits(kind: GGUFType, smollm: GGUFModel, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_model(smollm.model, path, facts=smollm.facts, tokenizer=smollm.tokenizer, kind=kind, begins=smollm.begins)
    tokens = ids_of(smollm.tokenizer, TEXT)

    found = torch.from_numpy(llama_cpp_logits(path, tokens))

    ours = logits(read_model(path).model, torch.tensor([tokens]))[0]
    if kind == "f32":
        torch.testing.assert_close(found, ours, rtol=0, atol=2e-4)
    # In 8 bits llama.cpp rounds what goes into each product as well: probabilities, not logits, stay close.
    divergence = (ours.softmax(-1) * (ours.log_softmax(-1) - found.log_softmax(-1))).sum(-1).mean()
    print(f"{kind}: {float((found - ours).abs().max()):.2g} at most, divergence {float(divergence):.2g} nats a token")
    assert float(divergence) < {"f32": 1e-6, "q8_0": 0.01}[kind]
