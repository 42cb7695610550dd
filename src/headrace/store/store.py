"""The folder of artefacts: address them, build them once, publish them whole, find what nobody needs."""

import hashlib
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from headrace.config import Config
from headrace.errors import BusyError, StoreError
from headrace.store.artefact import MANIFEST, Artefact, Manifest, describe_files
from headrace.store.durable import publish_folder, remove_folder, write_file
from headrace.store.lock import hold
from headrace.trace import event
from headrace.version import VERSION

ADDRESS = r"[a-z]+(-[a-z]+)*-[0-9a-f]{16}"
"""What `StepSpec.address` gives."""
Summary = Mapping[str, Any]


@dataclass(frozen=True)
class StepSpec:
    """What determines an artefact: nothing else may change its content."""

    name: str
    version: int
    """Raised by hand when the step's code gives another result for the same config and inputs."""
    config: Config
    inputs: Mapping[str, str]
    """Name -> address of an artefact, or digest of raw files."""

    @property
    def address(self) -> str:
        identity = [self.name, self.version, self.config.as_json(), dict(self.inputs)]
        digest = hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return f"{self.name}-{digest[:16]}"


@dataclass(frozen=True)
class Workspace:
    """Where a step builds. What lies in `kept` is still there after a kill; `output` starts empty each time."""

    kept: Path
    """Finished units and checkpoints of this address; each must be written atomically by the step."""
    output: Path
    """What will be published. Nothing in it is visible before the step returns."""


class Store:
    """All artefacts below one folder. Any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, address: str) -> Artefact | None:
        """The published artefact of that address, or None. Published means: its manifest is in place."""
        path = self.root / address
        return Artefact(path) if (path / MANIFEST).is_file() else None

    def artefacts(self) -> list[Artefact]:
        """Every published artefact, sorted by address."""
        return [Artefact(path.parent) for path in sorted(self.root.glob(f"[!.]*/{MANIFEST}"))]

    def ensure(self, spec: StepSpec, build: Callable[[Workspace], Summary]) -> Artefact:
        """The artefact of `spec`: found, or built by `build` and published.

        Waits while another process builds the same address. If `build` raises, nothing is published and what it kept
        stays for the next attempt.
        """
        if found := self._find_for(spec):
            return found
        with hold(self.root / ".locks" / f"{spec.address}.lock", what=spec.address):
            return self._find_for(spec) or self._build(spec, build)

    def _find_for(self, spec: StepSpec) -> Artefact | None:
        if found := self.find(spec.address):
            event("artefact", address=spec.address, built=False)
        return found

    def _build(self, spec: StepSpec, build: Callable[[Workspace], Summary]) -> Artefact:
        remove_folder(self.root / spec.address)  # what lies there has lost its manifest: nobody can vouch for it
        workspace = Workspace(kept=self.kept_folder(spec.address), output=self._empty_output(spec.address))
        workspace.kept.mkdir(exist_ok=True)
        work = workspace.output.parent
        event("building", address=spec.address)
        with _timed(work / "seconds.json") as clock:
            summary = build(workspace)
        manifest = Manifest(
            step=spec.name,
            step_version=spec.version,
            address=spec.address,
            config=spec.config.as_json(),
            inputs=dict(spec.inputs),
            files=describe_files(workspace.output),
            summary=dict(summary),
            headrace_version=VERSION,
            seconds=round(clock.total_seconds, 3),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_file(workspace.output / MANIFEST, manifest.sealed().model_dump_json(indent=1).encode())
        publish_folder(workspace.output, self.root / spec.address)
        remove_folder(work)
        event("artefact", address=spec.address, built=True)
        return Artefact(self.root / spec.address)

    def _empty_output(self, address: str) -> Path:
        """An empty folder to build in; what interrupted builds of the address left is removed."""
        work = self.root / ".work" / address
        for leftover in work.glob("output-*"):
            shutil.rmtree(leftover)
        output = work / f"output-{uuid.uuid4().hex[:8]}"
        output.mkdir(parents=True)
        return output

    def take_in(self, address: str, fetch: Callable[[Path], None]) -> Artefact:
        """An artefact that was published elsewhere: found here, or published here too.

        `fetch` writes all its files, the manifest too, into an empty folder. Raises StoreError if they are not what the
        manifest says, or it is another's.
        """
        if not re.fullmatch(ADDRESS, address):
            raise StoreError(f"{address!r} is no address of an artefact, which is a step's name and 16 digits.")
        if found := self.find(address):
            return found
        with hold(self.root / ".locks" / f"{address}.lock", what=address):
            if found := self.find(address):
                return found
            staged = self._empty_output(address)
            fetch(staged)
            artefact = Artefact(staged)
            artefact.verify()
            if artefact.manifest.address != address:
                raise StoreError(f"{address}: what was fetched in its place is {artefact.manifest.address}.")
            remove_folder(self.root / address)
            publish_folder(staged, self.root / address)
            remove_folder(staged.parent)
        return Artefact(self.root / address)

    def link(self, artefact: Artefact) -> Artefact:
        """An artefact of another store under its address in this one, where it is not copied but pointed to."""
        if found := self.find(artefact.address):
            return found
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / artefact.address
        temporary = path.with_name(f".{path.name}.link-{uuid.uuid4().hex[:8]}")
        temporary.symlink_to(artefact.path.resolve(), target_is_directory=True)
        temporary.replace(path)  # also a link that points nowhere any more
        return Artefact(path)

    def kept_folder(self, address: str) -> Path:
        """Where the build of an address looks for units that are finished."""
        return self.root / ".work" / address / "kept"

    @property
    def fingerprints_path(self) -> Path:
        """Where digests of raw files are remembered by the files' versions; without it all are read again."""
        return self.root / ".fingerprints.json"

    def lineage(self, address: str) -> Iterator[Artefact]:
        """The artefact and everything it was made from, nearest first, each once.

        What an artefact without a readable manifest was made from is not known, and left out.
        """
        seen: set[str] = set()
        queue = [address]
        while queue:
            current = queue.pop(0)
            artefact = self.find(current)
            if current in seen or artefact is None:
                continue
            seen.add(current)
            yield artefact
            with suppress(StoreError):
                queue.extend(artefact.manifest.inputs.values())

    def garbage(self, wanted: Iterable[str]) -> list[Path]:
        """Folders that no wanted address needs: unreferenced artefacts, and what an interrupted removal left."""
        needed = {artefact.address for address in wanted for artefact in self.lineage(address)}
        artefacts = [artefact.path for artefact in self.artefacts() if artefact.address not in needed]
        remains = [*self.root.glob(".*.gone-*"), *self.root.glob(".work/.*.gone-*")]
        return [*artefacts, *remains]

    def unfinished(self) -> list[Path]:
        """The work of builds that were interrupted, or are under way; the same request would continue from it."""
        return sorted(self.root.glob(".work/[!.]*"))

    def remove(self, path: Path) -> bool:
        """Removes a folder of this store; False if a running process is building it just now."""
        lock = self.root / ".locks" / f"{path.name}.lock"
        try:
            with hold(lock, what=path.name, wait_seconds=0):
                remove_folder(path)
        except BusyError:
            return False
        return True


class _Clock:
    """Wall time over all sessions of a build."""

    def __init__(self, before_seconds: float) -> None:
        self._before_seconds = before_seconds
        self._start = time.monotonic()

    @property
    def total_seconds(self) -> float:
        return self._before_seconds + time.monotonic() - self._start


@contextmanager
def _timed(path: Path) -> Iterator[_Clock]:
    """A clock that goes on from what an interrupted session left in `path`; a killed session's time is not counted."""
    clock = _Clock(orjson.loads(path.read_bytes()) if path.exists() else 0.0)
    try:
        yield clock
    finally:
        write_file(path, orjson.dumps(clock.total_seconds))
