"""The page is whole, says what the run's files say, and leaves out what is not there yet."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import InputError, StoreError
from headrace.report import build_report
from headrace.store import RunFolder

ALL_SECTIONS = ["documents", "sources", "tokens", "training", "evaluation", "samples", "steps", "recipe"]


def sections(page: str) -> list[str]:
    return [name for name in ALL_SECTIONS if f'<section id="{name}">' in page]


def test_a_finished_run_has_every_section_in_order(finished_run: RunFolder) -> None:
    page = build_report(finished_run).read_text()

    assert sections(page) == ALL_SECTIONS
    places = [page.index(f'<section id="{name}">') for name in ALL_SECTIONS]
    assert places == sorted(places)
    assert "13,412 documents → 4.1 M tokens → 8.8 M parameters → 1.23 bits per byte in " in page


def test_the_page_refers_to_nothing_outside_itself(finished_run: RunFolder) -> None:
    page = build_report(finished_run).read_text()

    assert "http://" not in page
    assert "https://" not in page
    assert "src=" not in page


@pytest.mark.parametrize(
    "num_steps, expected",
    [
        (0, ["recipe"]),
        (1, ["documents", "sources", "steps", "recipe"]),
        (2, ["documents", "sources", "tokens", "steps", "recipe"]),
        (3, ["documents", "sources", "tokens", "training", "steps", "recipe"]),
        (4, ALL_SECTIONS),
    ],
)
def test_a_run_that_is_not_finished_shows_what_it_has(maker: Any, num_steps: int, expected: list[str]) -> None:
    for publish in (maker.corpus, maker.tokens, maker.training, maker.evaluation)[:num_steps]:
        publish()

    page = build_report(maker.run).read_text()

    assert sections(page) == expected
    assert "not finished" in page


def test_a_corpus_with_nothing_held_out_has_one_split(maker: Any) -> None:
    maker.corpus()
    maker.tokens(held_out=False)

    page = build_report(maker.run).read_text()

    assert sections(page) == ["documents", "sources", "tokens", "steps", "recipe"]
    assert "<bdi>validation</bdi>" not in page


def test_an_artefact_that_was_removed_is_named_as_gone(maker: Any) -> None:
    maker.corpus()
    maker.note("tokens", "tokens-0123456789abcdef")

    page = build_report(maker.run).read_text()

    assert "tokens-0123456789abcdef" in page
    assert "no longer in the store" in page


def test_every_stage_of_training_is_shown(maker: Any) -> None:
    maker.training("train 0", num_steps=60)
    maker.training("train 1", num_steps=2_500)

    page = build_report(maker.run).read_text()

    assert "Stage train 0: 60 steps" in page
    assert "Stage train 1: 2,500 steps" in page


def test_a_page_costs_less_than_a_second_and_a_half_and_no_torch(finished_run: RunFolder) -> None:
    """In CPU seconds of a whole process, because other tests run beside this one."""
    code = (
        "import sys, pathlib, time; from headrace.store import RunFolder; from headrace.report import build_report; "
        "build_report(RunFolder(pathlib.Path(sys.argv[1]))); assert 'torch' not in sys.modules; "
        "print(time.process_time())"
    )
    command = [sys.executable, "-P", "-c", code, str(finished_run.path)]
    seconds = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(3)]

    assert min(seconds) < 1.5


def test_importing_the_floor_brings_neither_torch_nor_plotly() -> None:
    code = "import sys, headrace.report; assert not {'torch', 'plotly', 'tensorboard'} & set(sys.modules)"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run here"):
        build_report(RunFolder(tmp_path / "nothing"))


def test_a_damaged_file_is_named(maker: Any) -> None:
    maker.corpus()
    path = maker.run.artefact("curate").path / "examples.json"
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(StoreError, match=r"examples\.json"):
        build_report(maker.run)
