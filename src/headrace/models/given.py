"""A model that is there already, named in a recipe (needs no torch)."""

from pathlib import Path

from pydantic import Field

from headrace.config import Config


class GivenModel(Config):
    """A model that somebody has trained, to go on from."""

    hf: Path = Field(strict=False)
    """Its folder, as headrace or transformers save one (safetensors, never a pickle, never code), or a GGUF file. Its
    vocabulary comes with it."""
