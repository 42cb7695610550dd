"""Artefacts: folders `<step>-<hash>` that are whole or not there.

In: the name, version, config and inputs of a step, and a function that fills a folder.
Out: a published, read-only folder with a manifest that names every file, its size and its SHA-256.
Promises: the same address means the same content was asked for; a reader never sees half of an artefact, whatever is
killed and when; two processes that want the same artefact build it once.
Not promised: that two machines build equal bytes (floating-point sums differ); that folders are safe from other
programs.
"""

from headrace.store.artefact import Artefact
from headrace.store.durable import publish_folder, write_file
from headrace.store.run_folder import RunFolder, RunRecord, StepRecord, list_runs
from headrace.store.store import StepSpec, Store, Workspace

__all__ = [
    "Artefact",
    "RunFolder",
    "RunRecord",
    "StepRecord",
    "StepSpec",
    "Store",
    "Workspace",
    "list_runs",
    "publish_folder",
    "write_file",
]
