"""`headrace convert`, and what continues text from its results."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from real_data import MINILM, SMOLLM, TEXT, real
from small_models import rough_decoder, rough_model, small_config
from small_road import END, Road
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from headrace.models.decoder import Decoder
from headrace.models.encoder import Encoder
from headrace.models.families import Facts
from headrace.models.hugging_face import save_model
from headrace.models.opened import open_model
from headrace.train.publish import Publication, write_model_folder

Headrace = Callable[..., Any]


@pytest.fixture
def folder(road: Road, tmp_path: Path) -> Path:
    """A model as training publishes it."""
    decoder = rough_decoder(small_config(base_width=16))
    write_model_folder(decoder, tmp_path / "trained", Publication(road.tokenizer_path, END, 32))
    return tmp_path / "trained"


GREEDY = ("--prompt", "the mill turns", "--max-tokens", "8", "--temperature", "0")


def test_a_model_says_the_same_in_every_format(headrace: Headrace, folder: Path, tmp_path: Path) -> None:
    said = headrace("generate", folder, *GREEDY).stdout
    assert said.startswith("the mill turns")

    steps = [("folder", ()), ("model.gguf", ("--type", "f32")), ("again", ())]
    source = folder
    for name, options in steps:
        done = headrace("convert", source, tmp_path / name, *options)
        assert (done.code, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{tmp_path / name}: ")
        source = tmp_path / name
        assert headrace("generate", source, *GREEDY).stdout == said
    tokenizer = AutoTokenizer.from_pretrained(source)
    inputs = torch.tensor([tokenizer("the mill turns")["input_ids"]])
    model = AutoModelForCausalLM.from_pretrained(source)
    found = model.generate(inputs, max_new_tokens=8, do_sample=False)[0, 1:]
    assert tokenizer.decode(found, skip_special_tokens=True).startswith(said.removesuffix("\n"))


@pytest.mark.slow
def test_an_onnx_file_gives_the_logits_of_the_model(headrace: Headrace, folder: Path, tmp_path: Path) -> None:
    done = headrace("convert", folder, tmp_path / "model.onnx")

    assert done.code == 0, done.stderr
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    model = open_model(folder).model.eval()
    assert isinstance(model, Decoder)
    for batch, time in [(1, 1), (3, 12), (1, 300)]:
        tokens = torch.randint(0, 400, (batch, time), generator=torch.Generator().manual_seed(1))
        mask = torch.ones_like(tokens)
        mask[-1, (time + 1) // 2 :] = 0  # the last row is padded
        (found,) = session.run(None, {"input_ids": tokens.numpy(), "attention_mask": mask.numpy()})
        wanted, used = model.logits(tokens).detach(), mask.bool()
        torch.testing.assert_close(torch.from_numpy(found)[used], wanted[used], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("convert", "trained", "model.bin"), "the ending '.bin' names no format. Add --to hf, gguf or onnx."),
        (("convert", "trained", "out", "--type", "f16"), "--type f16 is for GGUF; hf is always written in float32."),
        (("convert", "trained", "trained"), "trained: is there already"),
        (("convert", "nowhere", "out"), "nowhere"),
        (("convert", "missing.gguf", "out"), "missing.gguf: no such file or folder"),
        (("convert", "encoder", "out.gguf"), "no counterpart for models of the kind headrace"),
        (("convert", "bare", "out.gguf"), "no tokenizer.json beside the model"),
        (("generate", "encoder", "--prompt", "x"), "a model of shape encoder, wanted one that continues text"),
        (("generate", "bare", "--prompt", "x"), "no tokenizer.json beside the model"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_what_cannot_be_converted_is_said_in_one_line(
    words: tuple[str, ...],
    complaint: str,
    headrace: Headrace,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(rough_model(small_config(shape="encoder")), tmp_path / "encoder", Facts(400, 32))
    shutil.copyfile(folder / "tokenizer.json", tmp_path / "encoder" / "tokenizer.json")
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()

    done = headrace(*words)

    assert done.code == 2
    assert complaint in done.stderr
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*out.gguf*"))


def test_every_token_that_ends_a_text_is_known(folder: Path) -> None:
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 7]}))
    (folder / "chat_template.jinja").write_text("{{ messages }}")

    opened = open_model(folder)

    assert opened.facts.end_tokens == (0, 7)
    assert opened.chat_template == "{{ messages }}"


@pytest.mark.slow
def test_smollm_continues_as_it_should_from_its_file_and_from_a_folder(headrace: Headrace, tmp_path: Path) -> None:
    options = ("--prompt", "The capital of France is", "--max-tokens", "5", "--temperature", "0")
    path = real(SMOLLM)

    said = headrace("generate", path, *options).stdout
    headrace("convert", path, tmp_path / "smollm")

    assert said.startswith("The capital of France is Paris")
    assert headrace("generate", tmp_path / "smollm", *options).stdout == said
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(tmp_path / "smollm"),
        AutoTokenizer.from_pretrained(tmp_path / "smollm"),
    )
    tokens = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    ours = open_model(path).model.eval()
    assert isinstance(ours, Decoder)
    with torch.no_grad():
        torch.testing.assert_close(model(tokens).logits, ours.logits(tokens), rtol=0, atol=1e-4)
    assert tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False).startswith("<|im_start|>")


@pytest.mark.slow
def test_minilm_has_the_states_of_transformers_both_ways(headrace: Headrace, tmp_path: Path) -> None:
    path = real(MINILM)
    theirs, tokenizer = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    tokens = tokenizer(TEXT, return_tensors="pt")["input_ids"]

    assert headrace("convert", path, tmp_path / "minilm").code == 0
    again, ours = AutoModel.from_pretrained(tmp_path / "minilm").eval(), open_model(path).model.eval()

    assert isinstance(ours, Encoder)
    with torch.no_grad():
        wanted, hidden = theirs(tokens), ours.hidden(tokens)
        torch.testing.assert_close(hidden, wanted.last_hidden_state, rtol=0, atol=1e-4)
        torch.testing.assert_close(ours.pooled(hidden[:, 0]), wanted.pooler_output, rtol=0, atol=1e-4)
        torch.testing.assert_close(again(tokens).last_hidden_state, wanted.last_hidden_state, rtol=0, atol=1e-5)
    assert AutoTokenizer.from_pretrained(tmp_path / "minilm")(TEXT)["input_ids"] == tokens[0].tolist()


def test_help_of_convert_loads_no_torch() -> None:
    program = "import sys\nfrom headrace.cli.main import app\ntry: app(['convert', '-h'])\nexcept SystemExit: pass\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "False"
