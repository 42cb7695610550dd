"""Files and functions fit into a head; everything public says what it gives."""

import ast
import re

import pytest
from source_tree import MODULES, Function, Module, functions_of

MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 8
MOST_POSITIONAL = 3
MOST_POSITIONAL_WITHIN_A_MODULE = 4
MOST_EXPORTS = 10
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc"}


# One test for all modules: as many tests as there are modules took two minutes to hand out.


def test_files_and_functions_are_short() -> None:
    functions = [function for module in MODULES for function in functions_of(module)]

    assert [str(module) for module in MODULES if len(module.lines) > MOST_LINES_OF_A_FILE] == []
    assert [str(function) for function in functions if function.num_lines > MOST_LINES_OF_A_FUNCTION] == []


def test_calls_can_be_read_without_looking_up_the_order_of_arguments() -> None:
    too_many = [
        str(function)
        for module in MODULES
        for function in functions_of(module)
        if num_counted(function) > MOST_PARAMETERS or num_nameless(function) > most_nameless(function)
    ]

    assert too_many == []


def num_counted(function: Function) -> int:
    """Parameters, without those that typer turns into options: a command line names each where it is used."""
    return sum(not is_option(argument) for argument in function.parameters)


def num_nameless(function: Function) -> int:
    """Arguments that a call may give without their names. Arrays are not counted: queries, keys, values."""
    return sum(not is_array(argument) and not is_option(argument) for argument in function.positional)


def most_nameless(function: Function) -> int:
    """Others set the order in what Python calls (`__exit__`), torch calls (`ctx`), or typer turns into options."""
    is_set_by_others = (
        re.fullmatch(r"__\w+__", function.node.name)
        or function.module.name.startswith("headrace.cli.")
        or any(argument.arg == "ctx" for argument in function.positional)
    )
    if is_set_by_others:
        return MOST_PARAMETERS
    return MOST_POSITIONAL_WITHIN_A_MODULE if function.node.name.startswith("_") else MOST_POSITIONAL


def is_array(argument: ast.arg) -> bool:
    """Whether a parameter has shape letters or the type of an array."""
    annotation = annotation_of(argument)
    return bool(re.search(r"_[A-Z]+$", argument.arg)) or annotation.removesuffix(" | None") in ("Tensor", "np.ndarray")


def is_option(argument: ast.arg) -> bool:
    """Whether a parameter is an option of a command: `typer.Option`, or an alias of ours for one."""
    return bool(re.search(r"typer\.Option\(|^\w+Option$", annotation_of(argument)))


def annotation_of(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation else ""


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [str(module) for module in MODULES if FORBIDDEN_NAMES & set(module.name.split("."))]

    assert named == []


def test_every_module_and_everything_public_in_it_says_what_it_gives() -> None:
    public = [
        (str(module), node)
        for module in MODULES
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]

    assert [str(module) for module in MODULES if not ast.get_docstring(module.tree)] == []
    assert [(module, node.name) for module, node in public if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("module", [module for module in MODULES if module.is_package], ids=str)
def test_a_package_exports_few_names_and_each_exists(module: Module) -> None:
    exported = [
        ast.literal_eval(node.value)
        for node in module.tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    imported = [node for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom)]
    defined = {alias.asname or alias.name for node in imported for alias in node.names}

    assert len(exported) <= 1
    for names in exported:
        assert len(names) <= MOST_EXPORTS
        assert set(names) <= defined
