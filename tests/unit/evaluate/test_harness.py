"""lm-evaluation-harness: the same figures as transformers' own model gets, on tasks that lie here."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import rough_decoder, small_config
from small_road import END, ROW_TOKENS, Road

from headrace.models.opened import open_model
from headrace.train.publish import Publication, write_model_folder

# Half a minute of installing: pip install 'headrace[harness]' runs these tests too.
pytest.importorskip("lm_eval", reason="lm_eval is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

WORDS = "the mill turns as fast as water feeds its wheel and 水轮慢转河流入海".split()
CHOICE = """
task: local_choice
dataset_path: json
dataset_kwargs: {data_files: {test: DATA, train: DATA}, cache_dir: CACHE}
output_type: multiple_choice
test_split: test
fewshot_split: train
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
num_fewshot: 1
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
ROLLING = """
task: local_text
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}, cache_dir: CACHE}
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]
"""
ANSWER = """
task: local_answer
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}, cache_dir: CACHE}
output_type: generate_until
test_split: test
doc_to_text: "{{question}}"
doc_to_target: "{{expected}}"
generation_kwargs: {until: ["e", "水"], max_gen_toks: 12, do_sample: false}
metric_list: [{metric: exact_match}]
"""


@pytest.fixture(scope="module")
def model_folder(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model_folder(rough_decoder(small_config()), folder, Publication(road.tokenizer_path, END, ROW_TOKENS))
    return folder


def example(number: int) -> dict[str, Any]:
    pick = torch.Generator().manual_seed(number)
    words = [WORDS[int(torch.randint(len(WORDS), (), generator=pick))] for _ in range(14)]
    choices = [" " + " ".join(words[start : start + 1 + start % 3]) for start in range(3)]
    return {
        "question": " ".join(words[: number % 4 + 1]) + (" " if number % 3 == 0 else ""),
        "choices": choices,
        "answer": number % 3,
        "text": " ".join(words * (1 + number % 3 * 2)),
        "expected": "",
    }


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    data = folder / "examples.jsonl"
    data.write_text("".join(json.dumps(example(number)) + "\n" for number in range(12)))
    for name, text in (("choice", CHOICE), ("text", ROLLING), ("answer", ANSWER)):
        (folder / f"{name}.yaml").write_text(text.replace("DATA", str(data)).replace("CACHE", str(folder / "cache")))
    return folder


@pytest.fixture(scope="module")
def theirs(model_folder: Path) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(model_folder), device="cpu", dtype="float32", batch_size=4)


def test_figures_are_those_of_transformers_own_model(model_folder: Path, tasks: Path, theirs: Any) -> None:
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    from headrace.evaluate.harness import run_harness

    found = run_harness(open_model(model_folder), [str(tasks)])

    names = ["local_answer", "local_choice", "local_text"]
    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    wanted = simple_evaluate(theirs, tasks=names, task_manager=manager, random_seed=0, fewshot_random_seed=0)
    assert wanted is not None
    assert sorted(found) == names
    for name in names:
        for metric, value in wanted["results"][name].items():
            if isinstance(value, float) and not metric.partition(",")[0].endswith("_stderr"):
                assert found[name][metric] == pytest.approx(value, rel=1e-4), (name, metric)
    assert found["local_text"]["bits_per_byte,none"] > 0


def test_every_answer_is_that_of_transformers_own_model(model_folder: Path, theirs: Any) -> None:
    """Score by score, and text by text, where averages would hide a difference."""
    from lm_eval.api.instance import Instance

    from headrace.evaluate.harness import HarnessModel

    def ask(kind: str, *arguments: tuple[Any, ...]) -> list[Instance]:
        return [Instance(kind, {}, given, number) for number, given in enumerate(arguments)]

    ours = HarnessModel(open_model(model_folder))
    examples = [example(number) for number in range(12)]
    pairs = [(given["question"], choice) for given in examples for choice in given["choices"]]
    pairs += [("", " the mill"), ("water " * 40, "feeds")]
    wanted = {"until": ["l", "水"], "max_gen_toks": 12}
    questions = [(given["question"], wanted) for given in examples]

    for mine, their in zip(
        ours.loglikelihood(ask("loglikelihood", *pairs)),
        theirs.loglikelihood(ask("loglikelihood", *pairs)),
        strict=True,
    ):
        assert mine[0] == pytest.approx(their[0], abs=1e-3)
        assert mine[1] == their[1]
    texts = [(given["text"],) for given in examples]
    rolling = ask("loglikelihood_rolling", *texts)
    assert ours.loglikelihood_rolling(rolling) == pytest.approx(theirs.loglikelihood_rolling(rolling), rel=1e-4)
    answers = ours.generate_until(ask("generate_until", *questions))
    assert answers == theirs.generate_until(ask("generate_until", *questions))
    assert any(answers)


def test_a_task_that_is_not_there_is_refused(model_folder: Path, tmp_path: Path) -> None:
    from headrace.evaluate.harness import run_harness

    with pytest.raises(ValueError, match="no task in there"):
        run_harness(open_model(model_folder), [str(tmp_path)])
