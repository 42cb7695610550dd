"""The decoder: packed documents as if alone, cached tokens as if at once, sizes as promised."""

from itertools import pairwise

import pytest
import torch
from small_models import inputs_of, rough_decoder, small_config
from small_road import END, VOCABULARY_SIZE, Road
from torch import Tensor

from headrace.models import ModelConfig
from headrace.models.config import PRESETS
from headrace.models.decoder import Decoder, KeyValueCache, build_decoder
from headrace.tokens import Batch, BatchStream, TokenStore
from headrace.tokens.batch import PADDING_DOCUMENT


@pytest.fixture
def batch(road: Road) -> Batch:
    """Rows, one of them of three documents at least."""
    stream = BatchStream(TokenStore(road.tokens, "train"), end_token=END, seed=3, batch_rows=6)
    return next(batch for batch in map(stream.batch, range(100)) if most_documents(batch) >= 3)


def most_documents(batch: Batch) -> int:
    return max(len(set(row) - {PADDING_DOCUMENT}) for row in batch.documents_BT.tolist())


def pieces_of(batch: Batch) -> list[tuple[int, slice]]:
    """Row and place of every piece of a document."""
    pieces = []
    for row, documents in enumerate(batch.documents_BT):
        starts = [t for t in range(len(documents)) if t == 0 or documents[t] != documents[t - 1]] + [len(documents)]
        for start, end in pairwise(starts):
            if documents[start] != PADDING_DOCUMENT:
                pieces.append((row, slice(start, end)))
    return pieces


def alone(decoder: Decoder, tokens: Tensor) -> Tensor:
    """Hidden states of one document by itself."""
    return decoder(tokens[None], torch.arange(len(tokens))[None], torch.zeros(1, len(tokens), dtype=torch.int64))[0]


@pytest.mark.parametrize("qk_norm", [False, True])
def test_documents_in_a_packed_row_are_as_if_alone(qk_norm: bool, batch: Batch) -> None:
    decoder = rough_decoder(small_config(qk_norm=qk_norm))
    tokens, *_ = inputs_of(batch)

    packed = decoder(*inputs_of(batch))

    for row, place in pieces_of(batch):
        torch.testing.assert_close(packed[row, place], alone(decoder, tokens[row, place]), rtol=1e-4, atol=1e-5)


def test_gradients_of_a_packed_row_are_the_sum_over_its_documents(batch: Batch) -> None:
    together, apart = rough_decoder(small_config()), rough_decoder(small_config())
    tokens, *_ = inputs_of(batch)
    wanted = torch.randn(*tokens.shape, 32, generator=torch.Generator().manual_seed(1))
    used = torch.from_numpy(batch.documents_BT != PADDING_DOCUMENT)

    ((together(*inputs_of(batch)) * wanted).sum(-1) * used).sum().backward()
    for row, place in pieces_of(batch):
        (alone(apart, tokens[row, place]) * wanted[row, place]).sum().backward()

    for (name, one), two in zip(together.named_parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-4, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("chunks", [[12], [1] * 12, [5, 1, 1, 5], [11, 1]])
@pytest.mark.parametrize("qk_norm", [False, True])
def test_logits_from_a_cache_are_those_of_the_whole_row(chunks: list[int], qk_norm: bool) -> None:
    config = small_config(qk_norm=qk_norm, tied=False)
    decoder = rough_decoder(config)
    tokens = torch.randint(0, VOCABULARY_SIZE, (2, 12), generator=torch.Generator().manual_seed(1))
    cache = KeyValueCache(config, batch=2, max_positions=12, dtype=torch.float32)

    with torch.no_grad():
        whole = decoder.logits(tokens)
        for part, end in zip(tokens.split(chunks, dim=1), torch.tensor(chunks).cumsum(0).tolist(), strict=True):
            torch.testing.assert_close(decoder.next_logits(part, cache), whole[:, end - 1], rtol=1e-4, atol=1e-4)
            assert cache.length == end


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("qk_norm", [True, False])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_the_formula_counts_every_parameter_once(kv_heads: int, qk_norm: bool, tied: bool) -> None:
    config = small_config(kv_heads=kv_heads, qk_norm=qk_norm, tied=tied)

    assert config.num_parameters(300) == sum(parameter.numel() for parameter in Decoder(config, 300).parameters())


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_the_parameters_it_says(preset: str) -> None:
    config = ModelConfig(preset=preset)
    with torch.device("meta"):
        decoder = Decoder(config, 8_192)

    millions = sum(parameter.numel() for parameter in decoder.parameters()) / 1e6
    assert millions == pytest.approx(config.num_parameters(8_192) / 1e6)
    assert round(millions) == {"tiny": 9, "small": 33, "base": 82}[preset]


def test_fresh_weights_depend_on_the_seed_and_on_nothing_else() -> None:
    torch.manual_seed(1)
    one = build_decoder(small_config(), 300, seed=5)
    torch.manual_seed(2)
    same, other = build_decoder(small_config(), 300, seed=5), build_decoder(small_config(), 300, seed=6)

    pairs = zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True)
    for (name, a), b, c in pairs:
        assert torch.equal(a, b), name
        assert torch.equal(a, c) == (a.dim() == 1), name


def test_a_fresh_decoder_expects_every_token_about_equally() -> None:
    decoder = build_decoder(small_config(), 300, seed=5)
    tokens = torch.arange(20)[None]

    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(decoder.logits(tokens)[0, :-1], tokens[0, 1:])

    assert float(loss) == pytest.approx(torch.tensor(300.0).log().item(), abs=0.1)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"width": 33}, "width 33 must be heads 4 times an even number"),
        ({"width": 36}, "width 36 must be heads 4 times an even number"),
        ({"kv_heads": 3}, "kv_heads 3 must divide heads 4"),
        ({"depth": 0}, "depth"),
        ({"rope_theta": 0.0}, "rope_theta"),
        ({"layers": 3}, "layers"),
    ],
)
def test_an_impossible_shape_is_refused_by_name(given: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        small_config(**given)
