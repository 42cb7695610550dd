"""Where a token store lies that is not on this machine."""

from pathlib import Path

from pydantic import PositiveInt

from headrace.config import Config


class RemoteSource(Config):
    """All that a process needs to read the ids of a store."""

    url: str
    """Of the published folder, without a slash at its end."""
    name: str
    """Says what is in it, wherever it lies: the address it was published under."""
    storage: dict[str, str | bool] = {}
    """Options of the driver, such as an endpoint."""
    cache_folder: str
    """Where blocks are kept; any number of processes may share it."""
    cache_bytes: PositiveInt
    """What the blocks in it may take, of all stores together."""

    @property
    def cache_path(self) -> Path:
        return Path(self.cache_folder)
