"""What a model that learnt from examples is worth, on those that were kept apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.errors import InputError
from headrace.evaluate.answers import instruction_report, preference_report
from headrace.evaluate.classification import classification_report, multi_label_report
from headrace.evaluate.prompt_config import PromptConfig
from headrace.evaluate.prompting import Answered, Question, classify_by_prompt
from headrace.evaluate.tagging import frequent_tags, tagging_baseline, tagging_report
from headrace.evaluate.task_report import AnyTaskReport, Baseline, main_figures, write_task_report
from headrace.evaluate.translation import translation_report
from headrace.examples.classify import label_numbers
from headrace.examples.encoded import EncodedExamples
from headrace.examples.example_set import ExampleSet
from headrace.models.opened import open_model
from headrace.objectives.config import ClassifyConfig, PreferConfig, SeqToSeqConfig, TagConfig
from headrace.serve.predictor import Predictor
from headrace.tokens.batch import IGNORED

MOST_WRITTEN = 500
"""Examples that are looked at where a text is written for each: writing is slow. The first are any of them, since
splits are in random order."""


def measure_task(model: Path, examples: Path, *, before: Path | None, seed: int, folder: Path) -> dict[str, Any]:
    """Writes `task.json` on the test split, or the validation split where there is none; returns its main figures.

    before: the folder of the model that training began with, to compare answers with.
    """
    found, predictor = ExampleSet(examples), Predictor(model)
    split = _kept_apart(found)
    report = _measure(predictor, found, found.split(split), before=before, seed=seed)
    return _published(report, split, folder)


def measure_prompt(config: PromptConfig, model: Path, examples: Path, *, seed: int, folder: Path) -> dict[str, Any]:
    """Writes `task.json` on the test split, or the validation split, as a model without training classifies it.

    Raises InputError for examples of another kind, or verbalisers that are not those of their labels.
    """
    found = ExampleSet(examples)
    if found.kind != "classify":
        raise InputError(f"evaluate.prompt: examples are of kind {found.kind}, wanted one label each.")
    if set(config.verbalisers) != set(found.labels):
        raise InputError(
            f"evaluate.prompt.verbalisers: got {', '.join(config.verbalisers)}, wanted {', '.join(found.labels)}."
        )
    split = _kept_apart(found)
    table = found.split(split).slice(0, MOST_WRITTEN)
    train = [Answered(question, label) for question, label in zip(*_questions(found.split("train")), strict=True)]
    asked, truth = _questions(table)
    probability_NC = classify_by_prompt(open_model(model), asked, config, train=train)
    places = [list(config.verbalisers).index(label) for label in found.labels]
    numbers = np.array([found.labels.index(label) for label in truth])
    report = classification_report(
        numbers, probability_NC[:, places], labels=found.labels, seed=seed, texts=table["text"].to_pylist()
    )
    return _published(report, split, folder)


def _questions(table: pa.Table) -> tuple[list[Question], list[str]]:
    pairs = table["text_pair"].to_pylist() if "text_pair" in table.column_names else [None] * table.num_rows
    texts = zip(table["text"].to_pylist(), pairs, strict=True)
    return [Question(text, pair or "") for text, pair in texts], table["label"].to_pylist()


def _kept_apart(examples: ExampleSet) -> str:
    """The split that a finished model is measured on."""
    return "test" if "test" in examples.splits else "validation"


def _published(report: AnyTaskReport, split: str, folder: Path) -> dict[str, Any]:
    """Writes a report; returns what a manifest tells of it."""
    write_task_report(report, folder)
    figures = {name: figure.value for name, figure in main_figures(report).items()}
    return {"split": split, "task": report.task, **figures}


def _measure(
    predictor: Predictor, examples: ExampleSet, table: pa.Table, *, before: Path | None, seed: int
) -> AnyTaskReport:
    objective = predictor.objective
    if isinstance(objective, ClassifyConfig):
        return _classification(predictor, examples, table, seed=seed)
    if isinstance(objective, TagConfig):
        return _tagging(predictor, examples, table, seed=seed)
    if isinstance(objective, SeqToSeqConfig):
        return _translation(predictor, examples, table, seed=seed)
    if isinstance(objective, PreferConfig):
        return _preference(predictor, table, before=before, seed=seed)
    return _instruction(predictor, table, before=before, seed=seed)


def _classification(predictor: Predictor, examples: ExampleSet, table: pa.Table, *, seed: int) -> AnyTaskReport:
    encoded, texts = predictor.encode(table), table["text"].to_pylist()
    probability_NC = predictor.class_probabilities(encoded)
    assert encoded.labels is not None, "what is measured has labels"
    if predictor.is_multi_label:
        return multi_label_report(encoded.labels, probability_NC, labels=predictor.labels, seed=seed, texts=texts)
    learnt = label_numbers(examples.split("train"), predictor.labels)
    counts = np.bincount(learnt, minlength=len(predictor.labels)).tolist() if learnt is not None else None
    return classification_report(
        encoded.labels, probability_NC, labels=predictor.labels, seed=seed, texts=texts, train_counts=counts
    )


def _tagging(predictor: Predictor, examples: ExampleSet, table: pa.Table, *, seed: int) -> AnyTaskReport:
    tokens, truth = table["tokens"].to_pylist(), table["tags"].to_pylist()
    guess = predictor.tags(predictor.encode(table), [len(words) for words in tokens])
    train = examples.split("train")
    usual = frequent_tags(train["tokens"].to_pylist(), train["tags"].to_pylist(), tokens)
    baseline = tagging_baseline("most frequent tag of each word", truth, usual)
    return tagging_report(truth, guess, tokens=tokens, seed=seed, baselines=[baseline])


def _translation(predictor: Predictor, examples: ExampleSet, table: pa.Table, *, seed: int) -> AnyTaskReport:
    table = table.slice(0, MOST_WRITTEN)
    sources, references = table["source"].to_pylist(), table["target"].to_pylist()
    train = examples.split("train")
    pairs = list(zip(train["source"].to_pylist(), train["target"].to_pylist(), strict=True))
    return translation_report(
        sources,
        references,
        predictor.write(table),
        target_language=_language(references),
        seed=seed,
        train_pairs=pairs,
    )


def _instruction(predictor: Predictor, table: pa.Table, *, before: Path | None, seed: int) -> AnyTaskReport:
    table = table.slice(0, MOST_WRITTEN)
    conversations = table["messages"].to_pylist()
    loss_N, tokens_N = _answer_losses(predictor, predictor.encode(table))
    baselines = []
    if before is not None:
        earlier = Predictor(before, objective=predictor.objective)
        losses, counts = _answer_losses(earlier, earlier.encode(table))
        baselines = [Baseline("before training", {"answer_loss": float(losses.sum() / counts.sum())})]
    last = [next(n for n in reversed(range(len(each))) if each[n]["role"] == "assistant") for each in conversations]
    asked = [each[:n] for each, n in zip(conversations, last, strict=True)]
    return instruction_report(
        loss_N,
        tokens_N,
        prompts=[each[-1]["content"] if each else "" for each in asked],
        references=[each[n]["content"] for each, n in zip(conversations, last, strict=True)],
        guesses=predictor.answer(asked),
        seed=seed,
        baselines=baselines,
    )


def _answer_losses(predictor: Predictor, encoded: EncodedExamples) -> tuple[np.ndarray, np.ndarray]:
    """Summed loss of each conversation's answers, in nats, and over how many tokens."""
    asked = np.add.reduceat(encoded.inputs.targets != IGNORED, encoded.inputs.bounds[:-1])
    return -predictor.log_likelihoods(encoded), asked


def _preference(predictor: Predictor, table: pa.Table, *, before: Path | None, seed: int) -> AnyTaskReport:
    objective = predictor.objective
    assert isinstance(objective, PreferConfig), "preferences have a beta"
    likelihood = predictor.log_likelihoods(predictor.encode(table))
    if before is not None:
        earlier = Predictor(before, objective=objective)
        likelihood = likelihood - earlier.log_likelihoods(earlier.encode(table))
    rewards = objective.beta * likelihood
    return preference_report(
        rewards[0::2],
        rewards[1::2],
        prompts=table["prompt"].to_pylist(),
        chosen=table["chosen"].to_pylist(),
        rejected=table["rejected"].to_pylist(),
        seed=seed,
    )


def _language(texts: list[str]) -> str:
    """`zh` for texts in Chinese characters, which BLEU must cut one by one; `en` for all others, cut at spaces."""
    letters = [character for text in texts[:200] for character in text if character.isalpha()]
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in letters)
    return "zh" if chinese > 0.3 * max(1, len(letters)) else "en"
