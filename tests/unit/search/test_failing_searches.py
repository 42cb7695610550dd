"""A search whose trials all fail ends soon, and says why."""

from pathlib import Path

import pytest
import yaml

from headrace.errors import BusyError, RunError
from headrace.pipeline import RunOptions
from headrace.search.request import SearchRequest, read_request
from headrace.search.tuning import search
from headrace.search.written import is_ours, write_recipe
from headrace.store.lock import hold

pytest.importorskip("optuna")
pytest.importorskip("torch")


@pytest.fixture
def hopeless(tmp_path: Path) -> SearchRequest:
    """A search over a corpus that is not there."""
    recipe = {
        "name": "mill",
        "seed": 3,
        "corpus": {"sources": [{"name": "x", "path": "no-such-folder/*.txt"}]},
        "train": {"epochs": 1},
        "tune": {"space": {"train.learning_rate": {"low": 1e-3, "high": 1e-2}}},
    }
    path = tmp_path / "mill.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return read_request(path, RunOptions(runs=tmp_path / "runs", recipe_folder=tmp_path))


def test_a_search_ends_when_the_first_three_trials_have_failed(hopeless: SearchRequest) -> None:
    with pytest.raises(RunError, match=r"all 3 trials have failed, the last one because: .*no-such-folder"):
        search(hopeless)

    record = hopeless.folder.read()
    assert [trial.state for trial in record.trials] == ["failed"] * 3
    assert all("no-such-folder" in trial.error and "\n" not in trial.error for trial in record.trials)
    assert (record.best, record.best_recipe, record.importance) == (None, None, {})
    assert hopeless.folder.report_path.exists()
    assert not (hopeless.origin.parent / "mill-best.yaml").exists()


def test_two_searches_of_one_name_do_not_mix(hopeless: SearchRequest) -> None:
    with hold(hopeless.folder.path / ".lock", what="another"), pytest.raises(BusyError, match="search mill"):
        search(hopeless)


def test_a_recipe_is_written_as_it_reads_back(tmp_path: Path) -> None:
    shared = {"name": "adamw"}
    given = {
        "name": "磨坊-best",
        "seed": 7,
        "train": [
            {"learning_rate": 1e-05, "compile": "off", "optimizer": shared, "epochs": None},
            {"optimizer": shared},
        ],
        "note": 'yes: "no" # 3e-4\n',
    }
    path = tmp_path / "best.yaml"
    write_recipe(given, path, about="the best of 3")  # it compares what it has written itself

    assert path.read_text(encoding="utf-8").startswith("# Written by `headrace tune`: the best of 3\nname: 磨坊-best\n")
    assert is_ours(path)
    assert is_ours(tmp_path / "nothing.yaml")
    assert not is_ours(tmp_path)
