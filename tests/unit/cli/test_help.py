"""Whoever asks for help gets it, with an example to copy."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from headrace.cli.main import app
from headrace.version import VERSION

Headrace = Callable[..., Any]


def list_commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command below a group, as the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from list_commands(command, (*words, name))
        else:
            yield (*words, name)


COMMANDS = sorted(list_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself_with_an_example(words: tuple[str, ...], flag: str, headrace: Headrace) -> None:
    outcome = headrace(*words, flag)

    assert (outcome.code, outcome.stderr) == (0, "")
    assert f"Example: headrace {' '.join(words)}" in outcome.stdout
    assert outcome.stdout.count("Usage:") == 1


def test_every_option_of_every_command_says_what_it_does() -> None:
    root: Any = typer.main.get_command(app)
    silent = []
    for words in COMMANDS:
        command = root
        for word in words:
            command = command.commands[word]
        silent += [
            (*words, option.name)
            for option in command.params
            if option.name != "help" and not getattr(option, "help", None)
        ]
    assert silent == []


def test_help_lists_the_commands_and_where_to_start(headrace: Headrace) -> None:
    outcome = headrace("--help")

    assert outcome.code == 0
    assert "headrace run examples/quickstart.yaml" in outcome.stdout
    assert all(words[0] in outcome.stdout for words in COMMANDS)


def test_the_version_is_printed(headrace: Headrace) -> None:
    outcome = headrace("--version")

    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, f"headrace {VERSION}\n", "")


def test_python_m_headrace_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "headrace", "--version"], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == (f"headrace {VERSION}\n", "")
