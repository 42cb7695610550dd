"""Classification without training: which of the labels' words would a model go on with?

Shape letters: N texts, C labels, F texts without content.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.errors import InputError
from headrace.evaluate.prompt_config import PromptConfig, fill
from headrace.models.opened import OpenedModel
from headrace.serve.scoring import encode_pair, need_decoder, prefix_token, score_tokens


@dataclass(frozen=True)
class Question:
    """What is to be judged."""

    text: str
    text_pair: str = ""


@dataclass(frozen=True)
class Answered:
    """An example with its label."""

    question: Question
    label: str


def classify_by_prompt(
    opened: OpenedModel, questions: Sequence[Question | str], config: PromptConfig, *, train: Sequence[Answered] = ()
) -> NDArray[np.float64]:
    """The probability (N, C) of each label, in the order of `config.verbalisers`; rows sum to 1.

    train: where the config's shots are taken from; none of them should be asked about. A text for which there is no
    room is shortened at its end. Raises InputError if there are too few examples, or no room for any text.
    """
    asked = [Question(question) if isinstance(question, str) else question for question in questions]
    prompter = _Prompter(opened, config, choose_shots(train, config))
    probability_NC = prompter.probabilities(asked)
    if not config.calibrate:
        return probability_NC
    # Both texts say nothing where a template has two.
    empty_FC = prompter.probabilities([Question(text, text) for text in config.content_free])
    return _normalised(probability_NC / empty_FC.mean(axis=0))


def choose_shots(train: Sequence[Answered], config: PromptConfig) -> list[Answered]:
    """Examples to show, drawn by the seed: as many of each label as possible, in random order.

    Raises InputError if there are too few.
    """
    random = np.random.default_rng(config.seed)
    by_label: dict[str, list[Answered]] = {label: [] for label in config.verbalisers}
    for place in random.permutation(len(train)):
        example = train[int(place)]
        if example.label not in by_label:
            raise InputError(f"an example has the label {example.label!r}, which has no verbaliser. Add one.")
        by_label[example.label].append(example)
    if config.shots > len(train):
        raise InputError(f"{config.shots} shots are wanted, but there are {len(train)} examples to take them from.")
    labels = [list(by_label)[int(place)] for place in random.permutation(len(by_label))]
    chosen: list[Answered] = []
    while len(chosen) < config.shots:
        chosen += [by_label[label].pop() for label in labels if by_label[label]]
    chosen = chosen[: config.shots]
    return [chosen[int(place)] for place in random.permutation(len(chosen))]


class _Prompter:
    """One model with one set of shots."""

    def __init__(self, opened: OpenedModel, config: PromptConfig, shots: Sequence[Answered]) -> None:
        self._config, self._words, self._model = config, opened.need_tokenizer(), need_decoder(opened)
        self._beginning = opened.begin_tokens or (prefix_token(opened),)
        self._max_positions = opened.facts.max_positions
        shown = [self._fill(shot.question) + config.verbalisers[shot.label] for shot in shots]
        self._before = "".join(part + config.separator for part in [config.instruction, *shown] if part)
        longest = max(len(self._encode(word)) for word in config.verbalisers.values())
        frame = len(self._encode(self._before + self._fill(Question("")))) + len(self._beginning)
        self._room = self._max_positions - frame - longest
        if self._room <= 0:
            raise InputError(
                f"the prompt takes {frame} tokens without any text, and the model sees {self._max_positions}. "
                "Take fewer shots, or a shorter instruction."
            )

    def probabilities(self, questions: Sequence[Question]) -> NDArray[np.float64]:
        contexts = [self._before + self._fill(self._shortened(question)) for question in questions]
        pairs = [
            encode_pair(self._words, (context, word), beginning=self._beginning)
            for context in contexts
            for word in self._config.verbalisers.values()
        ]
        scored = score_tokens(self._model, pairs, max_positions=self._max_positions)
        lengths = [max(1, len(tokens)) if self._config.per_token else 1 for _, tokens in pairs]
        found = [score.log_likelihood / length for score, length in zip(scored, lengths, strict=True)]
        score_NC = np.array(found, np.float64).reshape(len(questions), len(self._config.verbalisers))
        return _normalised(np.exp(score_NC - score_NC.max(axis=1, keepdims=True)))

    def _fill(self, question: Question) -> str:
        return fill(self._config.template, text=question.text, text_pair=question.text_pair)

    def _shortened(self, question: Question) -> Question:
        """With as much of its first text as there is room for beside its second."""
        room = self._room - len(self._encode(question.text_pair))
        tokens = self._encode(question.text)
        if len(tokens) <= room:
            return question
        return Question(self._words.decode(tokens[: max(0, room)]), question.text_pair)

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = self._words.encode(text, add_special_tokens=False).ids
        return tokens


def _normalised(weight_NC: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weight_NC / weight_NC.sum(axis=1, keepdims=True), np.float64)
