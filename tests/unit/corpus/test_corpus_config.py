"""What a user may write, and what is refused before any file is opened."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headrace.corpus.config import CorpusConfig, SourceConfig
from headrace.corpus.discover import find_files
from headrace.errors import InputError, RecipeError

SOURCE = {"name": "s", "path": "a.txt"}


def test_shares_are_percentages_or_fractions() -> None:
    config = CorpusConfig.model_validate({"sources": [SOURCE], "hold_out": "7%", "quarantine_limit": 0})

    assert (config.hold_out, config.quarantine_limit) == (0.07, 0)
    assert CorpusConfig.model_validate(config.as_json()) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"hold_out": "100%"},
        {"hold_out": "two"},
        {"curate": ["gofer"]},
        {"sources": [SOURCE, SOURCE]},
        {"sources": []},
        {"sources": [{**SOURCE, "document_start": "("}]},
        {"curate": [{"rule": "num_words > 1", "languages": ["en"], "except_languages": ["zh"]}]},
        {"normalise": "NFC"},
        {"curate": [{"rule": "num_words > 1", "name": "duplicate"}]},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CorpusConfig.model_validate({"sources": [SOURCE], **wrong})


def test_a_source_has_its_own_rules_or_the_ones_for_all() -> None:
    config = CorpusConfig.model_validate(
        {
            "sources": [SOURCE, {**SOURCE, "name": "t", "curate": []}],
            "curate": ["gopher_quality", {"rule": "num_lines > 1"}],
        }
    )

    assert [len(config.rules_for(source)) for source in config.sources] == [14, 0]


def test_rules_do_not_change_what_is_measured() -> None:
    ruled = SourceConfig.model_validate({**SOURCE, "curate": ["gopher"]})

    assert ruled.for_measuring() == SourceConfig.model_validate(SOURCE).for_measuring()


def test_files_are_found_once_each_and_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt.gz", "deep/er/c.md", "deep/d.html", "deep/e.pdf", "deep/.f.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    source = SourceConfig(name="s", path=("deep", "*.txt*", "**/*.md"))

    assert [file.name for file in find_files(source, tmp_path)] == ["a.txt.gz", "b.txt", "deep/d.html", "deep/er/c.md"]


@pytest.mark.parametrize(
    ("source", "error", "complaint"),
    [
        ({"path": "*.jsonl"}, InputError, r"no file matches \*.jsonl"),
        ({"path": "a.pdf"}, RecipeError, "no suffix of a known format"),
        ({"path": "a.parquet.gz"}, RecipeError, "compressed from outside"),
        ({"path": "a.html", "document_start": "x"}, RecipeError, "document_start is for plain text"),
        ({"path": "a.html", "text": "body"}, RecipeError, "has none"),
    ],
)
def test_files_that_cannot_be_read_as_asked_are_refused(
    source: dict[str, str], error: type[Exception], complaint: str, tmp_path: Path
) -> None:
    for name in ("a.pdf", "a.parquet.gz", "a.html"):
        (tmp_path / name).touch()

    with pytest.raises(error, match=complaint):
        find_files(SourceConfig.model_validate({"name": "s", **source}), tmp_path)


def test_the_settings_are_light_to_import() -> None:
    heavy = "{'polars', 'pyarrow', 'numpy', 'numba', 'torch', 'py3langid'}"
    code = f"import sys, headrace.corpus.config; print({heavy} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_this_floor_never_imports_torch() -> None:
    code = "import sys, headrace.corpus.curate, headrace.corpus.why; print('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_links_in_a_circle_are_not_followed_and_other_linked_folders_are(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("data/a.txt", "data/deep/b.txt", "elsewhere/c.txt"):
        (tmp_path / name).write_text("text")
    (tmp_path / "data" / "again").symlink_to(".")
    (tmp_path / "data" / "deep" / "up").symlink_to("..")
    (tmp_path / "data" / "other").symlink_to("../elsewhere")
    (tmp_path / "data" / ".hidden").mkdir()
    (tmp_path / "data" / ".hidden" / "d.txt").write_text("text")

    files = find_files(SourceConfig(name="s", path=("data/**/*.txt",)), tmp_path)

    assert [file.name for file in files] == ["data/a.txt", "data/deep/b.txt", "data/other/c.txt"]
