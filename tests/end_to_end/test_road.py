"""From raw text to a served answer, as a user would go."""

import shutil
import subprocess
import time
from pathlib import Path

import orjson
import pytest
from small_project import HEADRACE, Headrace, content, environment

import headrace as hr

pytestmark = pytest.mark.xdist_group("finished run")  # so that what these tests share is made once

STEPS = ("measure", "curate", "vocabulary", "tokens", "train", "evaluate")


def test_the_run_prints_figures_samples_and_where_the_report_is(
    project: Path, finished: Path, headrace: Headrace
) -> None:
    again = headrace("run", project / "small.yaml", "--runs", finished)

    assert again.returncode == 0
    assert "bits per byte" in again.stdout
    assert "春" in again.stdout
    assert str(finished / "small" / "report.html") in again.stdout
    assert (finished / "small" / "report.html").stat().st_size > 10_000


def test_a_finished_run_has_nothing_to_do_and_says_so_within_two_seconds(
    project: Path, finished: Path, headrace: Headrace
) -> None:
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        again = headrace("run", project / "small.yaml", "--runs", finished)
        seconds.append(time.monotonic() - start)

    assert again.stderr.count("found") == len(STEPS) + 2  # three sources are measured
    assert "done" not in again.stderr
    assert min(seconds) < 2


def test_the_result_is_json_for_a_script(project: Path, finished: Path, headrace: Headrace) -> None:
    result = orjson.loads(headrace("run", project / "small.yaml", "--runs", finished, "--json").stdout)

    assert 0 < result["evaluation"]["overall"]["bits_per_byte"] < 8
    assert {"en", "zh"} <= set(result["evaluation"]["language"])
    assert [step["step"].split()[0] for step in result["steps"]] == ["measure"] * 3 + list(STEPS[1:])


def test_workers_change_no_byte(project: Path, finished: Path, headrace: Headrace, tmp_path: Path) -> None:
    """Three, where the finished run had its own number; single steps are compared in `test_steps_together`."""
    done = headrace("run", project / "small.yaml", "--runs", tmp_path, "--workers", 3)

    assert done.returncode == 0, done.stderr
    for step in STEPS:
        assert content(tmp_path, "small", step) == content(finished, "small", step), step


def test_a_run_becomes_one_file_that_says_the_same(finished: Path, headrace: Headrace, tmp_path: Path) -> None:
    words = ("--prompt", "the mill", "--max-tokens", 12, "--temperature", 0)
    done = headrace("convert", finished / "small", tmp_path / "small.gguf", "--type", "f32")
    assert done.returncode == 0, done.stderr

    from_run, from_file = (
        headrace("generate", model, *words) for model in (finished / "small", tmp_path / "small.gguf")
    )

    assert from_file.returncode == 0, from_file.stderr
    assert from_file.stdout == from_run.stdout


def test_transformers_opens_the_model_and_continues_as_we_do(finished: Path, headrace: Headrace) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished / "small" / "model"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer("the river", return_tensors="pt", return_token_type_ids=False)
    theirs = tokenizer.decode(model.generate(**inputs, max_new_tokens=12, do_sample=False)[0], skip_special_tokens=True)
    ours = headrace("generate", finished / "small", "--prompt", "the river", "--max-tokens", 12, "--temperature", 0)

    assert ours.stdout.rstrip("\n") == theirs


def test_the_same_seed_gives_the_same_text(finished: Path, headrace: Headrace) -> None:
    arguments = ("generate", finished / "small", "--prompt", "春", "--seed", 3, "--json")
    first, second = (orjson.loads(headrace(*arguments).stdout) for _ in range(2))

    assert first == second
    assert first["continuation"]


def test_chat_answers_each_line_and_ends_with_the_input(finished: Path) -> None:
    done = subprocess.run(
        [*HEADRACE, "chat", str(finished / "small"), "--max-tokens", "8"],
        input="the river\n\nthe wheel\n", capture_output=True, text=True, timeout=120, env=environment(), check=True,
    )  # fmt: skip

    assert len(done.stdout) > 10
    assert "begun anew" in done.stderr


def test_why_follows_a_document_from_its_raw_file(finished: Path, headrace: Headrace) -> None:
    found = orjson.loads(headrace("why", finished / "small", "prose.jsonl", "--json").stdout)
    twins = [document for document in found if document["duplicate_of"]]
    damaged = [document for document in found if not document["id"]]

    assert len(twins) == 24
    assert twins[0]["duplicate_of"] in {document["id"] for document in found if document["kept"]}
    assert [record["reasons"][0]["name"] for record in damaged] == ["broken_json"]
    by_id = headrace("why", finished / "small", twins[0]["id"][:10])
    assert "duplicate" in by_id.stdout


def test_two_processes_learn_the_same(project: Path, finished: Path, headrace: Headrace, tmp_path: Path) -> None:
    shutil.copytree(finished, runs := tmp_path / "runs", symlinks=True)
    for made in [*runs.glob("store/train-*"), *runs.glob("store/evaluate-*")]:
        shutil.rmtree(made)
    done = headrace("run", project / "small.yaml", "--runs", runs, "--processes", 2)
    assert done.returncode == 0, done.stderr
    losses = [_losses(folder) for folder in (finished, runs)]

    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_recipe_runs_from_python(project: Path, tmp_path: Path) -> None:
    recipe = hr.load_recipe(project / "small.yaml")
    corpus_only = recipe.model_copy(update={"train": (), "evaluate": None, "model": None, "tokens": None})
    sources = tuple(
        source.model_copy(update={"path": tuple(str(project / path) for path in source.path)})
        for source in corpus_only.corpus.sources
    )
    corpus = corpus_only.corpus.model_copy(update={"sources": sources})
    run = hr.run(corpus_only.model_copy(update={"corpus": corpus}), runs=tmp_path / "runs", show_progress=False)

    assert [step.label for step in run.folder.read().steps][-1] == "curate"
    assert run.report.exists()


def test_a_stage_goes_on_from_the_model_of_the_one_before(project: Path, headrace: Headrace, tmp_path: Path) -> None:
    recipe = project / "small.yaml"
    stage = '{"epochs": 0.5, "global_batch_tokens": 1024, "compile": "off", "precision": "fp32"}'
    done = headrace("run", recipe, "--runs", tmp_path, "--set", f"train=[{stage}, {stage}]", "--set", "name=staged")
    shown = orjson.loads(headrace("show", tmp_path / "staged", "--json").stdout)
    first, second = (step["summary"]["best_validation_loss"] for step in shown["steps"] if "train" in step["step"])

    assert done.returncode == 0, done.stderr
    assert second < first


def _losses(runs: Path) -> list[float]:
    folder = next((runs / "store").glob("train-*"))
    records = map(orjson.loads, (folder / "metrics.jsonl").read_bytes().splitlines())
    return [record["loss"] for record in records]
