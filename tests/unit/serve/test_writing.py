"""Targets of an encoder-decoder: those that transformers' T5 writes, greedily and with beams."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import roughen

from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.hugging_face import load_model
from headrace.models.transformer import keep_for_reading
from headrace.serve.writing import SequenceWriter, WritingConfig

VOCABULARY, START, END, LENGTH = 60, 0, 1, 20
SIZES = {"vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
VARIANTS: dict[str, dict[str, Any]] = {
    "T5": {},
    "T5 1.1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
}
SOURCES = [
    torch.randint(2, VOCABULARY, (length,), generator=torch.Generator().manual_seed(length)).tolist()
    for length in (3, 9, 1, 14, 5, 6)
]


def make_pair(variant: str, folder: Path, *, seed: int) -> tuple[Any, EncoderDecoder]:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(**SIZES, **VARIANTS[variant], decoder_start_token_id=START, eos_token_id=END, pad_token_id=0)
    theirs = roughen(T5ForConditionalGeneration(config).eval(), seed=seed)
    with torch.no_grad():  # peaked enough to prefer something, and now and then the end
        head = theirs.get_output_embeddings().weight
        head.mul_(2 if variant == "T5" else 1)
        head[END] = head[2:12].sum(dim=0)
    theirs.save_pretrained(folder)
    ours, _ = load_model(folder)
    assert isinstance(ours, EncoderDecoder)
    return theirs, ours


@pytest.fixture(scope="module", params=[(name, seed) for name in VARIANTS for seed in (1, 2)], ids=str)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, EncoderDecoder]:
    variant, seed = request.param
    return make_pair(variant, tmp_path_factory.mktemp("t5"), seed=seed)


def generate(theirs: Any, sources: list[list[int]], **given: Any) -> list[list[int]]:
    """Theirs, without start, end and padding."""
    longest = max(map(len, sources))
    ids = torch.tensor([source + [0] * (longest - len(source)) for source in sources])
    mask = torch.tensor([[1] * len(source) + [0] * (longest - len(source)) for source in sources])
    with torch.inference_mode():
        found = theirs.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=LENGTH, **given)
    targets = []
    for row in found[:, 1:].tolist():
        length = min([row.index(token) for token in (END,) if token in row], default=len(row))
        targets.append(row[:length])
    return targets


@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (2, 1.0), (4, 0.0), (4, 1.0), (4, 2.5), (3, -1.0)], ids=str)
def test_targets_are_those_of_transformers(beams: int, penalty: float, pair: tuple[Any, EncoderDecoder]) -> None:
    theirs, ours = pair
    writer = SequenceWriter(ours, start_token=START, end_tokens=[END])
    given = {"num_beams": beams} | ({"length_penalty": penalty} if beams > 1 else {})

    found = writer.write(SOURCES, WritingConfig(max_tokens=LENGTH, beams=beams, length_penalty=penalty))

    assert found == generate(theirs, SOURCES, **given)


def test_some_targets_end_and_some_do_not(pair: tuple[Any, EncoderDecoder]) -> None:
    """What the comparison above needs to be worth something."""
    writer = SequenceWriter(pair[1], start_token=START, end_tokens=[END])
    config = WritingConfig(max_tokens=LENGTH, beams=4, length_penalty=0.0)

    lengths = [len(target) for target in writer.write(SOURCES, config)]

    assert min(lengths) < LENGTH
    assert len(set(lengths)) > 1


def score(model: EncoderDecoder, source: list[int], target: list[int], penalty: float) -> float:
    """Log-likelihood of a target, its end included where it has room for one, over its length."""
    whole = [*target, END][:LENGTH]
    with torch.no_grad():
        logits_TV = model.logits(torch.tensor([source]), torch.tensor([[START, *whole[:-1]]]))[0]
    likelihood = torch.log_softmax(logits_TV, dim=-1).gather(1, torch.tensor(whole)[:, None]).sum()
    return float(likelihood) / len(whole) ** penalty


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beams_find_targets_no_worse_than_the_likeliest_tokens_do(
    penalty: float, pair: tuple[Any, EncoderDecoder]
) -> None:
    """Taken together: beams may lose the greedy path of a single source on their way, in anyone's search."""
    _, ours = pair
    writer = SequenceWriter(ours, start_token=START, end_tokens=[END])
    config = WritingConfig(max_tokens=LENGTH, beams=8, length_penalty=penalty)

    greedy, best = writer.write(SOURCES, WritingConfig(max_tokens=LENGTH)), writer.write(SOURCES, config)

    totals = [
        sum(score(ours, source, target, penalty) for source, target in zip(SOURCES, targets, strict=True))
        for targets in (greedy, best)
    ]
    assert totals[1] >= totals[0] - 1e-4


@pytest.mark.parametrize("beams", [1, 3])
def test_a_target_depends_on_no_other_source(beams: int, pair: tuple[Any, EncoderDecoder]) -> None:
    writer = SequenceWriter(pair[1], start_token=START, end_tokens=[END])
    config = WritingConfig(max_tokens=LENGTH, beams=beams)

    assert writer.write(SOURCES, config) == [writer.write([source], config)[0] for source in SOURCES]
    assert writer.write([], config) == []


@pytest.mark.parametrize("beams", [1, 4])
def test_a_model_kept_for_reading_writes_targets_about_as_likely(beams: int, tmp_path: Path) -> None:
    _, exact = make_pair("T5 1.1", tmp_path, seed=3)
    ours, _ = load_model(tmp_path)
    assert isinstance(ours, EncoderDecoder)
    keep_for_reading(ours)
    config = WritingConfig(max_tokens=LENGTH, beams=beams)

    found = SequenceWriter(ours, start_token=START, end_tokens=[END]).write(SOURCES, config)
    wanted = SequenceWriter(exact, start_token=START, end_tokens=[END]).write(SOURCES, config)

    for source, quick, best in zip(SOURCES, found, wanted, strict=True):
        assert score(exact, source, quick, 1.0) > score(exact, source, best, 1.0) - 0.5
