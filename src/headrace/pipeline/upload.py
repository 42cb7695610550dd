"""A run's token store and vocabulary, copied to where other machines can read them."""

from typing import Any

from headrace.corpus.raw_file import connect
from headrace.errors import InputError, StoreError
from headrace.pipeline.stored_tokens import STEP
from headrace.store import Artefact, RunFolder
from headrace.store.artefact import MANIFEST
from headrace.trace import progress


def upload_tokens(run: RunFolder, url: str, storage: dict[str, str | bool] | None = None) -> str:
    """Copies what `tokens.store` needs to below a URL and returns the address to write there.

    Manifests go last, so that nothing half-copied is taken for a store; what is there already is not copied again.
    Raises InputError if the run has no tokens of its own, StoreError if a file of it is damaged or cannot be copied.
    """
    scheme, separator, place = url.rstrip("/").partition("://")
    if not separator or not place:
        raise InputError(f'"{url}" is no address in an object store; write it like s3://bucket/folder.')
    tokens = run.artefact(STEP)
    if tokens.manifest.step != STEP:
        raise InputError(f"run {run.path.name}: its tokens lie in an object store already.")
    vocabulary = run.store.find(tokens.manifest.inputs["vocabulary"])
    if vocabulary is None:
        raise StoreError(f"{tokens.manifest.inputs['vocabulary']}: it is no longer in the store. Run the recipe again.")
    remote = connect(scheme, dict(storage or {}))
    for artefact in (vocabulary, tokens):
        artefact.verify()
    for artefact in (vocabulary, tokens):
        _copy(artefact, remote, f"{scheme}://{place}/{artefact.address}")
    return f"{scheme}://{place}/{tokens.address}"


def _copy(artefact: Artefact, remote: Any, url: str) -> None:
    if remote.exists(f"{url}/{MANIFEST}"):
        return
    done = 0
    for name in (*artefact.manifest.files, MANIFEST):
        try:
            remote.put_file(str(artefact.path / name), f"{url}/{name}")
        except Exception as error:  # each driver has its own tree of errors
            raise StoreError(f"{url}/{name}: cannot be written ({type(error).__name__}: {error}).") from error
        done += (artefact.path / name).stat().st_size
        progress("upload", done, artefact.size_bytes, unit="bytes")
