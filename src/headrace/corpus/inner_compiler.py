"""How kernels that kernels alone call are compiled: into numba's intermediate code, not into machine code.

numba makes every function ready to be called by itself. The code of an inner kernel becomes part of the kernels that call
it, and is optimised and translated there: doing it before as well took a third of all compiling, and made nothing faster.
"""

from typing import Any

from numba.core.codegen import CPUCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering


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
