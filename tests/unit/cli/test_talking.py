"""`headrace generate` and `headrace chat`: many prompts at once, and conversations by the model's own template."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_models import rough_decoder, small_config
from small_road import END, Road

from headrace.serve import SamplingConfig, TextGenerator
from headrace.train.publish import Publication, write_model_folder

Headrace = Callable[..., Any]
PROMPTS = ["the mill", "", "水轮慢转 the river", "a", "<|endoftext|> water"]
TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}] {{ message.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


@pytest.fixture(scope="module")
def folder(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("model")
    decoder = rough_decoder(small_config())
    write_model_folder(decoder, folder, Publication(road.tokenizer_path, END, 256))
    return folder


@pytest.mark.parametrize("options", [("--temperature", "0"), ("--temperature", "1", "--seed", "3")], ids=str)
def test_prompts_of_a_file_are_continued_as_each_is_alone(
    options: tuple[str, ...], headrace: Headrace, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")

    done = headrace("generate", folder, "--file", file, "--max-tokens", "9", *options)

    found = [json.loads(line) for line in done.stdout.splitlines()]
    alone = [
        json.loads(headrace("generate", folder, "--prompt", prompt, "--max-tokens", "9", "--json", *options).stdout)
        for prompt in PROMPTS
    ]
    assert found == alone
    assert [entry["prompt"] for entry in found] == PROMPTS


@pytest.mark.parametrize("given", [(), ("--prompt", "x", "--file", "y")], ids=["nothing", "both"])
def test_a_prompt_or_a_file_is_wanted(given: tuple[str, ...], headrace: Headrace, folder: Path) -> None:
    done = headrace("generate", folder, *given)

    assert done.code == 2
    assert "give either --prompt TEXT or --file FILE" in done.stderr


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_other_precisions_continue_too(precision: str, headrace: Headrace, folder: Path) -> None:
    done = headrace("generate", folder, "--prompt", "the mill", "--precision", precision, "--max-tokens", "8")

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("the mill")


def test_a_model_with_a_template_is_asked_as_the_template_writes_it(
    headrace: Headrace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer follows from all that was said, with the template's own special tokens."""
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    for path in folder.iterdir():
        (tuned / path.name).write_bytes(path.read_bytes())
    (tuned / "chat_template.jinja").write_text(TEMPLATE)
    monkeypatch.setattr("sys.stdin", io.StringIO("the mill?\nand <|endoftext|> water?\n"))

    done = headrace("chat", tuned, "--temperature", "0", "--max-tokens", "6")

    assert "The model answers" in done.stderr
    generator, config = TextGenerator(tuned), SamplingConfig(temperature=0.0, max_tokens=6)
    said = [{"role": "user", "content": "the mill?"}]
    first = "".join(generator.answer(said, config, seed=0))
    said += [{"role": "assistant", "content": first}, {"role": "user", "content": "and <|endoftext|> water?"}]
    second = "".join(generator.answer(said, config, seed=1))
    assert "".join(done.stdout.split()) == "".join(f"{first}{second}".split())
    assert not generator.generate("x", config).startswith("[")
