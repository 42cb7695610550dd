"""What a worker may use before it is taken for lost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that are far from anything a sound unit needs. A worker beyond one is killed, its unit tried again."""

    memory_bytes: int | None = None
    """Memory of all workers together; above it the largest is killed, before the system picks its own victim."""
    idle_seconds: float = 120.0
    """How long a worker may hold a unit without using any CPU: stopped, or waiting for what never comes."""
    unit_seconds: float = 3600.0
    """How long a unit may take. A sound one takes seconds."""
