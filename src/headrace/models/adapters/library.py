"""peft, which only adapters need."""

from types import ModuleType

from headrace.errors import UserError


def need_peft() -> ModuleType:
    """The library. Raises UserError, saying how to get it, where it is not installed."""
    try:
        import peft
    except ImportError as error:
        raise UserError(
            f"adapters need the peft library, which is not there ({error}). Run pip install 'headrace[adapters]'."
        ) from error
    return peft
