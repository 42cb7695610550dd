"""What is free here: of the machine, or of the container that this process lives in (needs no torch)."""

from pathlib import Path

import psutil

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60


def free_bytes(root: Path = ROOT) -> int:
    """Memory that may still be taken without anything having to go."""
    return min(psutil.virtual_memory().available, _container_free(root))


def resident_bytes() -> int:
    """What this process holds now."""
    return int(psutil.Process().memory_info().rss)


def _container_free(root: Path) -> int:
    """What a container's limit leaves, its cached files counting as free: both generations of control groups."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = (root / limit).read_text().strip()
            taken = int((root / used).read_text())
            lines = (root / limit).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):
            continue
        files = next((int(line.split()[1]) for line in lines if line.split()[0] == cached), 0)
        if most.isdigit() and int(most) < UNLIMITED:
            return max(0, int(most) - taken + files)
    return UNLIMITED
