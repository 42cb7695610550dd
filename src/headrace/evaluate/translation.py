"""What translations are worth: BLEU and chrF of sacrebleu, beside copying and looking up.

Source: Papineni et al. 2002; Popović 2015; Post 2018 for why a score needs its signature.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from headrace.errors import InputError
from headrace.evaluate.bootstrap import NUM_RESAMPLES, Floats, bootstrap, bootstrap_mean
from headrace.evaluate.retrieval import retrieve
from headrace.evaluate.task_report import Baseline, Figure, Metric, Translation, TranslationReport

TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}
"""Languages without spaces between words; all others have the tokenizer of WMT."""
USUAL_TOKENIZER = "13a"
NUM_SAMPLES = 20
COPYING, RETRIEVAL = "copy of the source", "nearest training pair"


def translation_report(
    sources: Sequence[str],
    references: Sequence[str],
    guesses: Sequence[str],
    *,
    target_language: str,
    seed: int,
    train_pairs: Sequence[tuple[str, str]] = (),
    num_resamples: int = NUM_RESAMPLES,
) -> TranslationReport:
    """The report of translations into a language, such as `zh` or `fr`.

    train_pairs: source and target of what was learnt from; without them nothing is looked up. Raises InputError
    without pairs.
    """
    if not sources:
        raise InputError("no pairs to report on: the split is empty. Give `test` a greater share, or a file.")
    assert len(sources) == len(references) == len(guesses), "as many sources, references and guesses"
    metrics = score_translations(
        guesses, references, tokenizer=tokenizer_of(target_language), num_resamples=num_resamples, seed=seed
    )
    others = {COPYING: list(sources)}
    retrieved = retrieve(train_pairs, sources) if train_pairs else []
    others |= {RETRIEVAL: retrieved} if retrieved else {}
    baselines = tuple(
        Baseline(name, _figures(score_translations(texts, references, tokenizer=tokenizer_of(target_language))))
        for name, texts in others.items()
    )
    sentence = CHRF()
    pairs = zip(sources, references, guesses, retrieved or [""] * len(sources), strict=True)
    translations = [
        Translation(source, reference, guess, float(sentence.sentence_score(guess, [reference]).score), other)
        for source, reference, guess, other in pairs
    ]
    exact_N = np.asarray(
        [guess.strip() == reference.strip() for guess, reference in zip(guesses, references, strict=True)]
    )
    return TranslationReport(
        task="seq2seq",
        examples=len(sources),
        metrics=metrics,
        exact=bootstrap_mean(exact_N, seed=seed),
        length_ratio=sum(map(len, guesses)) / max(1, sum(map(len, references))),
        samples=tuple(translations[n] for n in chosen_places(len(sources), NUM_SAMPLES, seed=seed)),
        worst=tuple(sorted(translations, key=lambda translation: translation.chrf)[:NUM_SAMPLES]),
        baselines=baselines,
    )


def score_translations(
    guesses: Sequence[str], references: Sequence[str], *, tokenizer: str, num_resamples: int = 0, seed: int = 0
) -> tuple[Metric, ...]:
    """BLEU and chrF of a corpus, with intervals if there are resamples."""
    # `force`: sacrebleu would warn of text that looks tokenised, and a model may well write such text.
    metrics = {"BLEU": BLEU(tokenize=tokenizer, force=True), "chrF": CHRF()}
    return tuple(
        Metric(
            name,
            _score(metric, guesses, references, num_resamples=num_resamples, seed=seed),
            str(metric.get_signature()),
        )
        for name, metric in metrics.items()
    )


def _score(metric: Any, guesses: Sequence[str], references: Sequence[str], *, num_resamples: int, seed: int) -> Figure:
    """sacrebleu's score, and an interval from its counts of each sentence.

    sacrebleu's own resampling (2.6) fails where a resample scores nothing, as those of weak models do.
    """
    score = float(metric.corpus_score(list(guesses), [list(references)]).score)
    if not num_resamples:
        return Figure(score)
    counts_NK = np.asarray(metric._extract_corpus_statistics(list(guesses), [list(references)]), np.float64)

    def statistic(sums: Floats) -> Floats:
        rows = np.rint(sums).astype(np.int64).reshape(-1, sums.shape[-1]).tolist()
        return np.asarray([metric._compute_score_from_stats(row).score for row in rows]).reshape(*sums.shape[:-1], 1)

    interval = bootstrap(counts_NK, statistic, seed=seed, num_resamples=num_resamples)[0]
    return Figure(score, interval.low, interval.high)


def tokenizer_of(language: str) -> str:
    """sacrebleu's tokenizer for a language; a name of one of its tokenizers stands for itself."""
    if language in BLEU.TOKENIZERS and language != "zh":
        return language
    return TOKENIZERS.get(language.lower().replace("_", "-").partition("-")[0], USUAL_TOKENIZER)


def chosen_places(num_examples: int, most: int, *, seed: int) -> list[int]:
    """Some places by chance, in their order."""
    chosen = np.random.default_rng(seed).choice(num_examples, size=min(most, num_examples), replace=False)
    return sorted(int(place) for place in chosen)


def _figures(metrics: Sequence[Metric]) -> dict[str, float]:
    return {metric.name: metric.figure.value for metric in metrics}
