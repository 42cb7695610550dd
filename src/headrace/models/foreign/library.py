"""transformers, which only models that we have no modules for need."""

from types import ModuleType

from headrace.errors import UserError


def need_transformers(family: str) -> ModuleType:
    """The library. Raises UserError, saying how to get it, where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            f"models of the kind {family!r} need the transformers library, which is not there ({error}). Run "
            "pip install 'headrace[train,transformers]'."
        ) from error
    return transformers
