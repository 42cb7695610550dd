"""A model that answers: the tokens it should choose, in whole characters, past its own context."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import rough_decoder, small_config
from small_road import END, ROW_TOKENS, Road

from headrace.models.hugging_face import load_decoder
from headrace.serve import SamplingConfig, TextGenerator
from headrace.serve.sampling import draw
from headrace.tokens import load_vocabulary
from headrace.train.publish import Publication, write_model_folder

GREEDY = SamplingConfig(temperature=0.0, max_tokens=20)
LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=30, unique=True).map(torch.tensor)
PROMPTS = ("", "the mill", "水轮慢转河流入海", "🙂👩‍👩‍👧‍👦", " \r\n", "<|endoftext|>")


@pytest.fixture(scope="module")
def folder(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that hardly ever ends by itself: its end token is below the likeliest of the others."""
    folder = tmp_path_factory.mktemp("model")
    decoder = rough_decoder(small_config(tied=False))
    with torch.no_grad():
        decoder.head.weight[END] = 0.0
        decoder.head.weight[1:] *= 3
    write_model_folder(decoder, folder, Publication(road.tokenizer_path, END, ROW_TOKENS))
    return folder


@pytest.fixture(scope="module")
def generator(folder: Path) -> TextGenerator:
    return TextGenerator(folder, max_positions=ROW_TOKENS)


def draws(logits_V: torch.Tensor, count: int = 200, **given: float | None) -> list[int]:
    config = SamplingConfig(**{"temperature": 1.0, "top_k": None, "top_p": 1.0, **given})
    source = torch.Generator().manual_seed(1)
    return [draw(logits_V[None], config, [source])[0] for _ in range(count)]


@given(logits=LOGITS)
def test_without_temperature_or_with_one_candidate_the_likeliest_is_drawn(logits: torch.Tensor) -> None:
    best = int(logits.argmax())

    assert set(draws(logits, 5, temperature=0.0)) == {best}
    assert set(draws(logits, 5, top_k=1)) == {best}
    assert set(draws(logits, 5, top_p=1e-6)) == {best}


@given(logits=LOGITS, top_p=st.floats(0.01, 1), top_k=st.integers(1, 40), temperature=st.floats(0.05, 5))
def test_only_the_fewest_tokens_that_hold_the_wanted_probability_are_drawn(
    logits: torch.Tensor, top_p: float, top_k: int, temperature: float
) -> None:
    order = sorted(range(len(logits)), key=lambda token: -float(logits[token]))[:top_k]
    weights = torch.softmax(logits[order].double() / temperature, dim=0).tolist()
    allowed, mass = set(), 0.0
    for token, weight in zip(order, weights, strict=True):
        if mass < top_p + 1e-5:  # sums round: the token at the very edge may go either way
            allowed.add(token)
        mass += weight

    assert set(draws(logits, 20, top_p=top_p, top_k=top_k, temperature=temperature)) <= allowed


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    counts = torch.bincount(torch.tensor(draws(logits, 4_000)), minlength=3) / 4_000
    cold = torch.bincount(torch.tensor(draws(logits, 4_000, temperature=0.5)), minlength=3) / 4_000

    assert counts.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert cold.tolist() == pytest.approx([0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38], abs=0.03)


@pytest.mark.parametrize("given", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"max_tokens": 0}], ids=str)
def test_settings_that_make_no_sense_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        SamplingConfig(**given)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_likeliest_continuation_is_what_whole_passes_give(
    prompt: str, generator: TextGenerator, folder: Path
) -> None:
    """Within the context, without a cache, one argmax after the other."""
    decoder, tokenizer = load_decoder(folder), load_vocabulary(folder / "tokenizer.json")
    tokenizer.encode_special_tokens = True  # a prompt that looks like a special token is text
    history = [END, *tokenizer.encode(prompt, add_special_tokens=False).ids]
    num_new = ROW_TOKENS - len(history)
    assert num_new >= 5
    for _ in range(num_new):
        with torch.no_grad():
            history.append(int(decoder.logits(torch.tensor([history]))[0, -1].argmax()))

    text = generator.generate(prompt, SamplingConfig(temperature=0.0, max_tokens=num_new))

    whole = tokenizer.decode(history[-num_new:])
    assert whole.startswith(text)
    assert set(whole[len(text) :]) <= {"\ufffd"}  # a character that is not finished is not shown


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_same_seed_gives_the_same_text_and_another_one_another(prompt: str, generator: TextGenerator) -> None:
    config = SamplingConfig(temperature=1.0, max_tokens=20)
    texts = [generator.generate(prompt, config, seed=seed) for seed in (1, 1, 2, 3)]

    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_a_stream_is_whole_characters_and_joins_to_the_text(road: Road, tmp_path: Path) -> None:
    """A model that repeats a cycle of tokens by heart: every byte of Chinese and emoji comes as its own token."""
    text = "水轮🙂é👩‍👩‍👧x" * 3
    tokenizer = load_vocabulary(road.tokenizer_path)
    cycle = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(cycle) > len(text), "the test wants characters of several tokens"
    generator = TextGenerator(recite(cycle, road, tmp_path), max_positions=2 * len(cycle))

    pieces = list(generator.stream("", SamplingConfig(temperature=0.0, max_tokens=len(cycle)), seed=0))

    assert "".join(pieces) == text == generator.generate("", SamplingConfig(temperature=0.0, max_tokens=len(cycle)))
    assert all("\ufffd" not in piece for piece in pieces)
    assert len(pieces) > 10


def recite(tokens: list[int], road: Road, folder: Path) -> Path:
    """A model folder whose greedy continuation of nothing is these tokens, learnt in a few steps."""
    decoder = rough_decoder(small_config(tied=False, width=64))
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=5e-3)
    rows = torch.tensor([[END, *tokens]])
    for _ in range(300):
        loss = torch.nn.functional.cross_entropy(decoder.logits(rows[:, :-1])[0], rows[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.01:
            break
    write_model_folder(decoder, folder, Publication(road.tokenizer_path, END, rows.shape[1]))
    return folder


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_any_bytes_a_model_makes_up_are_streamed(temperature: float, generator: TextGenerator) -> None:
    """Hot samples are full of characters that never end; none may raise or be shown in halves of valid ones."""
    for seed in range(5):
        config = SamplingConfig(temperature=temperature, max_tokens=60, top_k=None, top_p=1.0)
        assert isinstance(generator.generate("水", config, seed=seed), str)


@pytest.mark.parametrize("length", [ROW_TOKENS - 2, ROW_TOKENS - 1, ROW_TOKENS, 5 * ROW_TOKENS])
def test_a_prompt_at_or_beyond_the_context_is_continued(length: int, generator: TextGenerator, folder: Path) -> None:
    tokenizer = load_vocabulary(folder / "tokenizer.json")
    prompt = "x" * length
    assert len(tokenizer.encode(prompt, add_special_tokens=False).ids) == length

    config = SamplingConfig(temperature=0.0, max_tokens=3 * ROW_TOKENS)
    pieces = list(generator.stream(prompt, config, seed=0))

    assert pieces
    assert "".join(pieces) == generator.generate(prompt, config)


def test_the_end_of_a_document_ends_the_continuation(road: Road, tmp_path: Path) -> None:
    tokens = [*load_vocabulary(road.tokenizer_path).encode("the mill", add_special_tokens=False).ids, END]

    generator = TextGenerator(recite(tokens, road, tmp_path), max_positions=64)

    assert generator.generate("", SamplingConfig(temperature=0.0, max_tokens=50)) == "the mill"
