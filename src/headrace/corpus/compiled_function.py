"""numba's compiler, made to compile less.

Three habits of numba cost time on the first use of a kernel, and change nothing in what it does afterwards:

* It makes every function ready to be called by itself. The code of an inner kernel becomes part of the kernels that
  call it, and is optimised and translated there; doing both before as well took a third of all compiling.
* It compiles a function anew for each kind of whole number it is called with, even for the literal 0. Kernels compute
  with 64 bits, whatever they are given, so one of them will do.
* It asks every installed package for extensions before it begins, and imports some large ones for it. Kernels use none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from numba import types
from numba.core import entrypoints
from numba.core.caching import FunctionCache
from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler import Compiler, CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.core.typed_passes import NativeLowering

from headrace.corpus.compile_notice import tell

Options = Mapping[str, bool]


class InnerLibrary(CPUCodeLibrary):  # type: ignore[misc]
    """Intermediate code that waits to be linked into the libraries of its callers."""

    def _optimize_final_module(self) -> None:
        """Left to the callers."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class InnerLowering(NativeLowering):  # type: ignore[misc]
    """From numba's form of a function to intermediate code."""

    _name = "inner_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = InnerLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        # What Python would call. numba wants a built-in one, and tells functions apart by it; this refuses arguments.
        never_called = dict[str, int]().update
        state.cr = state.cr._replace(cfunc=never_called)
        state.targetctx.insert_user_function(never_called, state.cr.fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        return True


class InnerCompiler(CompilerBase):  # type: ignore[misc]
    """numba's compiler but for its last step."""

    def define_pipelines(self) -> list[Any]:
        usual = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes = PassManager("inner_kernel")
        for step, description in usual.passes:
            passes.add_pass(InnerLowering if step is NativeLowering else step, description)
        passes.finalize()
        return [passes]


class _Function(CPUDispatcher):  # type: ignore[misc]
    """A function that is compiled when it is first called: wrapping integers, IEEE division, no interpreter lock."""

    def __init__(self, function: Callable[..., object], options: Options, compiler: type[CompilerBase]) -> None:
        all_options = {"nopython": True, "nogil": True, "boundscheck": None, "error_model": "numpy", **options}
        super().__init__(function, targetoptions=all_options, pipeline_class=compiler)

    def compile(self, sig: Any) -> Any:
        with _without_extensions():
            return super().compile(sig)

    def _compilation_chain_init_hook(self) -> None:
        """Looks for no extensions."""


class InnerFunction(_Function):
    """A function as kernels call it, compiled once for all kinds of signed whole numbers."""

    def __init__(
        self, function: Callable[..., object], options: Options, compiler: type[CompilerBase] = InnerCompiler
    ) -> None:
        without_wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        super().__init__(function, {**options, **without_wrappers}, compiler)

    def get_call_template(self, args: Sequence[Any], kws: Mapping[str, Any]) -> Any:
        return super().get_call_template(tuple(map(_widened, args)), {key: _widened(kws[key]) for key in kws})


class PartFunction(InnerFunction):
    """An inner function that is kept by itself, so that another process can compile it meanwhile."""

    def __init__(self, function: Callable[..., object], options: Options) -> None:
        super().__init__(function, options, Compiler)

    def enable_caching(self) -> None:
        self._cache = _Cache(self.py_func)

    def compile(self, sig: Any) -> Any:
        """Compiles the function, or loads it once the process that is compiling it has finished or died."""
        with ExitStack() as stack:
            if isinstance(self._cache, _Cache):
                with suppress(OSError, NotImplementedError):  # no place for a lock: then both do the work
                    path = Path(self._cache.cache_path) / f"{self.py_func.__name__}.lock"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(FileLock(path))
            return super().compile(sig)


class OuterFunction(_Function):
    """A function as Python calls it. Kernels that do are given an `InnerFunction` of the same code."""

    def __init__(self, function: Callable[..., object], options: Options) -> None:
        super().__init__(function, options, Compiler)
        self._inner = InnerFunction(function, options)

    def enable_caching(self) -> None:
        self._cache = _Cache(self.py_func)

    def get_call_template(self, args: Sequence[Any], kws: Mapping[str, Any]) -> Any:
        return self._inner.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self._inner.get_overload(sig)


class _Cache(FunctionCache):  # type: ignore[misc]
    """Compiled code on disk, loaded without what only compiling needs: 0.2 s for all of numba's implementations."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        found = None
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        if found is None:
            tell(self._py_func.__module__.rpartition(".")[2].replace("_", " "))
        return found


@contextmanager
def _without_extensions() -> Iterator[None]:
    """numba takes it that it has asked for extensions; it does later, if somebody else compiles something."""
    before = entrypoints._already_initialized
    entrypoints._already_initialized = True
    try:
        yield
    finally:
        entrypoints._already_initialized = before


def _widened(kind: Any) -> Any:
    """The type that a kernel is compiled for, which numba converts this type of an argument to."""
    kind = types.unliteral(kind)
    if isinstance(kind, types.Integer) and kind.signed:
        return types.int64
    return kind
