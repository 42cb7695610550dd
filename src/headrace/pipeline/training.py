"""A training stage as a job: described by a small file, carried out by this process or by several under torchrun."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil

from headrace.config import Config
from headrace.diagnose import check_training
from headrace.errors import RecipeError
from headrace.models.foreign import AnyModelConfig
from headrace.objectives.config import ExampleFields
from headrace.pipeline.inherited import inherit
from headrace.pipeline.supply import Supply
from headrace.report.track_config import TrackConfig
from headrace.report.tracker import TrackedStage
from headrace.report.tracking import tracking
from headrace.store import Artefact, RunFolder, StepSpec, Store, Workspace, write_file
from headrace.tokens import TokenStore
from headrace.tokens.remote.source import RemoteSource
from headrace.trace import Listener, recording
from headrace.train.config import CheckpointConfig, StageConfig
from headrace.train.memory.config import MemoryConfig

TRAIN_VERSION = 1  # here and not beside its code, which imports torch
WORKER_MODULE = "headrace.cli.worker"


class TrainSettings(Config):
    """What a trained model depends on, besides tokens, vocabulary and the model it goes on from."""

    stage: StageConfig
    model: AnyModelConfig
    seed: int


class TrainingJob(Config):
    """Everything a process needs to take part in a stage. Paths are absolute."""

    settings: TrainSettings
    run: str
    label: str
    track: tuple[TrackConfig, ...]
    tokens: str | None
    examples: str | None
    remote: RemoteSource | None
    vocabulary: str
    initial: str | None
    kept: str
    output: str
    num_threads: int

    @property
    def summary_path(self) -> Path:
        return Path(self.kept) / "summary.json"


def train(
    settings: TrainSettings,
    *,
    label: str,
    run: RunFolder,
    supply: Supply,
    num_processes: int,
    listeners: Sequence[Listener],
    track: Sequence[TrackConfig] = (),
) -> Artefact:
    """The trained model of one stage. Raises CapacityError before it starts if this machine is too small for it."""
    supply = supply.of(settings.stage)
    inputs = {name: artefact.address for name, artefact in supply.artefacts.items()}
    # When state is written down and how memory is used do not change what is learnt, and so not the address either.
    plain = {"checkpoint": CheckpointConfig(), "memory": MemoryConfig()}
    identity = settings.model_copy(update={"stage": settings.stage.model_copy(update=plain)})
    store = run.store

    def build(workspace: Workspace) -> Mapping[str, Any]:
        forecast_bytes = _check(settings, supply, num_processes=num_processes, store=store)
        for artefact in supply.artefacts.values():
            artefact.verify()
        if supply.stored is not None:
            known = {"version": TRAIN_VERSION, "inputs": inputs, **identity.as_json()}
            rows = TokenStore(supply.stored.tokens, "train", remote=supply.stored.remote)
            inherit(workspace.kept, known, store=store, tokens=rows)
        job = TrainingJob(
            settings=settings,
            run=str(run.path.absolute()),
            label=label,
            track=tuple(track),
            tokens=_path(supply.stored.tokens if supply.stored else None),
            examples=_path(supply.examples),
            remote=supply.stored.remote if supply.stored else None,
            vocabulary=str(supply.vocabulary.path.absolute()),
            initial=_path(supply.initial),
            kept=str(workspace.kept.absolute()),
            output=str(workspace.output.absolute()),
            num_threads=max(1, threads_here() // num_processes),
        )
        summary = _carry_out(job, num_processes, listeners)
        return {"forecast_memory_bytes": forecast_bytes, **summary, "processes": num_processes}

    return store.ensure(StepSpec("train", TRAIN_VERSION, identity, inputs), build)


def take_part(job: TrainingJob) -> dict[str, Any]:
    """This process's part of a job, as one of a group if torchrun started it. Returns the leader's summary."""
    from headrace.parallel import join_group
    from headrace.train.given import Stage
    from headrace.train.stage import train_stage

    stage = Stage(
        config=job.settings.stage,
        model=job.settings.model,
        seed=job.settings.seed,
        tokens=Artefact(Path(job.tokens)) if job.tokens else None,
        examples=Artefact(Path(job.examples)) if job.examples else None,
        remote=job.remote,
        vocabulary=Artefact(Path(job.vocabulary)),
        initial=Artefact(Path(job.initial)) if job.initial else None,
        workspace=Workspace(kept=Path(job.kept), output=Path(job.output)),
        num_threads=job.num_threads,
    )
    with join_group() as group:
        summary = train_stage(stage, group)
        peak = sum(group.gather(_peak_memory_bytes()))
    return {**summary, "peak_memory_bytes": peak} if summary else {}


def record_training(job: TrainingJob, listeners: Sequence[Listener]) -> dict[str, Any]:
    """`take_part`, with the trace written and the trackers told: for the process that leads."""
    run = RunFolder(Path(job.run))
    stage = TrackedStage(run, job.label, Path(job.kept), job.settings.as_json())
    # Who may end the stage comes last, so that trackers have what it ended with.
    with tracking(job.track, stage) as trackers, recording(run.trace_path, [*trackers, *listeners]):
        return take_part(job)


def _carry_out(job: TrainingJob, num_processes: int, listeners: Sequence[Listener]) -> dict[str, Any]:
    if num_processes == 1:
        return record_training(job, listeners)
    from headrace.parallel import launch

    path = Path(job.kept) / "job.json"
    write_file(path, job.model_dump_json().encode())
    launch(WORKER_MODULE, [str(path)], num_processes=num_processes)
    summary: dict[str, Any] = orjson.loads(job.summary_path.read_bytes())
    return summary


def _check(settings: TrainSettings, supply: Supply, *, num_processes: int, store: Store) -> int:
    stage = settings.stage
    if supply.stored is None:
        assert isinstance(stage.objective, ExampleFields), "a stage without rows learns from examples"
        row_tokens, batch, least = stage.objective.max_tokens, stage.global_batch_examples, num_processes
        what = f"train.global_batch_examples: {batch:,} are"
    else:
        row_tokens = int(supply.stored.tokens.manifest.config["row_tokens"])  # type: ignore[arg-type]  # by the tokens step
        batch, least = stage.batch_rows(row_tokens), row_tokens * num_processes
        what = f"train.global_batch_tokens: {stage.global_batch_tokens:,} are {batch} rows,"
    if batch < num_processes:
        raise RecipeError(f"{what} too few for {num_processes} processes; use at least {least:,}.")
    return check_training(
        stage,
        settings.model,
        vocabulary_size=int(supply.vocabulary.summary["tokens"]),
        row_tokens=row_tokens,
        num_processes=num_processes,
        folder=store.root,
    )


def _path(artefact: Artefact | None) -> str | None:
    return str(artefact.path.absolute()) if artefact else None


def threads_here() -> int:
    """Threads that this machine gives us: those of OMP_NUM_THREADS where it is set, else one per core."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def _peak_memory_bytes() -> int:
    """The most memory this process has ever held."""
    try:
        import resource
    except ImportError:  # Windows
        return int(psutil.Process().memory_info().rss)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
