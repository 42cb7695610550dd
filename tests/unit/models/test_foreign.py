"""Models of transformers that we have no modules for: what a packed row is worth, folders, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from small_foreign import MODELS, save_small
from small_road import VOCABULARY_SIZE
from torch import Tensor
from torch.nn import functional

from headrace.errors import InputError
from headrace.examples.stream import ExamplePart
from headrace.models.foreign.folder import (
    describe_folder,
    is_foreign,
    load_foreign,
    load_foreign_head,
    load_foreign_task,
    save_foreign,
)
from headrace.models.foreign.model import ForeignClassifier
from headrace.models.foreign.unpacking import unpack
from headrace.models.heads import Places
from headrace.models.rows import Rows, SourceRows
from headrace.objectives.cross_entropy import Extra
from headrace.objectives.prefer import sequence_log_likelihoods
from headrace.objectives.rows import RowObjective, batch_losses
from headrace.serve.foreign import continue_foreign, write_foreign
from headrace.serve.predictor import Exact
from headrace.serve.sampling import SamplingConfig
from headrace.serve.writing import WritingConfig
from headrace.tokens import Batch
from headrace.tokens.batch import IGNORED

LAYOUT = np.array([[4] * 5 + [1] * 9 + [2] * 10, [7] * 24, [3] * 3 + [5] * 12 + [-1] * 9])


def batch_of(layout: np.ndarray, *, source: bool, seed: int = 1) -> Batch:
    """Rows of random tokens; about half of the places are asked."""
    random = np.random.default_rng(seed)

    def rows(targets: bool) -> dict[str, Any]:
        token, target = (random.integers(2, VOCABULARY_SIZE, layout.shape, np.int32) for _ in range(2))
        asked = (random.random(layout.shape) < 0.5) & (layout >= 0) & targets
        return {
            "tokens_BT": token,
            "targets_BT": np.where(asked, target, IGNORED).astype(np.int32),
            "positions_BT": np.zeros(layout.shape, np.int32),
            "documents_BT": layout.astype(np.int32),
        }

    return Batch(**rows(True), source=Batch(**rows(False)) if source else None)


def loss_one_by_one(model: Any, batch: Batch) -> Tensor:
    """transformers' own loss of each document by itself, summed over its tokens."""
    total = torch.zeros(())
    for row, documents in enumerate(batch.documents_BT):
        for number in np.unique(documents[documents >= 0]):
            here = documents == number
            given = {"input_ids": torch.from_numpy(batch.tokens_BT[row, here])[None].long()}
            if batch.source is not None:
                given["decoder_input_ids"] = given["input_ids"]
                given["input_ids"] = torch.from_numpy(batch.source.tokens_BT[row, here])[None].long()
            target = torch.from_numpy(batch.targets_BT[row, here]).long()
            total = total + functional.cross_entropy(model(**given).logits[0], target, reduction="sum")
    return total


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("foreign")
    for kind in MODELS:
        save_small(kind, root / kind)
    return {kind: root / kind for kind in MODELS}


@pytest.mark.parametrize("kind", MODELS)
def test_loss_and_gradient_of_packed_rows_are_those_of_their_documents(kind: str, folders: dict[str, Path]) -> None:
    known = getattr(transformers, MODELS[kind][0]).from_pretrained(folders[kind])
    model = load_foreign(folders[kind])
    batch = batch_of(LAYOUT, source=kind == "bart")

    loss = RowObjective().loss(model, batch, Exact())
    wanted = loss_one_by_one(known, batch)

    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.backward()
    wanted.backward()
    for (name, parameter), (known_name, known_parameter) in zip(
        model.inner.named_parameters(), known.named_parameters(), strict=True
    ):
        assert name == known_name
        if known_parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, known_parameter.grad, rtol=1e-4, atol=1e-4)
    assert float(batch_losses(model, batch, Exact()).sum()) == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_sizes_are_known_without_weights_and_folders_go_round(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = load_foreign(folders[kind])

    assert is_foreign(folders[kind])
    assert describe_folder(folders[kind]) == model.config
    assert model.config.parameters == sum(p.numel() for p in model.parameters())
    assert 0 <= model.config.looked_up < model.config.parameters
    save_foreign(model, tmp_path, ours={"objective": {"name": "causal"}})
    assert json.loads((tmp_path / "config.json").read_text())["headrace"] == {"objective": {"name": "causal"}}
    again = load_foreign(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_what_is_learnt_besides_is_in_the_gradient_and_not_in_the_loss(folders: dict[str, Path]) -> None:
    batch, extra = batch_of(LAYOUT, source=False), Extra(z_weight=0.1, smoothing=0.2)
    plain, more = load_foreign(folders["opt"]), load_foreign(folders["opt"])

    loss = RowObjective().loss(plain, batch, Exact())
    other = RowObjective(extra).loss(more, batch, Exact())

    assert other.item() == pytest.approx(loss.item())
    logits = plain.logits_at(*_asked_rows(batch))
    target = torch.from_numpy(batch.targets_BT[batch.targets_BT != IGNORED]).long()
    wanted = functional.cross_entropy(logits, target, label_smoothing=0.2, reduction="sum")
    wanted = wanted + 0.1 * (logits.logsumexp(1) ** 2).sum()
    other.backward()
    wanted.backward()
    for left, right in zip(more.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-4, atol=1e-4)


def _asked_rows(batch: Batch) -> tuple[Rows, Tensor]:
    rows = Rows(*map(torch.from_numpy, (batch.tokens_BT, batch.positions_BT, batch.documents_BT)))
    return rows, torch.from_numpy(np.flatnonzero(batch.targets_BT.ravel() != IGNORED))


@settings(max_examples=60)
@given(st.data())
def test_unpacked_rows_hold_every_document_once_beside_its_source(data: st.DataObject) -> None:
    lengths = st.lists(st.integers(1, 40), min_size=1, max_size=6)
    rows = data.draw(st.lists(lengths, min_size=1, max_size=5))
    orders = [data.draw(st.permutations(range(len(row)))) for row in rows]
    document_BT = _rows_of([[(number, length) for number, length in enumerate(row)] for row in rows])
    document_BS = _rows_of([[(n, row[n] % 7 + 1) for n in order] for row, order in zip(rows, orders, strict=True)])
    token_BT, token_BS = (torch.arange(found.numel()).view_as(found) for found in (document_BT, document_BS))
    source = SourceRows(token_BS, token_BS, document_BS)

    groups = unpack(Rows(token_BT, token_BT, document_BT, source=source), padding_token=-7)

    seen = []
    for group in groups:
        assert group.source is not None
        for token_L, mask_L, source_S, source_mask_S in zip(*group.inputs, *group.source, strict=True):
            inputs, read = token_L[mask_L.bool()].tolist(), source_S[source_mask_S.bool()].tolist()
            assert set(token_L[~mask_L.bool()].tolist()) | set(source_S[~source_mask_S.bool()].tolist()) <= {-7}
            row, number = inputs[0] // document_BT.shape[1], int(document_BT.flatten()[inputs[0]])
            assert inputs == torch.nonzero(_flat(document_BT, row) == number)[:, 0].tolist()
            assert read == torch.nonzero(_flat(document_BS, row) == number)[:, 0].tolist()
            seen.append((row, number))
    assert sorted(seen) == [(row, number) for row, found in enumerate(rows) for number in range(len(found))]


def _rows_of(rows: list[list[tuple[int, int]]]) -> Tensor:
    flat = [[number for number, length in row for _ in range(length)] for row in rows]
    longest = max(map(len, flat)) + 2
    return torch.tensor([[*row, *[-1] * (longest - len(row))] for row in flat])


def _flat(document_BT: Tensor, row: int) -> Tensor:
    """Numbers of one row, in its place among all; those of others are hidden."""
    hidden = torch.full_like(document_BT, -5)
    hidden[row] = document_BT[row]
    return hidden.flatten()


@pytest.mark.parametrize("kind", ["roberta", "distilbert", "opt", "gpt_neox"])
def test_texts_of_packed_rows_get_the_classes_that_transformers_gives_each(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    labels = ("ham", "spam", "none")
    model = load_foreign_head(folders[kind], "classify", labels, seed=3).eval()
    save_foreign(model, tmp_path, ours={})
    known = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    layout = np.array([[1] * 5 + [0] * 9 + [-1] * 10, [2] * 24])
    batch = batch_of(layout, source=False)
    rows, _ = _asked_rows(batch)
    starts = [int(np.flatnonzero(layout.ravel() == number)[0]) for number in range(3)]

    assert isinstance(model, ForeignClassifier)
    logits_NC = model(rows, Places(torch.tensor(starts), torch.tensor(starts)))

    for number in range(3):
        ids = torch.from_numpy(batch.tokens_BT[layout == number])[None].long()
        torch.testing.assert_close(logits_NC[number], known(input_ids=ids).logits[0], rtol=1e-4, atol=1e-5)
    _, task, found = load_foreign_task(tmp_path)
    assert (task, found) == ("classify", labels)
    again = load_foreign_head(folders[kind], "classify", labels, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_head_for_other_labels_is_drawn_anew(folders: dict[str, Path], tmp_path: Path) -> None:
    before = load_foreign_head(folders["roberta"], "tag", ("O", "B-X"), seed=1)
    save_foreign(before, tmp_path, ours={})

    same, other = (load_foreign_head(tmp_path, "tag", labels, seed=2) for labels in (("O", "B-X"), ("O", "B-Y")))

    assert torch.equal(same.inner.classifier.weight, before.inner.classifier.weight)
    assert not torch.equal(other.inner.classifier.weight, before.inner.classifier.weight)
    assert torch.equal(
        other.inner.roberta.embeddings.word_embeddings.weight, before.inner.get_input_embeddings().weight
    )


def test_a_prefix_and_documents_that_are_too_long_are_refused(folders: dict[str, Path]) -> None:
    model = load_foreign(folders["opt"])
    batch = batch_of(np.zeros((1, 65), int), source=False)
    rows, place_N = _asked_rows(batch)

    with pytest.raises(InputError, match="65 tokens, and the model of kind 'opt' has positions for 64"):
        model.logits_at(rows, place_N)
    with pytest.raises(InputError, match="cannot see a prefix"):
        model.logits_at(rows._replace(prefix_BT=torch.zeros(1, 65, dtype=torch.bool)), place_N)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "code.Model"}}, "code from a folder is never run"),
        ({"nested": [{"auto_map": {"AutoConfig": "code.Config"}}]}, "code from a folder is never run"),
        ({"_attn_implementation": "somebody/kernels"}, "never fetched"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised weights"),
        ({"model_type": "unheard-of"}, "neither headrace nor transformers"),
        ({"model_type": "vit"}, "no class for it that guesses tokens"),
        ({"hidden_size": 33}, "not a model that transformers can use"),
        ({"hidden_size": "x"}, "not a model that transformers can use"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_folders_that_cannot_be_are_refused(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    save_small("opt", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))

    for read in (load_foreign, describe_folder):
        with pytest.raises(InputError, match=sentence):
            read(tmp_path)


def test_pickles_and_missing_weights_are_refused(tmp_path: Path) -> None:
    model = save_small("opt", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no weights"):
        load_foreign(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: weights in a form that can hold code"):
        load_foreign(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08" + bytes(200))
    with pytest.raises(InputError, match="not a model that transformers can use"):
        load_foreign(tmp_path)


def test_a_body_without_a_head_guesses_no_tokens_but_learns_classes(folders: dict[str, Path], tmp_path: Path) -> None:
    transformers.AutoModel.from_pretrained(folders["roberta"]).save_pretrained(tmp_path)

    with pytest.raises(InputError, match="without which it cannot guess tokens"):
        load_foreign(tmp_path)
    model = load_foreign_head(tmp_path, "classify", ("a", "b"), seed=1)
    known = load_foreign(folders["roberta"])
    assert torch.equal(model.inner.get_input_embeddings().weight, known.inner.get_input_embeddings().weight)


def test_preferences_are_those_of_each_answer_by_itself(folders: dict[str, Path]) -> None:
    known = transformers.GPTNeoXForCausalLM.from_pretrained(folders["gpt_neox"])
    model = load_foreign(folders["gpt_neox"])
    batch = batch_of(np.array([[0] * 5 + [1] * 9, [2] * 6 + [3] * 8]), source=False)
    part = ExamplePart(batch, np.arange(2), np.array([0, 5, 14, 20]), np.array([4, 13, 19, 27]), None, None)

    found_N = sequence_log_likelihoods(model, part, Exact())

    for number in range(4):
        here = batch.documents_BT == number
        logits = known(input_ids=torch.from_numpy(batch.tokens_BT[here])[None].long()).logits[0]
        target = torch.from_numpy(batch.targets_BT[here]).long()
        wanted = -functional.cross_entropy(logits, target, reduction="sum")
        assert found_N[number].item() == pytest.approx(wanted.item(), rel=1e-5)
    found_N.sum().backward()


@pytest.mark.parametrize("kind", ["opt", "gpt_neox", "gemma2", "mamba"])
def test_prompts_beside_others_are_continued_as_by_themselves(kind: str, folders: dict[str, Path]) -> None:
    known = getattr(transformers, MODELS[kind][0]).from_pretrained(folders[kind])
    prompts, config = [[5, 6, 7], [9] * 12, [11, 3]], SamplingConfig(max_tokens=6, temperature=0.0)

    written = list(
        continue_foreign(load_foreign(folders[kind]), prompts, config, seeds=[0] * 3, ends=[0], max_positions=32)
    )

    for number, prompt in enumerate(prompts):
        tokens = list(prompt)
        for _ in range(6):
            tokens.append(int(known(input_ids=torch.tensor([tokens])).logits[0, -1].argmax()))
        wanted = tokens[len(prompt) :]
        wanted = wanted[: wanted.index(0)] if 0 in wanted else wanted
        assert [token for prompt_number, token in written if prompt_number == number] == wanted


def test_sources_beside_others_get_the_targets_that_they_get_by_themselves(folders: dict[str, Path]) -> None:
    known = transformers.BartForConditionalGeneration.from_pretrained(folders["bart"])
    sources, config = [[5, 6, 7], [9] * 12, [11, 3]], WritingConfig(max_tokens=6)

    written = write_foreign(load_foreign(folders["bart"]), sources, config, start_token=0, ends=[2])

    for source, found in zip(sources, written, strict=True):
        tokens = [0]
        for _ in range(6):
            logits = known(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([tokens])).logits
            tokens.append(int(logits[0, -1].argmax()))
        wanted = tokens[1:]
        assert found == (wanted[: wanted.index(2)] if 2 in wanted else wanted)
