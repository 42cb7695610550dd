"""What the guides show is true: recipes can run, data are examples, links lead somewhere, names exist."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.examples.kinds import Kind
from headrace.examples.read import read_examples
from headrace.recipe import load_recipe
from headrace.recipe.load import check_recipe
from headrace.recipe.yaml_text import parse_yaml

ROOT = Path(__file__).parents[3]
GUIDES = sorted((*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md")))
TASKS = sorted(ROOT.glob("docs/tasks/*.md"))
EXAMPLES = sorted(ROOT.glob("examples/**/*.yaml"))

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
COMMAND = re.compile(r"^headrace ([a-z-]+)", re.MULTILINE)
INLINE = re.compile(r"`headrace ([a-z-]+)")
COMMANDS = set("run upload find-rate tune generate chat predict convert harness recipe corpus".split())
COMMANDS |= set("show ls report check gc why trace".split())
SHOWS: dict[str, Kind] = {
    "classification": "classify",
    "tagging": "tag",
    "translation": "seq2seq",
    "instruction": "instruct",
    "preference": "prefer",
    "prompting": "classify",
}
"""A page -> the kind of examples that it shows."""


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(page.read_text("utf-8")) if language in languages]


def commands(page: Path) -> list[str]:
    """What follows the name of the program, wherever it is called."""
    called = [name for text in blocks(page, "") for name in COMMAND.findall(text)]
    return called + INLINE.findall(BLOCK.sub("", page.read_text("utf-8")))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def recipes(page: Path) -> list[dict[str, Any]]:
    """The recipes of a page; sections that stand alone come in the place of those of the whole recipe before them."""
    found: list[dict[str, Any]] = []
    whole: dict[str, Any] = {}
    for text in blocks(page, "yaml"):
        given = parse_yaml(text, name_of(page))
        if "task" not in given:  # those are for lm-evaluation-harness
            whole = given if {"name", "seed"} <= given.keys() else whole
            found.append({**whole, **given})
    return found


@pytest.mark.parametrize("page", TASKS, ids=name_of)
def test_recipes_of_the_task_guides_can_run(page: Path) -> None:
    for given in recipes(page):
        check_recipe(given, name_of(page))
    assert page.name.startswith("README") or recipes(page)


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_example_recipes_can_run(path: Path) -> None:
    load_recipe(path)


@pytest.mark.parametrize("page", [page for page in TASKS if page.name.split(".")[0] in SHOWS], ids=name_of)
def test_data_of_the_task_guides_are_examples(page: Path, tmp_path: Path) -> None:
    names = re.findall(r"`columns: (\{[^`]*\})`", page.read_text("utf-8"))
    columns = yaml.safe_load(names[0]) if names else {}
    shown = 0
    for suffix in ("jsonl", "csv", "conll"):
        for text in blocks(page, suffix):
            (tmp_path / f"shown.{suffix}").write_text(text, "utf-8")
            files = find_files(SourceConfig(name="shown", path=(f"shown.{suffix}",), format="jsonl"), tmp_path)
            kind, examples = read_examples(files, columns if suffix == "csv" else {})
            assert kind == SHOWS[page.name.split(".")[0]]
            assert len(examples) >= 2
            shown += 1
    assert shown


@pytest.mark.parametrize("page", [page for page in TASKS if ".zh-CN" not in page.name], ids=name_of)
def test_both_languages_show_the_same_recipes(page: Path) -> None:
    twin = page.with_suffix(".zh-CN.md")

    assert recipes(page) == recipes(twin)
    assert commands(page) == commands(twin)
    assert len(HEADING.findall(page.read_text("utf-8"))) == len(HEADING.findall(twin.read_text("utf-8")))


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(BLOCK.sub("", page.read_text("utf-8"))):
        if target.startswith(("http:", "https:")):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{target} of {name_of(page)}"
        if anchor:
            assert anchor[1:] in anchors(path), f"{target}{anchor} of {name_of(page)}"


def anchors(page: Path) -> set[str]:
    """Headings as GitHub links to them."""
    headings = HEADING.findall(BLOCK.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_commands_and_tasks_exist(page: Path) -> None:
    assert set(commands(page)) <= COMMANDS
    for name in re.findall(r"make task-([a-z-]+)", page.read_text("utf-8")):
        assert (ROOT / f"examples/tasks/{name}.yaml").exists()
        assert f"\nDATA_{name} :=" in (ROOT / "Makefile").read_text()


def test_the_list_of_commands_is_that_of_the_program() -> None:
    from typer.main import get_command

    from headrace.cli.main import app

    assert set(get_command(app).commands) == COMMANDS  # type: ignore[attr-defined]  # a group has commands


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_names_in_python_exist(page: Path) -> None:
    for text in blocks(page, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("headrace"):
                there = names_in(str(node.module))
                assert [alias.name for alias in node.names if alias.name not in there] == []


def names_in(module: str) -> set[str]:
    """What a module of ours defines or brings in, read and not imported: that would need torch."""
    path = ROOT / "src" / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names = set[str]()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def test_every_example_recipe_of_a_task_stands_in_the_guides() -> None:
    text = "".join(page.read_text("utf-8") for page in TASKS)
    names = [path.stem for path in EXAMPLES if path.parent.name == "tasks"]

    assert [name for name in names if f"{name}.yaml" not in text] == []
