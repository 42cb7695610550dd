"""A linear classifier that tells good documents from bad ones, trained from examples in seconds."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.arrays import load_arrays, save_arrays
from headrace.corpus.quality.classifier_kernels import Features, Weights, learn, score_texts
from headrace.corpus.quality.config import ClassifierConfig
from headrace.corpus.quality.judge import Figures, measure_scores
from headrace.corpus.quality.symbols import Symbols, character_kinds
from headrace.corpus.texts import Bytes, Offsets, Texts
from headrace.errors import InputError

FORMAT = "headrace linear classifier 1"
"""Goes with every saved model: raise it when symbols or features are made differently."""

FEWEST_EXAMPLES = 10
"""Of each kind: below, nothing is left to measure on."""

TINY = 1e-8
"""Sum of squared gradients of a weight that has had none: keeps the first step finite."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Scores documents: the probability that one is of the good kind, were both kinds as frequent."""

    weights: Weights
    """(buckets + 1,); the last is the bias."""
    config: ClassifierConfig
    figures: Figures
    """Measured on examples that training did not see."""

    def score(self, texts: Texts) -> npt.NDArray[np.float64]:
        """(N,) in [0, 1]. A text without any symbol gets what the bias says."""
        scores = np.empty(len(texts))  # in 32 bits all that is surely good would be 1
        score_texts(texts.data, texts.offsets, self.weights, _features(texts, self.config), scores)
        return scores

    def save(self, folder: Path) -> None:
        """Writes the model as plain arrays. Raises FileExistsError if the folder is there."""
        facts = {"format": FORMAT, "config": self.config.as_json(), "figures": asdict(self.figures)}
        save_arrays(folder, {"weights": self.weights}, facts)

    @classmethod
    def load(cls, folder: Path) -> "LinearModel":
        """The model that was saved. Raises InputError if it is not whole, or of another format."""
        arrays, facts = load_arrays(folder, ("weights",))
        if facts.get("format") != FORMAT:
            raise InputError(f'{folder}: format "{facts.get("format")}", want "{FORMAT}". Train the classifier again.')
        return cls(arrays["weights"], ClassifierConfig.model_validate(facts["config"]), Figures(**facts["figures"]))


def train_classifier(good: Texts, bad: Texts, config: ClassifierConfig, *, seed: int) -> LinearModel:
    """A classifier of good against bad texts; both kinds count the same, however many there are of each.

    Raises InputError if there are too few of either.
    """
    if min(len(good), len(bad)) < FEWEST_EXAMPLES:
        raise InputError(
            f"a quality classifier learns from at least {FEWEST_EXAMPLES} good and {FEWEST_EXAMPLES} bad documents, "
            f"got {len(good)} and {len(bad)}: add files to `good` or `bad`"
        )
    random = np.random.default_rng(seed)
    texts = _join(good, bad)
    labels = np.repeat(np.array([1, 0], np.float32), (len(good), len(bad)))
    good_rows, bad_rows = random.permutation(len(good)), len(good) + random.permutation(len(bad))
    held_good, seen_good = _split(good_rows, config.held_out)
    held_bad, seen_bad = _split(bad_rows, config.held_out)
    importance = np.empty(len(texts), np.float32)
    num_seen = len(seen_good) + len(seen_bad)
    importance[good_rows], importance[bad_rows] = num_seen / 2 / len(seen_good), num_seen / 2 / len(seen_bad)

    weights = _learn(
        texts, labels, importance, rows=np.concatenate((seen_good, seen_bad)), config=config, random=random
    )
    unmeasured = LinearModel(weights, config, Figures(0, 0, 0.0, 0.0, 0.0))
    figures = measure_scores(unmeasured.score(_take(texts, held_good)), unmeasured.score(_take(texts, held_bad)))
    return LinearModel(weights, config, figures)


def _learn(
    texts: Texts,
    labels: Weights,
    importance: Weights,
    *,
    rows: npt.NDArray[np.int64],
    config: ClassifierConfig,
    random: np.random.Generator,
) -> Weights:
    num_weights = (1 << config.bucket_bits) + 1
    weights, squares = np.zeros(num_weights, np.float32), np.full(num_weights, TINY, np.float32)
    features = _features(texts, config)
    for epoch in range(config.epochs):
        step = (config.learning_rate * (1 - epoch / config.epochs), features)
        learn(texts.data, texts.offsets, random.permutation(rows), labels, importance, weights, squares, step)
    weights.setflags(write=False)
    return weights


def _features(texts: Texts, config: ClassifierConfig) -> Features:
    longest = int(texts.sizes.max(initial=0))
    return Features(
        order=config.order,
        run_bytes=config.run_bytes,
        num_buckets=1 << config.bucket_bits,
        kinds=character_kinds(),
        symbols=Symbols.room_for(longest),
        buckets=np.empty((longest + 1) * (config.order + 2), np.uint32),
    )


def _split(rows: npt.NDArray[np.int64], held_out: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Some rows to measure on, at least one, and the rest."""
    num = max(1, round(len(rows) * held_out))
    return rows[:num], rows[num:]


def _join(first: Texts, second: Texts) -> Texts:
    one, other = (texts.data[texts.offsets[0] : texts.offsets[-1]] for texts in (first, second))
    sizes = np.concatenate((first.sizes, second.sizes))
    return _laid_out(np.concatenate((one, other)), sizes)


def _take(texts: Texts, rows: npt.NDArray[np.int64]) -> Texts:
    sizes = texts.sizes[rows]
    parts = [texts.data[begin : begin + size] for begin, size in zip(texts.offsets[rows], sizes, strict=True)]
    return _laid_out(np.concatenate(parts), sizes)


def _laid_out(data: Bytes, sizes: Offsets) -> Texts:
    return Texts(data, np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes))))
