"""A token store that was made before, as the first step of a run: another run's, a folder's, or an object store's."""

from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from headrace.config import Config
from headrace.errors import InputError, StoreError
from headrace.store import Artefact, RunFolder, StepSpec, Store, Workspace, write_file
from headrace.store.artefact import MANIFEST, FileRecord, Manifest, find_damage
from headrace.tokens.config import TokensConfig
from headrace.tokens.remote.objects import Objects
from headrace.tokens.remote.source import RemoteSource

STEP, REMOTE_STEP = "tokens", "tokens-remote"
REMOTE_VERSION = 1
FETCHED_LATER = (".bin", ".mask")
BLOCKS = ".blocks"


class RemoteTokensSettings(Config):
    """What is known of a remote store besides its address; where it lies is no part of what it is."""

    row_tokens: int


@dataclass(frozen=True)
class StoredTokens:
    """What training needs, from wherever it came."""

    tokens: Artefact
    vocabulary: Artefact
    remote: RemoteSource | None = None
    """Where ids are fetched from, if they are not in `tokens`."""


def find_tokens(config: TokensConfig, *, folder: Path, store: Store) -> StoredTokens:
    """The store that a recipe names. Paths start in `folder`. Raises InputError if there is none."""
    assert config.store is not None, "a recipe without a store encodes its corpus"
    if "://" in config.store:
        return _fetch_store(config, config.store.rstrip("/"), store)
    return _link_store(folder / config.store, store)


def remote_source(config: TokensConfig, tokens: Artefact, store: Store) -> RemoteSource | None:
    """Where the ids of a run's tokens are fetched from; None if they are on this machine."""
    if tokens.manifest.step != REMOTE_STEP:
        return None
    assert config.store is not None, "only a store is remote"
    return RemoteSource(
        url=config.store.rstrip("/"),
        name=tokens.manifest.inputs["tokens"],
        storage=config.storage,
        cache_folder=str((store.root / BLOCKS).absolute()),
        cache_bytes=int(config.cache_gigabytes * 1e9),
    )


def _link_store(path: Path, store: Store) -> StoredTokens:
    """The artefacts of another folder of runs, with all that they were made from, as far as it is there."""
    if (run := RunFolder(path)).record_path.is_file():
        path = run.artefact(STEP).path
    if not (path / MANIFEST).is_file() or (manifest := Artefact(path).manifest).step != STEP:
        raise InputError(f"tokens.store: {path} is neither the folder of a run with tokens nor of a token store.")
    origin = Store(path.resolve().parent)
    if origin.find(manifest.inputs["vocabulary"]) is None:
        raise InputError(
            f"tokens.store: {path} needs {manifest.inputs['vocabulary']} beside it, which is not there. Copy both."
        )
    if origin.root != store.root.resolve():
        for artefact in origin.lineage(path.resolve().name):
            store.link(artefact)
    return StoredTokens(
        Artefact(store.root / path.resolve().name), Artefact(store.root / manifest.inputs["vocabulary"])
    )


def _fetch_store(config: TokensConfig, url: str, store: Store) -> StoredTokens:
    """All but ids and masks, which are fetched while they are used."""
    manifest = _read_manifest(Objects(url, config.storage))
    if manifest.step != STEP:
        raise InputError(f"tokens.store: {url} is {manifest.address}; a token store is called tokens-...")
    settings = RemoteTokensSettings(row_tokens=int(str(manifest.config["row_tokens"])))
    inputs = {"tokens": manifest.address, **manifest.inputs}

    def build(workspace: Workspace) -> dict[str, object]:
        records = {name: record for name, record in manifest.files.items() if not name.endswith(FETCHED_LATER)}
        _fetch_files(Objects(url, config.storage), records, workspace.output)
        for name in manifest.files:
            if name.endswith(FETCHED_LATER) and f"{name}.sums" not in manifest.files:
                raise InputError(
                    f"{url}: {name} has no sums beside it. Encode it again with this version and upload it."
                )
        return dict(manifest.summary)

    tokens = store.ensure(StepSpec(REMOTE_STEP, REMOTE_VERSION, settings, inputs), build)
    vocabulary = _fetch_artefact(f"{url.rpartition('/')[0]}/{manifest.inputs['vocabulary']}", config, store)
    return StoredTokens(tokens, vocabulary, remote_source(config, tokens, store))


def _fetch_artefact(url: str, config: TokensConfig, store: Store) -> Artefact:
    objects = Objects(url, config.storage)

    def fetch(staged: Path) -> None:
        manifest = _read_manifest(objects)
        _fetch_files(objects, manifest.files, staged)
        write_file(staged / MANIFEST, objects.read(MANIFEST))

    return store.take_in(url.rpartition("/")[2], fetch)


def _read_manifest(objects: Objects) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(objects.read(MANIFEST))
    except (ValidationError, orjson.JSONDecodeError) as error:
        raise InputError(f"{objects.url}/{MANIFEST}: not the manifest of an artefact of headrace.") from error
    if not manifest.is_intact():
        raise StoreError(f"{objects.url}/{MANIFEST}: it does not agree with its own digest. Upload it again.")
    return manifest


def _fetch_files(objects: Objects, records: dict[str, FileRecord], folder: Path) -> None:
    for name in records:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        objects.fetch(name, path)
    if problem := next(find_damage(folder, records), None):
        raise StoreError(f"{objects.url}: {problem} Upload the store again.")
