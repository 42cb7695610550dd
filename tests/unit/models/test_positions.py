"""Positions against transformers' own rules and against the formulas of the papers."""

import math
from typing import Any

import pytest
import torch
from small_models import small_config
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.t5.modeling_t5 import T5Attention

from headrace.models.positions import rotary_base, rotary_factors, rotation_factor, sinusoids
from headrace.models.relative import RelativeBias, bucket_of
from headrace.models.rotary_scaling import RotaryScaling

SCALINGS: dict[str, dict[str, Any]] = {
    "linear": {"factor": 4.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 64},
    "yarn, other bounds": {
        "factor": 8.0,
        "original_max_position_embeddings": 512,
        "beta_fast": 16.0,
        "beta_slow": 2.0,
        "truncate": False,
        "attention_factor": 0.9,
    },
    "llama3": {
        "factor": 8.0,
        "original_max_position_embeddings": 128,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
}
NAMES = {
    "original_max_position_embeddings": "original_positions",
    "low_freq_factor": "low_frequency_factor",
    "high_freq_factor": "high_frequency_factor",
}


@pytest.mark.parametrize("name", SCALINGS)
def test_scaled_rotation_is_that_of_transformers(name: str) -> None:
    given, kind = SCALINGS[name], name.split(",")[0]
    foreign = LlamaConfig(
        hidden_size=256,
        num_attention_heads=4,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": kind, "rope_theta": 5_000.0, **given},
    )
    frequency, factor = ROPE_INIT_FUNCTIONS[kind](foreign, torch.device("cpu"))
    scaling = RotaryScaling(kind=kind, **{NAMES.get(key, key): value for key, value in given.items()})
    config = small_config(width=256, heads=4, kv_heads=4, rope_theta=5_000.0, rope_scaling=scaling)
    position = torch.tensor([[0, 1, 7, 63, 700]])

    cosine, sine = rotary_factors(config, position)

    angle = position[:, None, :, None].float() * frequency
    torch.testing.assert_close(cosine, angle.cos() * factor, rtol=0, atol=1e-4)
    torch.testing.assert_close(sine, angle.sin() * factor, rtol=0, atol=1e-4)
    assert rotation_factor(scaling) == pytest.approx(factor)


def test_ntk_leaves_the_fastest_pair_and_slows_the_slowest_by_the_factor() -> None:
    plain = small_config(width=256, heads=4, kv_heads=4)
    scaled = plain.model_copy(update={"rope_scaling": RotaryScaling(kind="ntk", factor=4.0)})
    fastest, slowest = ([rotary_base(config) ** -(pair / 64) for config in (plain, scaled)] for pair in (0, 62))

    assert fastest[0] == fastest[1]
    assert slowest[0] / slowest[1] == pytest.approx(4.0)


def test_sinusoids_are_those_of_the_paper() -> None:
    found = sinusoids(8, torch.tensor([[0, 3, 500]]))

    for row, position in enumerate((0, 3, 500)):
        for pair in range(4):
            angle = position / 10_000 ** (2 * pair / 8)
            assert float(found[0, row, 2 * pair]) == pytest.approx(math.sin(angle), abs=1e-4)
            assert float(found[0, row, 2 * pair + 1]) == pytest.approx(math.cos(angle), abs=1e-4)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (8, 20), (16, 64)])
def test_buckets_are_those_of_transformers(num_buckets: int, max_distance: int, causal: bool) -> None:
    distance = torch.arange(-300, 301)

    found = bucket_of(distance, num_buckets=num_buckets, max_distance=max_distance, causal=causal)

    wanted = T5Attention._relative_position_bucket(
        distance, bidirectional=not causal, num_buckets=num_buckets, max_distance=max_distance
    )
    assert found.tolist() == wanted.tolist()


def test_a_bias_is_the_table_looked_up_at_each_distance() -> None:
    table = RelativeBias(small_config(positions="relative", relative_buckets=8, relative_distance=20), causal=False)
    with torch.no_grad():
        table.weight.normal_(generator=torch.Generator().manual_seed(1))
    place = torch.arange(30)

    found = table(place[20:], place)

    for query, key in [(20, 0), (25, 25), (29, 3), (21, 29)]:
        bucket = int(bucket_of(torch.tensor(key - query), num_buckets=8, max_distance=20, causal=False))
        assert torch.equal(found[:, query - 20, key], table.weight[bucket])


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"kind": "yarn", "factor": 2.0}, "needs original_positions"),
        ({"kind": "llama3", "factor": 2.0}, "needs original_positions"),
        ({"kind": "linear", "factor": 0.5}, "factor"),
        ({"kind": "dynamic", "factor": 2.0}, "kind"),
        ({"kind": "linear", "factor": 2.0, "low_frequency_factor": 4.0}, "must be above low_frequency_factor"),
    ],
    ids=str,
)
def test_an_impossible_scaling_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RotaryScaling(**given)
