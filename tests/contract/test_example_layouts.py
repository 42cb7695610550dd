"""Two processes that share the examples of each step learn what one learns."""

import json
import sys
from pathlib import Path

import pytest
from example_member import STAGES, stage_of
from small_road import Road
from small_tasks import examples_of, write_project

from headrace.examples import ExamplesConfig
from headrace.parallel import Group, launch
from headrace.pipeline.examples_step import make_examples
from headrace.store import Artefact
from headrace.train.metrics import read_metrics
from headrace.train.stage import train_stage

pytestmark = pytest.mark.xdist_group("example layouts")  # so that the two processes are started once


@pytest.fixture(scope="module")
def examples(road: Road, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artefact]:
    project = write_project(tmp_path_factory.mktemp("project"), count=40)
    found = {}
    for kind in ("classify", "prefer"):
        config = ExamplesConfig.model_validate(examples_of(kind, test=None), strict=False)
        found[kind] = make_examples(config, folder=project, seed=1, store=road.store)
    return found


@pytest.fixture(scope="module")
def shared(road: Road, examples: dict[str, Artefact], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes under torchrun, which ran every stage."""
    folder = tmp_path_factory.mktemp("shared")
    names = {name: getattr(road, name).path.name for name in ("curated", "vocabulary", "tokens")}
    names |= {kind: artefact.path.name for kind, artefact in examples.items()}
    (folder / "names.json").write_text(json.dumps(names))
    with pytest.MonkeyPatch.context() as patch:
        here = Path(__file__).parent
        patch.setenv("PYTHONPATH", ":".join([str(here), str(here.parent), *filter(None, sys.path)]))
        launch("example_member", [str(folder), str(road.store.root)], num_processes=2)
    return folder


@pytest.mark.parametrize("name", STAGES)
def test_two_processes_learn_what_one_learns(
    name: str, road: Road, examples: dict[str, Artefact], shared: Path, tmp_path: Path
) -> None:
    train_stage(stage_of(road, examples[STAGES[name][0]], tmp_path, name), Group())

    alone, together = (list(read_metrics(folder / "output" / "metrics.jsonl")) for folder in (tmp_path, shared / name))
    assert [record["kind"] for record in together] == ["train", "validation"] * 5
    assert [record["loss"] for record in together] == pytest.approx([record["loss"] for record in alone], rel=1e-4)
