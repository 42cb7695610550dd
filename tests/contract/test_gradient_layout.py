"""However a global step is cut and shared, its gradient is that of one process with one batch.

Compared are gradients, not trajectories: AdamW hides a wrong scale.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_models import rough_decoder, small_config, small_stage
from small_road import END, ROW_TOKENS, MakeRoad, Road
from small_tasks import examples_of, write_project
from stages_of_examples import EXAMPLE_STAGES, example_stage_of
from stages_of_layouts import LAYOUTS, STEP_ROWS, stage_of
from torch import Tensor
from torch.nn import functional

from headrace.errors import ReplicaError, RunError
from headrace.examples import ExamplesConfig
from headrace.models.decoder import build_decoder
from headrace.parallel import Group, launch
from headrace.pipeline.examples_step import make_examples
from headrace.store import Artefact
from headrace.tokens import BatchStream, TokenStore
from headrace.tokens.config import VocabularyConfig
from headrace.train.metrics import read_metrics
from headrace.train.replicas import check_replicas, checksum
from headrace.train.stage import train_stage

TOLERANCE = 1e-6

pytestmark = pytest.mark.xdist_group("gradient layout")  # so that the two processes are started once


@pytest.fixture(scope="module")
def uneven(road: Road, make_road: MakeRoad) -> Road:
    """Documents that leave every other row half empty, so that ranks and micro-batches differ in valid tokens."""
    full, half = "x" * (ROW_TOKENS - 1), "yz" * (ROW_TOKENS // 4)
    words = VocabularyConfig(file=road.tokenizer_path)
    return make_road(train=[full, half] * 40, validation=[half] * 8, vocabulary=words)


def gradient_of(folder: Path) -> dict[str, Tensor]:
    tensors = load_file(sorted((folder / "kept" / "checkpoints").iterdir())[-1] / "state.safetensors")
    return {name.removeprefix("exp_avg."): tensor for name, tensor in tensors.items() if name.startswith("exp_avg.")}


def losses_of(folder: Path) -> list[tuple[str, float]]:
    records = read_metrics(folder / "output" / "metrics.jsonl")
    return [(record["kind"], record["loss"]) for record in records if "loss" in record]


def assert_equal_gradients(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    """Equal to a millionth of each parameter's gradient: ten roundings of float32."""
    assert one.keys() == two.keys()
    for name in one:
        assert float((one[name] - two[name]).norm() / two[name].norm()) < TOLERANCE, name


@pytest.fixture(scope="module")
def whole(uneven: Road, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, one batch."""
    folder = tmp_path_factory.mktemp("whole")
    train_stage(stage_of(uneven, folder, steps=1, micro_batch_rows=STEP_ROWS), Group())
    return folder


def test_the_gradient_is_the_mean_over_valid_tokens_as_torch_gives_it(whole: Path, uneven: Road) -> None:
    """One document piece at a time, in float64."""
    stream = BatchStream(TokenStore(uneven.tokens, "train"), end_token=END, seed=7, batch_rows=STEP_ROWS)
    batch = stream.batch(0)
    config = small_stage(uneven, whole / "unused").model
    decoder = build_decoder(config, 400, seed=7).double()
    decoder.compute_dtype = torch.float64
    counts = (batch.targets_BT >= 0).sum(axis=1)
    assert len(set(counts.tolist())) > 1

    for row in range(STEP_ROWS):
        length = int(counts[row])
        tokens, targets = (torch.from_numpy(array[row, :length]) for array in (batch.tokens_BT, batch.targets_BT))
        assert len(np.unique(batch.documents_BT[row, :length])) == 1
        logits = decoder.logits(tokens[None])[0]
        (functional.cross_entropy(logits, targets.long(), reduction="sum") / counts.sum()).backward()

    wanted = {name: parameter.grad.float() for name, parameter in decoder.named_parameters()}
    assert_equal_gradients(gradient_of(whole), wanted)


@pytest.mark.parametrize("micro_batch_rows", [8, 4, 2, 1])
def test_accumulated_gradients_are_those_of_one_batch(
    micro_batch_rows: int, whole: Path, uneven: Road, tmp_path: Path
) -> None:
    train_stage(stage_of(uneven, tmp_path, steps=1, micro_batch_rows=micro_batch_rows), Group())

    assert_equal_gradients(gradient_of(tmp_path), gradient_of(whole))
    for (kind, loss), (kind_too, wanted) in zip(losses_of(tmp_path), losses_of(whole), strict=True):
        assert (kind, loss) == (kind_too, pytest.approx(wanted, rel=TOLERANCE))


@pytest.fixture(scope="module")
def examples(uneven: Road, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    project = write_project(tmp_path_factory.mktemp("project"), count=40)
    found = {}
    for kind, _, _ in EXAMPLE_STAGES.values():
        config = ExamplesConfig.model_validate(examples_of(kind, test=None), strict=False)
        found[kind] = make_examples(config, folder=project, seed=1, store=uneven.store)
    return found


@pytest.fixture(scope="module")
def shared(uneven: Road, examples: dict[str, Artefact], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes under torchrun, which ran every layout, and every stage of examples."""
    folder = tmp_path_factory.mktemp("shared")
    names = {name: getattr(uneven, name).address for name in ("curated", "vocabulary", "tokens")}
    names |= {kind: artefact.path.name for kind, artefact in examples.items()}
    (uneven.store.root / "road.json").write_text(json.dumps(names))
    with pytest.MonkeyPatch.context() as patch:
        here = Path(__file__).parent
        patch.setenv("PYTHONPATH", ":".join([str(here), str(here.parent), *filter(None, sys.path)]))
        launch("group_member", [str(folder), str(uneven.store.root)], num_processes=2)
    return folder


@pytest.mark.parametrize("layout", ["gradient", "accumulated"])
def test_gradients_of_two_processes_are_those_of_one(layout: str, shared: Path, whole: Path) -> None:
    assert_equal_gradients(gradient_of(shared / layout), gradient_of(whole))


@pytest.mark.parametrize(
    ("layout", "tolerance"), [("training", 1e-5), ("muon", 1e-3), ("warmed", 1e-5), ("adapted", 1e-5)]
)
def test_two_processes_learn_what_one_learns(
    layout: str, tolerance: float, shared: Path, uneven: Road, tmp_path: Path
) -> None:
    """Muon's iterations run in bfloat16 and enlarge the last bits in which sums over processes differ."""
    train_stage(stage_of(uneven, tmp_path, **LAYOUTS[layout]), Group())

    alone, together = losses_of(tmp_path), losses_of(shared / layout)
    assert [kind for kind, _ in together] == ["train", "validation"] * 6  # also of eight base batches in two sizes
    assert [loss for _, loss in together] == pytest.approx([loss for _, loss in alone], rel=tolerance)


def test_all_processes_see_the_same_sums_to_the_bit(shared: Path) -> None:
    """A gradient that is not finite in one process is seen by all, so all stop before it; updates are equal too."""
    first, second = (json.loads((shared / f"seen-{rank}.json").read_text()) for rank in (0, 1))

    assert first == second
    assert first["agreed"] == 40
    assert set(first["updated"]) == {"adamw", "muon", "adafactor", "sgd", "lion"}
    assert first["divergence"].startswith("step 3: the loss is 1.0 and the gradient's norm nan")
    wanted = None
    for rank in (0, 1):
        generator = torch.Generator().manual_seed(rank)
        parts = [torch.randn(shape, generator=generator) for shape in ((3, 5), (7,), ())]
        parts.append(torch.randn(4, dtype=torch.float64, generator=generator))
        wanted = parts if wanted is None else [one + two for one, two in zip(wanted, parts, strict=True)]
    assert wanted is not None
    assert first["sums"] == [tensor.flatten().tolist() for tensor in wanted]


def test_a_bit_that_flips_in_one_process_is_seen_before_it_is_written(shared: Path) -> None:
    """And the run that goes on from the newest checkpoint ends as if it had not."""
    told = json.loads((shared / "seen-0.json").read_text())["flipped"]
    ended, wanted = ((shared / name / "output" / "model.safetensors").read_bytes() for name in ("flipped", "training"))

    assert told.startswith("step 3: the weights of one of the processes are not those of the others")
    assert ended == wanted


def test_processes_that_are_alone_with_their_weights_are_named() -> None:
    class Three(Group):
        def agree(self, number: int) -> int:
            return number

        def gather(self, number: int) -> list[int]:
            return [number, number + 1, number]

    with pytest.raises(ReplicaError, match="step 32: the weights of process 1 are not those of the others"):
        check_replicas(rough_decoder(small_config()), Three(0, 3), 32, is_due=False)


def test_any_bit_of_any_weight_changes_the_sum() -> None:
    model, choose = rough_decoder(small_config()), random.Random(1)
    before, parameters = checksum(model), list(model.parameters())
    for _ in range(200):
        bits = choose.choice(parameters).detach().view(torch.int32).view(-1)
        place, flipped = choose.randrange(len(bits)), 1 << choose.randrange(31)
        bits[place] ^= flipped
        assert checksum(model) != before
        bits[place] ^= flipped
    assert checksum(model) == before


def test_a_group_of_one_changes_nothing() -> None:
    tensor = torch.tensor([1.0, 2.0])

    Group().add_up([tensor])

    assert tensor.tolist() == [1.0, 2.0]
    assert Group().agree(7) == 7
    assert Group().leads


def test_a_group_that_fails_is_reported_with_its_exit_code() -> None:
    with pytest.raises(RunError, match="training with 2 processes ended with exit code 1"):
        launch("a_module_that_is_not_there", [], num_processes=2)


@pytest.mark.parametrize("name", EXAMPLE_STAGES)
def test_two_processes_that_share_the_examples_of_a_step_learn_what_one_learns(
    name: str, uneven: Road, examples: dict[str, Artefact], shared: Path, tmp_path: Path
) -> None:
    train_stage(example_stage_of(uneven, examples[EXAMPLE_STAGES[name][0]], tmp_path, name), Group())

    alone, together = (list(read_metrics(folder / "output" / "metrics.jsonl")) for folder in (tmp_path, shared / name))
    assert [record["kind"] for record in together] == ["train", "validation"] * 5
    assert [record["loss"] for record in together] == pytest.approx([record["loss"] for record in alone], rel=1e-4)
