"""Translations are scored as sacrebleu scores them; the nearest text is found; answers are compared fairly."""

import math

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF
from sklearn.feature_extraction.text import TfidfVectorizer

from headrace.errors import InputError
from headrace.evaluate.answers import instruction_report, normalise, preference_report
from headrace.evaluate.retrieval import nearest_texts, retrieve
from headrace.evaluate.translation import score_translations, tokenizer_of, translation_report

SOURCES = ["Open the file menu.", "Close the window.", "Save the document now.", "Print the page again."]
CHINESE = ["打开文件菜单。", "关闭窗口。", "现在保存文档。", "再次打印页面。"]
GUESSES = ["打开菜单文件。", "关闭窗口。", "现在保存它。", ""]


def test_scores_and_signatures_are_those_of_sacrebleu() -> None:
    report = translation_report(SOURCES, CHINESE, GUESSES, target_language="zh-CN", seed=0, num_resamples=50)

    bleu, chrf = report.metrics
    assert bleu.figure.value == pytest.approx(sacrebleu.corpus_bleu(GUESSES, [CHINESE], tokenize="zh").score)
    assert chrf.figure.value == pytest.approx(sacrebleu.corpus_chrf(GUESSES, [CHINESE]).score)
    assert "tok:zh" in bleu.signature
    assert bleu.figure.low is not None
    assert bleu.figure.high is not None
    assert bleu.figure.low < bleu.figure.high
    assert report.exact.value == 0.25
    assert report.worst[0].guess == ""
    assert [baseline.name for baseline in report.baselines] == ["copy of the source"]


def test_intervals_are_about_those_of_sacrebleu() -> None:
    random = np.random.default_rng(0)
    references = [" ".join(random.choice(list("abcdefgh"), 12)) for _ in range(60)]
    guesses = [" ".join(word if random.random() > 0.1 else "x" for word in each.split()) for each in references]

    found = score_translations(guesses, references, tokenizer="13a", num_resamples=1000, seed=1)

    for metric, theirs in zip(found, (BLEU(), CHRF()), strict=True):
        wanted = theirs.corpus_score(guesses, [references], n_bootstrap=1000)
        assert metric.figure.value == pytest.approx(wanted.score)
        assert metric.figure.low == pytest.approx(wanted._mean - wanted._ci, abs=0.8)
        assert metric.figure.high == pytest.approx(wanted._mean + wanted._ci, abs=0.8)


@pytest.mark.parametrize(
    "language, tokenizer", [("zh", "zh"), ("zh_TW", "zh"), ("fr", "13a"), ("ja", "char"), ("intl", "intl")]
)
def test_a_language_has_its_tokenizer(language: str, tokenizer: str) -> None:
    assert tokenizer_of(language) == tokenizer


def test_what_was_learnt_by_heart_is_found_again() -> None:
    pairs = list(zip(SOURCES, CHINESE, strict=True))

    report = translation_report(
        SOURCES, CHINESE, GUESSES, target_language="zh", seed=0, train_pairs=pairs, num_resamples=10
    )

    assert report.baselines[1].figures["chrF"] == pytest.approx(100)
    assert retrieve(pairs, ["close a window", "保"])[0] == "关闭窗口。"


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.text("abc 好", min_size=1, max_size=8), min_size=1, max_size=8),
    queries=st.lists(st.text("abc 好", min_size=1, max_size=8), max_size=5),
)
def test_the_nearest_text_has_the_greatest_cosine(texts: list[str], queries: list[str]) -> None:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    dense = vectorizer.fit_transform(texts).toarray()

    found = nearest_texts(texts, queries)

    for query, place in zip(queries, found, strict=True):
        cosines = dense @ vectorizer.transform([query]).toarray()[0]
        assert cosines[place] == pytest.approx(cosines.max(), abs=1e-5)


def test_answers_have_a_loss_per_token_and_are_compared_twice() -> None:
    report = instruction_report(
        np.array([2.0, 9.0]),
        np.array([2, 2]),
        prompts=["Capital of France?", "二加二？"],
        references=["Paris", "四"],
        guesses=["  paris. ", "五"],
        seed=0,
    )

    assert report.answer_loss.value == pytest.approx(11 / 4)
    assert report.perplexity == pytest.approx(math.exp(11 / 4))
    assert report.exact is not None
    assert report.normalised is not None
    assert (report.exact.value, report.normalised.value) == (0.0, 0.5)
    assert report.worst[0].prompt == "二加二？"


@pytest.mark.parametrize(
    "text, expected", [("“Yes!”", "yes"), ("Ｙes　 Sir", "yes sir"), ("。", ""), ("3.5 %", "3.5"), ("C++", "c++")]
)
def test_a_text_is_normalised(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_a_preferred_answer_wins_and_a_tie_counts_half() -> None:
    report = preference_report(
        np.array([1.0, 0.0, 0.5, 0.0]),
        np.array([0.0, 1.0, 0.5, -3.0]),
        prompts=list("abcd"),
        chosen=list("efgh"),
        rejected=list("ijkl"),
        seed=0,
    )

    assert report.accuracy.value == pytest.approx(2.5 / 4)
    assert report.margin.value == pytest.approx(0.75)
    assert [pair.prompt for pair in report.worst] == ["b", "c"]
    assert (report.margins[0], report.margins[-1]) == (-1.0, 3.0)


def test_empty_splits_are_refused() -> None:
    with pytest.raises(InputError, match="no pairs"):
        translation_report([], [], [], target_language="fr", seed=0)
    with pytest.raises(InputError, match="no answers"):
        instruction_report(np.zeros(0), np.zeros(0, int), prompts=[], references=[], seed=0)
