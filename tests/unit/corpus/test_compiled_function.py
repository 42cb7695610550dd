"""Kernels as they are compiled and kept: fewer variants, no code that nobody calls, the same results."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numba.core import config, entrypoints

from headrace.corpus.compiled_function import InnerLibrary
from headrace.corpus.kernel import cache_folder
from headrace.corpus.measure.line_scores import count_c4, count_newline_lines
from headrace.corpus.measure.scores import compile_parts, score_text

SOURCE = """
import numpy as np

from headrace.corpus.kernel import inner_kernel, kernel, lean_kernel


@inner_kernel
def weigh(values, place, factor):
    return values[place] * factor + (place << 33)


@kernel
def doubled(values):
    twice = np.empty(len(values), np.int64)
    for place in range(len(values)):
        twice[place] = values[place] * 2
    return twice


@lean_kernel
def weigh_all(values, short, out):
    out[0] = weigh(values, 0, 3)
    for place in range(1, len(values)):
        out[place] = weigh(values, place, short[place])


@kernel
def weigh_twice(values, short):
    out = doubled(values)
    weigh_all(out, short, out)
    return out
"""

VALUES, SHORT = np.arange(5, 9), np.array([1, -2, 3, -4], np.int32)


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = tmp_path / "some_kernels.py"
    path.write_text(SOURCE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("some_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "some_kernels", module)
    spec.loader.exec_module(module)
    return module


def oracle(values: list[int], short: list[int]) -> list[int]:
    """What `weigh_all` writes, in plain Python."""
    factors = [3, *short[1:]]
    return [value * factor + (place << 33) for place, (value, factor) in enumerate(zip(values, factors, strict=True))]


def test_kernels_that_call_kernels_compute_what_python_does(kernels: ModuleType) -> None:
    out = np.zeros(4, np.int64)
    kernels.weigh_all(VALUES, SHORT, out)

    assert out.tolist() == oracle(VALUES.tolist(), SHORT.tolist())
    assert kernels.weigh_twice(VALUES, SHORT).tolist() == oracle((2 * VALUES).tolist(), SHORT.tolist())


def test_an_inner_kernel_is_compiled_once_for_all_kinds_of_whole_numbers(kernels: ModuleType) -> None:
    kernels.weigh_all(VALUES, SHORT, np.zeros(4, np.int64))

    assert len(kernels.weigh.signatures) == 1


def test_an_inner_kernel_has_no_machine_code(kernels: ModuleType) -> None:
    kernels.weigh_all(VALUES, SHORT, np.zeros(4, np.int64))

    (compiled,) = kernels.weigh.overloads.values()
    assert isinstance(compiled.library, InnerLibrary)
    with pytest.raises(TypeError):
        kernels.weigh(VALUES, 0, 3)


def test_numba_asks_for_extensions_later_if_it_would_have(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrypoints, "_already_initialized", False)
    kernels.doubled(VALUES)

    assert not entrypoints._already_initialized


def test_a_kept_kernel_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    (tmp_path / "some_kernels.py").write_text(SOURCE, encoding="utf-8")
    code = (
        "import numpy as np, some_kernels as kernels;"
        "print(kernels.weigh_twice(np.arange(5, 9), np.array([1, -2, 3, -4], np.int32)).tolist(),"
        "sum(kernels.weigh_twice.stats.cache_hits.values()))"
    )
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
    }
    found = [
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]

    expected = oracle((2 * VALUES).tolist(), SHORT.tolist())
    assert found == [f"{expected} 0\n", f"{expected} 1\n"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    (folder := cache_folder.__wrapped__()).chmod(0o500)

    with pytest.warns(UserWarning, match="cannot be used"):
        assert cache_folder.__wrapped__() is None
    folder.chmod(0o700)


def test_parts_are_compiled_for_the_types_that_they_are_called_with() -> None:
    compile_parts()
    score_text("One line.\nAnother", "en")

    assert len(count_c4.signatures) == len(count_newline_lines.signatures) == 1
