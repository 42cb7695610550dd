"""Nothing that runs code from data, and nothing that asks a shell."""

import ast
from collections.abc import Iterator

import pytest
import yaml
from source_tree import MODULES

from headrace.recipe.yaml_text import _Loader

BANNED_CALLS = {
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "marshal.loads",
    "torch.load",
    "joblib.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "tempfile.mktemp",
}
BANNED_METHODS = {"extractall"}
BANNED_ARGUMENTS = {("shell", True), ("allow_pickle", True), ("trust_remote_code", True), ("weights_only", False)}
OUR_LOADER = "_Loader"


def banned_calls(tree: ast.AST) -> Iterator[str]:
    """Calls in a syntax tree that must not be there, as they are written."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        arguments = {(word.arg, word.value.value) for word in call.keywords if isinstance(word.value, ast.Constant)}
        loads_yaml_freely = name == "yaml.load" and OUR_LOADER not in map(ast.unparse, call.args)
        if (
            name in BANNED_CALLS
            or name.rpartition(".")[2] in BANNED_METHODS
            or loads_yaml_freely
            or BANNED_ARGUMENTS & arguments
        ):
            yield ast.unparse(call)


def test_no_module_calls_what_is_banned() -> None:
    assert [(str(module), call) for module in MODULES for call in banned_calls(module.tree)] == []


def test_our_yaml_loader_is_a_safe_one() -> None:
    assert issubclass(_Loader, yaml.SafeLoader)


@pytest.mark.parametrize(
    "source",
    [
        "pickle.load(file)",
        "torch.load('a.pt', weights_only=True)",
        "yaml.load(text, yaml.Loader)",
        "yaml.load(text)",
        "eval('1')",
        "subprocess.run('ls', shell=True)",
        "tarfile.open(path).extractall(folder)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_a_banned_call_is_found(source: str) -> None:
    assert list(banned_calls(ast.parse(source))) == [source]


@pytest.mark.parametrize("source", ["model.eval()", "yaml.load(text, _Loader)", "np.load(path, allow_pickle=False)"])
def test_what_only_looks_like_a_banned_call_is_not(source: str) -> None:
    assert list(banned_calls(ast.parse(source))) == []
