"""All shapes and settings: packed documents as if alone, cached tokens as if at once, sizes as promised."""

from typing import Any

import pytest
import torch
from small_models import rough_model, small_config
from torch import Tensor

from headrace.models.build import Model, build_model, empty_model
from headrace.models.decoder import Decoder, KeyValueCache
from headrace.models.encoder import Encoder
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.rows import SourceRows

VOCABULARY_SIZE = 50
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "gpt2": {
        "norm": "layer",
        "positions": "learned",
        "max_positions": 32,
        "activation": "gelu_tanh",
        "gated": False,
        "qkv_bias": True,
        "output_bias": True,
        "feed_forward_bias": True,
        "kv_heads": 4,
    },
    "first transformer": {
        "norm": "layer",
        "norm_place": "post",
        "positions": "sinusoidal",
        "activation": "relu",
        "gated": False,
        "embedding_scale": 32**0.5,
        "qkv_bias": True,
        "kv_heads": 4,
    },
    "t5": {"positions": "relative", "head_size": 6, "attention_scale": 1.0, "relative_buckets": 8, "logit_scale": 0.2},
    "qwen": {"qk_norm": True, "qkv_bias": True, "head_size": 10, "sliding_window": 4, "full_attention_blocks": 1},
    "gelu, untied": {"activation": "gelu", "tied": False, "head_bias": True, "positions": "none"},
    "across widths": {"base_width": 16},
    "stretched": {"rope_scaling": {"kind": "yarn", "factor": 4.0, "original_positions": 64}},
}
BERT = {
    "norm": "layer",
    "norm_place": "post",
    "positions": "learned",
    "max_positions": 32,
    "activation": "gelu",
    "gated": False,
    "qkv_bias": True,
    "output_bias": True,
    "feed_forward_bias": True,
    "kv_heads": 4,
    "embedding_norm": True,
    "token_types": 2,
    "head_transform": True,
    "head_bias": True,
    "pooler": True,
}
TOKENS = torch.randint(0, VOCABULARY_SIZE, (2, 14), generator=torch.Generator().manual_seed(1))
LENGTHS = [(3, 6, 5), (9, 4, 1)]
"""Of the documents in each row."""


def model_of(name: str, **given: Any) -> Model:
    return rough_model(small_config(**{**SETTINGS[name], **given}), vocabulary_size=VOCABULARY_SIZE).eval()


def rows(lengths: list[tuple[int, ...]] = LENGTHS) -> tuple[Tensor, Tensor]:
    """Positions and document ids; the ids of a row go down, as those of no store do."""
    position = [[place for length in row for place in range(length)] for row in lengths]
    document = [[7 - number for number, length in enumerate(row) for _ in range(length)] for row in lengths]
    return torch.tensor(position), torch.tensor(document)


def places(lengths: tuple[int, ...]) -> list[slice]:
    ends = torch.tensor(lengths).cumsum(0).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


@pytest.mark.parametrize("name", SETTINGS)
def test_documents_of_a_decoder_are_as_if_alone(name: str) -> None:
    decoder = model_of(name)
    assert isinstance(decoder, Decoder)

    packed = decoder.compare(decoder(TOKENS, *rows()))

    for row, lengths in enumerate(LENGTHS):
        for place in places(lengths):
            alone = decoder.logits(TOKENS[row : row + 1, place])[0]
            torch.testing.assert_close(packed[row, place], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*SETTINGS, "bert"])
def test_documents_of_an_encoder_are_as_if_alone_and_see_what_follows(name: str) -> None:
    encoder = model_of("default", shape="encoder", **(BERT if name == "bert" else SETTINGS[name]))
    assert isinstance(encoder, Encoder)

    packed = encoder.compare(encoder.predictions(encoder(TOKENS, *rows())))

    for row, lengths in enumerate(LENGTHS):
        for place in places(lengths):
            alone = encoder.logits(TOKENS[row : row + 1, place])[0]
            torch.testing.assert_close(packed[row, place], alone, rtol=1e-4, atol=1e-5)
    changed = TOKENS.clone()
    changed[:, 13] = (changed[:, 13] + 1) % VOCABULARY_SIZE
    assert not torch.equal(encoder.hidden(changed)[:, 10], encoder.hidden(TOKENS)[:, 10])


@pytest.mark.parametrize("name", SETTINGS)
def test_documents_of_an_encoder_decoder_see_their_own_source_only(name: str) -> None:
    model = model_of(name, shape="encoder_decoder", source_depth=3)
    assert isinstance(model, EncoderDecoder)
    source_lengths = [(4, 2, 5), (1, 8, 2)]
    source = torch.randint(0, VOCABULARY_SIZE, (2, 11), generator=torch.Generator().manual_seed(2))

    packed = model.compare(model(TOKENS, *rows(), source=SourceRows(source, *rows(source_lengths))))

    for row in range(2):
        for target_place, source_place in zip(places(LENGTHS[row]), places(source_lengths[row]), strict=True):
            one = slice(row, row + 1)
            alone = model.logits(source[one, source_place], TOKENS[one, target_place])[0]
            torch.testing.assert_close(packed[row, target_place], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunks", [[14], [1] * 14, [6, 1, 7]], ids=str)
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_logits_from_a_cache_are_those_of_the_whole_row(shape: str, name: str, chunks: list[int]) -> None:
    model = model_of(name, shape=shape)
    assert not isinstance(model, Encoder)
    source = TOKENS[:, :9]

    with torch.no_grad():
        if isinstance(model, EncoderDecoder):
            whole, cache = model.logits(source, TOKENS), model.begin(source, max_positions=14)
        else:
            cache = KeyValueCache(model.config, batch=2, max_positions=14, dtype=torch.float32)
            whole = model.logits(TOKENS)
        for part, end in zip(TOKENS.split(chunks, dim=1), torch.tensor(chunks).cumsum(0).tolist(), strict=True):
            torch.testing.assert_close(model.next_logits(part, cache), whole[:, end - 1], rtol=1e-4, atol=1e-4)


def test_padding_of_a_source_is_not_read() -> None:
    model = model_of("t5", shape="encoder_decoder")
    assert isinstance(model, EncoderDecoder)
    visible = torch.arange(9)[None] < torch.tensor([[9], [5]])
    source = TOKENS[:, :9]

    padded = model.next_logits(TOKENS[:, :3], model.begin(source, max_positions=3, visible_BS=visible))

    alone = model.next_logits(TOKENS[1:, :3], model.begin(source[1:, :5], max_positions=3))
    torch.testing.assert_close(padded[1:], alone, rtol=1e-4, atol=1e-5)


def test_a_decoder_with_everything_in_its_prefix_reads_as_an_encoder_does() -> None:
    decoder, encoder = model_of("default"), model_of("default", shape="encoder")
    encoder.load_state_dict(decoder.state_dict())
    assert isinstance(decoder, Decoder)

    both_ways = decoder(TOKENS, *rows(), prefix_BT=torch.ones_like(TOKENS, dtype=torch.bool))

    torch.testing.assert_close(both_ways, encoder(TOKENS, *rows()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", ["decoder", "encoder", "encoder_decoder"])
@pytest.mark.parametrize("name", [*SETTINGS, "bert"])
def test_the_formula_counts_every_parameter_once(name: str, shape: str) -> None:
    given = BERT if name == "bert" else SETTINGS[name]
    if name == "bert" and shape != "encoder":
        given = {key: value for key, value in BERT.items() if key not in ("pooler", "head_transform")}
    config = small_config(**{**given, "shape": shape})

    model = empty_model(config, VOCABULARY_SIZE)

    assert config.num_parameters(VOCABULARY_SIZE) == sum(parameter.numel() for parameter in model.parameters())


def test_a_source_counts_in_the_operations_of_a_step() -> None:
    decoder, both = small_config(), small_config(shape="encoder_decoder", source_depth=4)

    products = 6.0 * both.num_parameters(VOCABULARY_SIZE)
    assert both.flops_per_token(VOCABULARY_SIZE, 100) == products + 12.0 * (4 + 2 * 2) * 32 * 100
    assert decoder.flops_per_token(VOCABULARY_SIZE, 100) == 6.0 * decoder.num_parameters(VOCABULARY_SIZE) + 76_800


@pytest.mark.parametrize("shape", ["encoder", "encoder_decoder"])
def test_fresh_weights_of_any_shape_depend_on_the_seed_only(shape: str) -> None:
    config = small_config(shape=shape)
    one, same, other = (build_model(config, VOCABULARY_SIZE, seed=seed) for seed in (5, 5, 6))

    for (name, a), b, c in zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert torch.equal(a, c) == (a.dim() == 1), name


@pytest.mark.parametrize("kind", ["dropout", "attention_dropout", "stochastic_depth"])
@pytest.mark.parametrize("shape", ["decoder", "encoder"])
def test_what_is_left_out_in_training_is_there_afterwards(shape: str, kind: str) -> None:
    noisy, plain = model_of("default", shape=shape, **{kind: 0.5}), model_of("default", shape=shape)
    torch.manual_seed(1)

    assert torch.equal(noisy.logits(TOKENS), plain.logits(TOKENS))
    noisy.train()
    assert not torch.equal(noisy.logits(TOKENS), plain.logits(TOKENS))


def test_stochastic_depth_skips_whole_branches_of_single_rows() -> None:
    model = model_of("default", depth=2, stochastic_depth=0.9).train()
    torch.manual_seed(1)
    many = TOKENS[:1].expand(400, -1)

    outcomes = model.logits(many)[:, 3].detach().mul(1_000).round().unique(dim=0)

    assert len(outcomes) == 4  # of the last block's two branches each is there or not; the first block skips nothing


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"positions": "learned"}, "needs max_positions"),
        ({"positions": "relative", "rope_scaling": {"kind": "linear", "factor": 2.0}}, "needs positions: rotary"),
        ({"positions": "relative", "relative_distance": 16}, "must be above half"),
        ({"source_depth": 2}, "source_depth needs shape: encoder_decoder"),
        ({"pooler": True}, "need shape: encoder"),
        ({"head_size": 7}, "head_size 7 must be even"),
        ({"dropout": 1.0}, "dropout"),
        ({"shape": "tower"}, "shape"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        small_config(**given)


def test_a_config_is_written_with_what_it_changes_and_read_back() -> None:
    plain, changed = small_config(), small_config(**SETTINGS["stretched"], dropout=0.1)

    assert set(plain.as_json()) == {
        *("preset", "depth", "width", "heads", "kv_heads", "feed_forward"),
        *("qk_norm", "tied", "rope_theta", "norm_epsilon"),
    }
    assert set(changed.as_json()) - set(plain.as_json()) == {"rope_scaling", "dropout"}
    assert type(changed).model_validate(changed.as_json()) == changed
