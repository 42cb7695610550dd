"""The source as syntax trees, for tests that hold it to the rules of the house."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Module:
    """One file of the source."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(SOURCE).as_posix()

    @property
    def name(self) -> str:
        """The dotted name: `headrace.store.lock`, a package without `__init__`."""
        parts = self.path.relative_to(SOURCE).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @cached_property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse("\n".join(self.lines))

    @cached_property
    def imports(self) -> set[str]:
        """Modules of ours that it imports anywhere: on top, in functions, for type checkers only."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self}: an import without the full name"
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in NAMES else str(node.module) for name in names}
        return {name for name in found if name in NAMES}


@dataclass(frozen=True)
class Function:
    """A function or method, with the class around it."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef
    owner: ast.ClassDef | None

    def __str__(self) -> str:
        return f"{self.module}:{self.node.lineno} {self.node.name}"

    @property
    def num_lines(self) -> int:
        """From `def` to the end, docstring aside."""
        first, *_ = self.node.body
        documented = ast.get_docstring(self.node, clean=False) is not None
        docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
        return (self.node.end_lineno or 0) - self.node.lineno + 1 - docstring

    @property
    def positional(self) -> list[ast.arg]:
        """Parameters that may be given by position, `self` aside."""
        given = [*self.node.args.posonlyargs, *self.node.args.args]
        is_static = any(ast.unparse(mark) == "staticmethod" for mark in self.node.decorator_list)
        return given[1:] if self.owner and not is_static else given

    @property
    def parameters(self) -> list[ast.arg]:
        return [*self.positional, *self.node.args.kwonlyargs]


def functions_of(module: Module) -> Iterator[Function]:
    """Every function of a module, inner ones included."""
    yield from _functions_below(module, module.tree, None)


def _functions_below(module: Module, node: ast.AST, owner: ast.ClassDef | None) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(module, child, owner)
            yield from _functions_below(module, child, None)
        else:
            yield from _functions_below(module, child, child if isinstance(child, ast.ClassDef) else owner)


MODULES = [Module(path) for path in sorted((SOURCE / "headrace").rglob("*.py"))]
NAMES = {module.name for module in MODULES}
