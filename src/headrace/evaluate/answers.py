"""What answers are worth: their loss, how many are exactly right, and which of two a model prefers."""

import math
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.errors import InputError
from headrace.evaluate.bootstrap import bootstrap_mean, bootstrap_ratio
from headrace.evaluate.task_report import Answer, Baseline, InstructionReport, Pair, PreferenceReport
from headrace.evaluate.translation import chosen_places

NUM_SAMPLES = 20
MOST_CHARACTERS = 2000
NUM_MARGIN_BINS = 20
LARGEST_EXPONENT = 700.0  # e to it is still a number


def instruction_report(
    loss_N: NDArray[np.floating],
    answer_tokens_N: NDArray[np.integer],
    *,
    prompts: Sequence[str],
    references: Sequence[str],
    guesses: Sequence[str] | None = None,
    seed: int,
    baselines: Sequence[Baseline] = (),
) -> InstructionReport:
    """The report of answers.

    loss_N: summed negative log-likelihood of each reference, in nats; answer_tokens_N: over how many tokens. guesses:
    what the model itself answers, where that was asked. Raises InputError without answers.
    """
    if len(loss_N) == 0:
        raise InputError("no answers to report on: the split is empty. Give `test` a greater share, or a file.")
    answer_loss = bootstrap_ratio(loss_N, answer_tokens_N, seed=seed)
    mean_N = np.asarray(loss_N, np.float64) / np.maximum(answer_tokens_N, 1)
    told = guesses if guesses is not None else [""] * len(prompts)
    answers = [
        Answer(prompt[:MOST_CHARACTERS], reference[:MOST_CHARACTERS], guess[:MOST_CHARACTERS], float(loss))
        for prompt, reference, guess, loss in zip(prompts, references, told, mean_N, strict=True)
    ]
    exact_N = np.asarray([guess.strip() == wanted.strip() for guess, wanted in zip(told, references, strict=True)])
    same_N = np.asarray([normalise(guess) == normalise(wanted) for guess, wanted in zip(told, references, strict=True)])
    return InstructionReport(
        task="instruct",
        examples=len(loss_N),
        answer_tokens=int(np.sum(answer_tokens_N)),
        answer_loss=answer_loss,
        perplexity=math.exp(min(answer_loss.value, LARGEST_EXPONENT)),
        exact=bootstrap_mean(exact_N, seed=seed) if guesses is not None else None,
        normalised=bootstrap_mean(same_N, seed=seed) if guesses is not None else None,
        samples=tuple(answers[n] for n in chosen_places(len(answers), NUM_SAMPLES, seed=seed)),
        worst=tuple(answers[n] for n in np.argsort(-mean_N, kind="stable")[:NUM_SAMPLES].tolist()),
        baselines=tuple(baselines),
    )


def normalise(text: str) -> str:
    """Text without what a reader overlooks: case, width of characters, white space, punctuation around it."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    first, last = 0, len(text)
    while first < last and not _says_something(text[first]):
        first += 1
    while last > first and not _says_something(text[last - 1]):
        last -= 1
    return text[first:last]


def preference_report(
    chosen_reward_N: NDArray[np.floating],
    rejected_reward_N: NDArray[np.floating],
    *,
    prompts: Sequence[str],
    chosen: Sequence[str],
    rejected: Sequence[str],
    seed: int,
    baselines: Sequence[Baseline] = (),
) -> PreferenceReport:
    """The report of pairs of answers, by the reward that the objective gives each. Raises InputError without pairs."""
    if len(chosen_reward_N) == 0:
        raise InputError("no pairs to report on: the split is empty. Give `test` a greater share, or a file.")
    margin_N = np.asarray(chosen_reward_N, np.float64) - np.asarray(rejected_reward_N, np.float64)
    won_N = (margin_N > 0) + 0.5 * (margin_N == 0)
    order = np.argsort(margin_N, kind="stable")
    lost = [int(n) for n in order[margin_N[order] <= 0][:NUM_SAMPLES]]
    shown = [[text[:MOST_CHARACTERS] for text in side] for side in (prompts, chosen, rejected)]
    return PreferenceReport(
        task="prefer",
        examples=len(margin_N),
        accuracy=bootstrap_mean(won_N, seed=seed),
        margin=bootstrap_mean(margin_N, seed=seed),
        chosen_reward=float(np.mean(chosen_reward_N)),
        rejected_reward=float(np.mean(rejected_reward_N)),
        margins=tuple(np.quantile(margin_N, np.linspace(0, 1, NUM_MARGIN_BINS + 1)).tolist()),
        worst=tuple(Pair(shown[0][n], shown[1][n], shown[2][n], float(margin_N[n])) for n in lost),
        baselines=tuple(baselines),
    )


def _says_something(character: str) -> bool:
    return unicodedata.category(character)[0] not in "PZ"
