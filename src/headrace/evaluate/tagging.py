"""What predicted tags of words are worth: entities that are exactly right, and words.

N sentences, C types of entities (or tags). A resample draws sentences, because words of one depend on each other.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.errors import InputError
from headrace.evaluate.counts import Scores, score_counts
from headrace.evaluate.entities import OUTSIDE, Entities, find_entities, type_names
from headrace.evaluate.spans import exact_matches, span_errors
from headrace.evaluate.task_report import Baseline, Sentence, TaggingReport

MOST_SENTENCES = 20

Tags = Sequence[Sequence[str]]


def tagging_report(
    truth: Tags, guess: Tags, *, tokens: Tags, seed: int, baselines: Sequence[Baseline] = ()
) -> TaggingReport:
    """The report of sentences of tags, each as long as its words. Raises InputError without sentences."""
    if not truth:
        raise InputError("no sentences to report on: the split is empty. Give `test` a greater share, or a file.")
    for name, side in (("guess", guess), ("tokens", tokens)):
        assert list(map(len, side)) == list(map(len, truth)), f"{name}: not as many words as the truth has"
    types = type_names(truth, guess)
    true, guessed = find_entities(truth, types), find_entities(guess, types)
    confusion, errors = span_errors(true, guessed, types)
    entities = score_counts(_entity_counts(true, guessed, len(truth), num_types=len(types)), types, seed=seed)
    words = _score_words(truth, guess, seed=seed)
    return TaggingReport(
        task="tag",
        examples=len(truth),
        f1=entities.micro_f1,
        macro_f1=entities.macro_f1,
        classes=entities.classes,
        averages=entities.averages,
        token_accuracy=words.accuracy,
        token_classes=words.classes,
        token_averages=words.averages,
        confusion=confusion,
        errors=errors,
        worst=_worst(truth, guess, tokens=tokens, true=true, guessed=guessed),
        baselines=tuple(baselines),
    )


def frequent_tags(train_tokens: Tags, train_tags: Tags, tokens: Tags) -> list[list[str]]:
    """The tags of a baseline: to every word its most frequent tag in training, O to what did not occur there."""
    counts: dict[str, dict[str, int]] = {}
    for words, tags in zip(train_tokens, train_tags, strict=True):
        for word, tag in zip(words, tags, strict=True):
            of_word = counts.setdefault(word, {})
            of_word[tag] = of_word.get(tag, 0) + 1
    usual = {word: max(sorted(of_word), key=lambda tag: of_word[tag]) for word, of_word in counts.items()}
    return [[usual.get(word, OUTSIDE) for word in words] for words in tokens]


def tagging_baseline(name: str, truth: Tags, guess: Tags) -> Baseline:
    """The figures of other tags for the same sentences."""
    types = type_names(truth, guess)
    true, guessed = find_entities(truth, types), find_entities(guess, types)
    scores = score_counts(_entity_counts(true, guessed, len(truth), num_types=len(types)), types, seed=0)
    return Baseline(name, {"f1": scores.micro_f1.value, "macro_f1": scores.macro_f1.value})


def _entity_counts(true: Entities, guessed: Entities, num_sentences: int, *, num_types: int) -> NDArray[np.int64]:
    found_S, _ = exact_matches(true, guessed)
    sides = ((true.sentence_S[found_S], true.type_S[found_S]), (guessed.sentence_S, guessed.type_S))
    parts = [
        _tally(row_S, column_S, num_sentences, num_types)
        for row_S, column_S in (*sides, (true.sentence_S, true.type_S))
    ]
    same_N = (parts[0] == parts[1]).all(axis=1) & (parts[0] == parts[2]).all(axis=1)
    return np.hstack([*parts, same_N[:, None].astype(np.int64), np.ones((num_sentences, 1), np.int64)])


def _score_words(truth: Tags, guess: Tags, *, seed: int) -> Scores:
    """Scores of each tag but O; accuracy counts O, too."""
    sentence_T = np.repeat(np.arange(len(truth)), [len(tags) for tags in truth])
    names = sorted({tag for side in (truth, guess) for tags in side for tag in tags} - {OUTSIDE})
    places = {name: place for place, name in enumerate(names)} | {OUTSIDE: len(names)}
    true_T, guess_T = (np.asarray([places[tag] for tags in side for tag in tags], np.int64) for side in (truth, guess))
    right_T, num = true_T == guess_T, len(names) + 1
    pairs = ((sentence_T[right_T], true_T[right_T]), (sentence_T, guess_T), (sentence_T, true_T))
    parts = [_tally(row_S, column_S, len(truth), num) for row_S, column_S in pairs]
    accuracy = [parts[0].sum(axis=1, keepdims=True), parts[2].sum(axis=1, keepdims=True)]
    return score_counts(np.hstack([*(part[:, :-1] for part in parts), *accuracy]), names, seed=seed)


def _tally(row_S: NDArray[np.int64], column_S: NDArray[np.int64], num_rows: int, num_columns: int) -> NDArray[np.int64]:
    counts = np.zeros((num_rows, num_columns), np.int64)
    np.add.at(counts, (row_S, column_S), 1)
    return counts


def _worst(truth: Tags, guess: Tags, *, tokens: Tags, true: Entities, guessed: Entities) -> tuple[Sentence, ...]:
    """The sentences with the most entities that are missed, extra or not exact."""
    true_found_S, guessed_found_S = exact_matches(true, guessed)
    errors_N = np.bincount(true.sentence_S[~true_found_S], minlength=len(truth))
    errors_N += np.bincount(guessed.sentence_S[~guessed_found_S], minlength=len(truth))
    order = np.argsort(-errors_N, kind="stable")[:MOST_SENTENCES].tolist()
    return tuple(
        Sentence(tuple(tokens[n]), tuple(truth[n]), tuple(guess[n]), int(errors_N[n])) for n in order if errors_N[n]
    )
