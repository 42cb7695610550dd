"""Models that are not the default one in the training loop: what is left out by chance, other parts, other widths."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_models import small_config, small_stage, train_and_listen, train_until
from small_road import Road

from headrace.models.hugging_face import load_decoder, read_config
from headrace.store import Artefact

NOISY = {"dropout": 0.1, "attention_dropout": 0.1, "stochastic_depth": 0.2}


def weights(folder: Path) -> bytes:
    return (folder / "output" / "model.safetensors").read_bytes()


def test_a_noisy_run_that_was_stopped_goes_on_as_if_it_had_not_been(road: Road, tmp_path: Path) -> None:
    model = small_config(**NOISY)
    train_and_listen(small_stage(road, tmp_path / "whole", model=model))
    train_until(small_stage(road, tmp_path / "halves", model=model), step=5)

    train_and_listen(small_stage(road, tmp_path / "halves", model=model))

    assert weights(tmp_path / "halves") == weights(tmp_path / "whole")


def test_what_is_left_out_depends_on_the_seed_and_is_kept_for_the_next_stage(road: Road, tmp_path: Path) -> None:
    for name, given in {"noisy": NOISY, "plain": {}}.items():
        train_and_listen(small_stage(road, tmp_path / name, model=small_config(**given)))

    assert weights(tmp_path / "noisy") != weights(tmp_path / "plain")
    assert load_decoder(tmp_path / "noisy" / "output").config == small_config(**NOISY)
    next_stage = replace(small_stage(road, tmp_path / "next"), initial=Artefact(tmp_path / "noisy" / "output"))
    train_and_listen(next_stage)
    assert load_decoder(next_stage.workspace.output).config == small_config(**NOISY)


@pytest.mark.parametrize(
    ("family", "given"),
    [
        (
            "gpt2",
            {
                "norm": "layer",
                "positions": "learned",
                "max_positions": 32,
                "activation": "gelu_tanh",
                "gated": False,
                "kv_heads": 4,
                "qkv_bias": True,
                "output_bias": True,
                "feed_forward_bias": True,
            },
        ),
        ("headrace", {"positions": "relative", "norm_place": "post"}),
        ("mistral", {"sliding_window": 8}),
        ("headrace", {"base_width": 16}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_another_decoder_learns_and_is_published(
    family: str, given: dict[str, Any], road: Road, tmp_path: Path
) -> None:
    stage = small_stage(road, tmp_path, model=small_config(**given))

    summary, told = train_and_listen(stage)

    losses = [record["loss"] for record in told if record["name"] == "train_metrics"]
    assert losses[-1] < losses[0] - 0.5
    assert read_config(stage.workspace.output)["model_type"] == family
    card = (stage.workspace.output / "README.md").read_text()
    assert card.startswith(f"---\nlibrary_name: {'headrace' if family == 'headrace' else 'transformers'}\n")
    assert ("AutoModelForCausalLM" in card) == (family != "headrace")
    assert load_decoder(stage.workspace.output).config == stage.model
    assert summary["parameters"] == stage.model.num_parameters(400)
