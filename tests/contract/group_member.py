"""One process of the group that `test_gradient_layout.py` starts. `python -m group_member FOLDER ROAD`.

Writes what it saw to `FOLDER/seen-RANK.json`.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from small_models import rough_decoder, small_config
from small_road import Road
from stages_of_examples import EXAMPLE_STAGES, example_stage_of
from stages_of_layouts import LAYOUTS, stage_of

from headrace.errors import DivergenceError, ReplicaError
from headrace.parallel import Group, join_group
from headrace.store import Artefact, Store
from headrace.trace import Record, recording
from headrace.train.given import Stage
from headrace.train.gradient import finish_gradient
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdafactorConfig, AdamWConfig, LionConfig, MuonConfig, SGDConfig
from headrace.train.stage import set_up, train_stage


def main() -> None:
    folder, root = Path(sys.argv[1]), Path(sys.argv[2])
    names = json.loads((root / "road.json").read_text())
    store = Store(root)
    curated, vocabulary, tokens = (Artefact(root / names[step]) for step in ("curated", "vocabulary", "tokens"))
    with join_group() as group:
        seen = {"sums": add_up(group), "agreed": group.agree(40 + group.rank), "divergence": diverge(group)}
        seen["updated"] = update(group)
        for name, settings in LAYOUTS.items():
            stage = stage_of(Road(store, curated, vocabulary, tokens), folder / name, leads=group.leads, **settings)
            train_stage(stage, group)
        stage = stage_of(
            Road(store, curated, vocabulary, tokens), folder / "flipped", leads=group.leads, **LAYOUTS["training"]
        )
        seen["flipped"] = flip(stage, group)
        train_stage(stage, group)
        road = Road(store, curated, vocabulary, tokens)
        for name, (kind, _, _) in EXAMPLE_STAGES.items():
            examples = Artefact(root / names[kind])
            train_stage(example_stage_of(road, examples, folder / name, name, leads=group.leads), group)
    (folder / f"seen-{group.rank}.json").write_text(json.dumps(seen))


def add_up(group: Group) -> list[list[float]]:
    """Tensors of three shapes and two dtypes, different in every process, summed."""
    generator = torch.Generator().manual_seed(group.rank)
    tensors = [torch.randn(shape, generator=generator) for shape in ((3, 5), (7,), ())]
    tensors.append(torch.randn(4, dtype=torch.float64, generator=generator))
    group.add_up(tensors)
    return [tensor.flatten().tolist() for tensor in tensors]


def diverge(group: Group) -> str:
    """What a process is told when one gradient of the last process is not a number."""
    model = rough_decoder(small_config())
    gradients = [torch.ones_like(parameter) for parameter in model.parameters()]
    if group.rank == group.size - 1:
        gradients[0][0, 0] = float("nan")
    group.add_up(gradients)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        parameter.grad = gradient
    try:
        finish_gradient(model.parameters(), num_targets=4, loss=1.0, largest_norm=1.0, step=3)
    except DivergenceError as error:
        return str(error)
    return ""


def flip(stage: Stage, group: Group) -> str:
    """What a process is told when a bit of a weight of the last process flips after the third step."""
    loop, state = set_up(stage, group)
    num_seen = 0

    def listen(record: Record) -> None:
        nonlocal num_seen
        num_seen += record["name"] == "validate"
        if num_seen == 3 and group.rank == group.size - 1 and record["name"] == "validate":
            with torch.no_grad():
                next(state.model.parameters()).view(torch.int32)[1, 1] ^= 1

    try:
        with recording(None, [listen]):
            loop.run(state)
    except ReplicaError as error:
        return str(error)
    finally:
        loop.close()
    return ""


def update(group: Group) -> dict[str, str]:
    """A digest of the weights after two steps of each optimiser on gradients that are summed over the processes."""
    digests = {}
    for config in (AdamWConfig(), MuonConfig(state_precision="bf16"), AdafactorConfig(), SGDConfig(), LionConfig()):
        model = rough_decoder(small_config())
        optimizer = build_optimizer(config, model)
        generator = torch.Generator().manual_seed(group.rank)
        for _ in range(2):
            for parameter in model.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            group.add_up([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
            optimizer.set_rate(0.01)
            optimizer.step()
        weights = b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())
        digests[config.name] = hashlib.sha256(weights).hexdigest()
    return digests


if __name__ == "__main__":
    main()
