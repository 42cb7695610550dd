"""What a model is worth, against a slow count with transformers' own loss."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from small_models import rough_decoder, small_config
from small_road import END, MakeRoad, Road
from transformers import AutoModelForCausalLM

from headrace.config import Config
from headrace.evaluate.bits_per_byte import measure_losses, summarise
from headrace.evaluate.config import EvaluateConfig
from headrace.evaluate.evaluation import evaluate_model
from headrace.store import Artefact, StepSpec, Store
from headrace.tokens import TokenStore
from headrace.train.publish import Publication, write_model_folder


class Settings(Config):
    """Nothing is set."""


@dataclass(frozen=True)
class Measured:
    """A model and what evaluation says of it."""

    model: Artefact
    evaluation: Artefact

    @property
    def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        return json.loads((self.evaluation.path / "evaluation.json").read_bytes())


def measure(road: Road, root: Path) -> Measured:
    store = Store(root)

    def publish(workspace) -> dict[str, int]:
        decoder = rough_decoder(small_config())
        write_model_folder(decoder, workspace.output, Publication(road.tokenizer_path, END, 32))
        return {}

    model = store.ensure(StepSpec("train", 1, Settings(), {}), publish)
    config = EvaluateConfig.model_validate(
        ["bits_per_byte", {"samples": {"prompts": ["the", "水"], "max_tokens": 12, "temperature": 0.0}}]
    )
    evaluation = store.ensure(
        StepSpec("evaluate", 1, config, {}),
        lambda workspace: evaluate_model(
            config, model=model, store=TokenStore(road.tokens, "validation"), seed=3, workspace=workspace
        ),
    )
    return Measured(model, evaluation)


@pytest.fixture(scope="module")
def measured(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure(road, tmp_path_factory.mktemp("evaluate"))


def loss_of(model: torch.nn.Module, ids: list[int], row_tokens: int) -> float:
    """Nats of a document in pieces of a row, each behind the token before it, by transformers' own mean loss."""
    total = 0.0
    for start in range(0, len(ids), row_tokens):
        piece = ids[start : start + row_tokens]
        before = ids[start - 1] if start else END
        with torch.no_grad():
            out = model(input_ids=torch.tensor([[before, *piece]]), labels=torch.tensor([[-100, *piece]]))
        total += float(out.loss) * len(piece)
    return total


def test_every_document_has_the_loss_that_transformers_finds(road: Road, measured: Measured) -> None:
    store = TokenStore(road.tokens, "validation")
    model = AutoModelForCausalLM.from_pretrained(measured.model.path)

    losses = measure_losses(measured.model.path, store)

    wanted = [loss_of(model, store.document(n).tolist(), store.row_tokens) for n in range(store.num_documents)]
    assert losses.tolist() == pytest.approx(wanted, rel=1e-4)


def test_bits_per_byte_are_nats_of_all_text_over_its_bytes(road: Road, measured: Measured) -> None:
    store = TokenStore(road.tokens, "validation")
    model = AutoModelForCausalLM.from_pretrained(measured.model.path)
    nats = sum(loss_of(model, store.document(n).tolist(), store.row_tokens) for n in range(store.num_documents))
    num_bytes = sum(len(text.encode()) for text in road.texts("validation"))
    num_tokens = int(store.lengths.sum())

    overall = measured.figures["overall"]

    assert overall["bits_per_byte"] == pytest.approx(nats / math.log(2) / num_bytes, rel=1e-4)
    assert overall["perplexity"] == pytest.approx(math.exp(nats / num_tokens), rel=1e-3)
    assert (overall["bytes"], overall["tokens"]) == (num_bytes, num_tokens)
    assert overall["documents"] == len(road.texts("validation"))
    assert measured.evaluation.summary == overall


@pytest.mark.parametrize("column", ["source", "language"])
def test_the_parts_add_up_to_the_whole(column: str, road: Road, measured: Measured) -> None:
    overall, parts = measured.figures["overall"], measured.figures[column]

    assert set(parts) == set(road.column("validation", column)) != set()
    assert len(parts) == 2
    for count in ("documents", "tokens", "bytes"):
        assert sum(part[count] for part in parts.values()) == overall[count]
    bits = sum(part["bits_per_byte"] * part["bytes"] for part in parts.values())
    assert bits / overall["bytes"] == pytest.approx(overall["bits_per_byte"])
    for value, part in parts.items():
        texts = zip(road.texts("validation"), road.column("validation", column), strict=True)
        assert part["bytes"] == sum(len(text.encode()) for text, found in texts if found == value)


def test_each_held_out_document_has_its_row(road: Road, measured: Measured) -> None:
    table = pq.read_table(measured.evaluation.path / "documents.parquet")

    assert table["id"].to_pylist() == road.column("validation", "id")
    assert table["size_bytes"].to_pylist() == [len(text.encode()) for text in road.texts("validation")]
    nats = sum(table["loss_nats"].to_pylist())
    assert nats / math.log(2) / sum(table["size_bytes"].to_pylist()) == pytest.approx(
        measured.figures["overall"]["bits_per_byte"]
    )


def test_samples_are_kept_with_their_prompts_and_repeat(measured: Measured, road: Road, tmp_path: Path) -> None:
    samples = json.loads((measured.evaluation.path / "samples.json").read_bytes())
    again = measure(road, tmp_path)

    assert [sample["prompt"] for sample in samples] == ["the", "水"]
    assert all(sample["max_tokens"] == 12 and sample["seed"] == 3 for sample in samples)
    assert (again.evaluation.path / "samples.json").read_bytes() == (
        measured.evaluation.path / "samples.json"
    ).read_bytes()


def test_a_model_that_knows_nothing_needs_the_logarithm_of_its_vocabulary(road: Road, tmp_path: Path) -> None:
    decoder = rough_decoder(small_config(tied=False))
    with torch.no_grad():
        decoder.head.weight.zero_()
    write_model_folder(decoder, tmp_path, Publication(road.tokenizer_path, END, 32))
    store = TokenStore(road.tokens, "validation")

    figures = summarise(measure_losses(tmp_path, store), store.lineage)["overall"]

    assert figures["nats_per_token"] == pytest.approx(math.log(400), rel=1e-6)
    assert figures["perplexity"] == pytest.approx(400, rel=1e-5)


def test_the_length_of_rows_does_not_change_which_bytes_count(make_road: MakeRoad, measured: Measured) -> None:
    stores = [TokenStore(make_road(row_tokens=row_tokens).tokens, "validation") for row_tokens in (32, 48, 1_024)]

    losses = [summarise(measure_losses(measured.model.path, store), store.lineage)["overall"] for store in stores]

    assert len({(loss["bytes"], loss["tokens"], loss["documents"]) for loss in losses}) == 1
