"""Run folders as the steps leave them, made by hand: the shapes of real summaries and files, the numbers invented."""

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from engine_files import (
    CLUSTER_SIZES,
    LEARNED,
    contaminated,
    dropped_document,
    engine_summary,
    ledger_bytes,
    quarantine_bytes,
    tried_rules,
)

from headrace.config import Config
from headrace.evaluate.task_report import AnyTaskReport, write_task_report
from headrace.report import build_report
from headrace.store import RunFolder, RunRecord, StepRecord, StepSpec, Workspace

NUM_STEPS = 400
BATCH_TOKENS = 16_384

SOURCES = {"novels": ("en", 9_000, 7_410), "manual": ("en", 2_600, 2_266), "poems": ("zh", 4_200, 3_736)}
RULES = (
    ("dup_line_frac", "dup_line_ratio <= 0.3", 118, 118, 61),
    ("top_2_gram", "top_2gram_char_ratio <= 0.2", 97, 121, 12),
    ("gopher_short_doc", "num_words >= 50", 1_402, 1_466, 1_100),
    ("gopher_below_alpha_threshold", "alpha_word_ratio >= 0.8", 208, 402, 180),
    ("gopher_long_doc", "num_words <= 100000", 0, 0, 0),
    ("num_words >= 20", "num_words >= 20", 0, 310, 0),
    ("duplicate", "", 563, 563, 563),
)


ENGLISH_SAMPLE = (
    ", that a young lady of her disposition should be so well pleased with the attentions of a gentleman whom she had "
    "seen but twice.\n\n“You are very good,” said Emma, “but I cannot think it will answer.”"
)
CHINESE_SAMPLE = "風吹落花滿庭前，\n獨坐江樓月未圓。\n故人一去無消息，\n夢裏還聞夜雨船。"
DROPPED_TEXT = (
    "It is a truth universally acknowledged,\nthat a single man in possession of a good fortune 必须有一位妻子。"
)


class Settings(Config):
    """Stands for the config of any step."""

    row_tokens: int = 256
    step: str


class RunMaker:
    """Publishes the steps of a run one after the other, and keeps its record as a pipeline does."""

    def __init__(self, runs: Path, name: str, recipe: Mapping[str, Any]) -> None:
        self.run = RunFolder(runs / name)
        self.run.path.mkdir(parents=True)
        versions = {"headrace": "0.1.0", "python": "3.12.4", "torch": "2.13.0+cpu"}
        self._record = RunRecord(name=name, recipe=dict(recipe), recipe_folder="/data/recipes", versions=versions)
        self.run.write(self._record)

    def publish(self, label: str, summary: Mapping[str, Any], files: Mapping[str, bytes], *, step: str = "") -> None:
        """Adds a step with an artefact."""

        def build(workspace: Workspace) -> Mapping[str, Any]:
            for name, data in files.items():
                (workspace.output / name).write_bytes(data)
            return summary

        artefact = self.run.store.ensure(StepSpec(step or label.split()[0], 1, Settings(step=label), {}), build)
        self.note(label, artefact.address)

    def note(self, label: str, address: str) -> None:
        """Adds a step to the record only."""
        steps = (*self._record.steps, StepRecord(label=label, address=address))
        self._record = self._record.model_copy(update={"steps": steps})
        self.run.write(self._record)

    def corpus(self, *, text: str = DROPPED_TEXT, source: str = "novels") -> None:
        """The measured sources and the curated corpus, with an example of a dropped document."""
        for name, (_, seen, _) in SOURCES.items():
            self.publish(
                f"measure {name}",
                {"files": 3, "documents": seen, "files_without_checksum": 1, "empty_files": 1},
                {"scores-00000.parquet": b"s"},
            )
        example = dropped_document(text, source, "gopher_short_doc", "gopher_below_alpha_threshold")
        scope: dict[str, list[str]] = {"languages": [], "except_languages": ["zh"]}
        rules = [{"rule": rule, "name": name, **scope} for name, rule, *_ in RULES[:-1]]
        self.publish(
            "curate",
            corpus_summary(source),
            {
                "examples.json": orjson.dumps(
                    {"gopher_short_doc": [example, example], "duplicate": [{**example, "duplicate_of": "ab" * 16}]}
                ),
                "sources.json": orjson.dumps({"novels": {"measured": "measure-0", "rules": rules}}),
                "ledger-00000.parquet": b"ledger" * 1000,
                "train-00000.parquet": b"train" * 90_000,
            },
        )

    def engine(self, *, text: str = DROPPED_TEXT, source: str = "novels", name: str = "web") -> None:
        """Everything that the corpus engine can do, `name` standing for whatever people or data sets name."""
        self.publish("quality", LEARNED, {"weights.npy": b"w"})
        counts: dict[str, Any] = {"documents": 900, "skipped": {"redirect": 1_204, name: 16}}
        self.publish(f"measure {name}", counts, {"scores-00000.parquet": b"s"})
        examples = {"near_duplicate": [dropped_document(text, source, "near_duplicate", duplicate_of="ab" * 16)]}
        self.publish(
            "curate",
            engine_summary(corpus_summary(source), name=name, text=text),
            {
                "examples.json": orjson.dumps(examples),
                "what-if.json": orjson.dumps(tried_rules(text, source)),
                "contamination.json": orjson.dumps([contaminated(name, text, item) for item in range(9)]),
                "ledger-00000.parquet": ledger_bytes(CLUSTER_SIZES, source=source, file=name),
                "quarantine.parquet": quarantine_bytes(name, 21),
                "ledger-00001.parquet": ledger_bytes((7, 1), source=source, file=name),
            },
        )

    def tokens(self, *, source: str = "novels", held_out: bool = True) -> None:
        """The vocabulary and the token store."""
        self.publish("vocabulary", {"tokens": 8192, "end_of_document": 0}, {"tokenizer.json": b"{}"})
        splits = {"train": _split(0.98, source), "validation": _split(0.02, source) if held_out else NO_SPLIT}
        index = struct.pack("<9sQBQQ", b"MMIDIDX\x00\x00", 1, 8, 1, 2)
        self.publish(
            "tokens", splits, {"train-00000.idx": index, "train-00000.bin": b"\x00" * 200_000, "train.rows.npy": b"0"}
        )

    def training(self, label: str = "train", num_steps: int = NUM_STEPS) -> None:
        """A trained model."""
        best_step = num_steps - 50 if num_steps > 50 else num_steps
        summary = {
            "parameters": 8_758_720,
            "steps": num_steps,
            "tokens": num_steps * BATCH_TOKENS,
            "stopped_early": False,
            "best_step": best_step,
            "best_validation_loss": 3.2421,
            "final_loss": 3.1,
            "numerics": {"precision": "bf16", "compiled": True, "num_threads": 2, "peak_gflops": 918.4},
            "tokens_per_second": 18_932.0,
            "share_of_peak": 0.52,
            "median_tokens_per_second": 19_500.0,
            "wait_seconds": 0.0004,
            "processes": 1,
            "peak_memory_bytes": 1_403_000_000,
            "forecast_memory_bytes": 1_310_000_000,
        }
        lines = b"".join(orjson.dumps(record) + b"\n" for record in metric_records(num_steps))
        files = {"metrics.jsonl": lines, "tokenizer.json": b"{}", "model.safetensors": b"w" * 700_000}
        self.publish(label, summary, files, step="train")

    def evaluation(self, *, prompt: str = "春", continuation: str = CHINESE_SAMPLE, source: str = "novels") -> None:
        """Figures and samples."""
        result = {
            "overall": _figures(1.231, 24.71, 268),
            "source": {
                source: _figures(1.15, 22.9, 148),
                "manual": _figures(1.42, 30.2, 45),
                "poems": _figures(1.61, 88.1, 75),
            },
            "language": {"en": _figures(1.19, 24.0, 193), "zh": _figures(1.61, 88.1, 75)},
        }
        settings = {"seed": 7, "max_tokens": 80, "temperature": 0.8, "top_k": 50, "top_p": 0.95}
        samples = [
            {"prompt": "It is a truth universally acknowledged", "continuation": ENGLISH_SAMPLE, **settings},
            {"prompt": prompt, "continuation": continuation, **settings},
        ]
        files = {
            "evaluation.json": orjson.dumps(result),
            "samples.json": orjson.dumps(samples),
            "documents.parquet": b"d" * 4000,
        }
        self.publish("evaluate", result["overall"], files)

    def task(self, report: AnyTaskReport) -> None:
        """What a model is worth at a task."""

        def build(workspace: Workspace) -> Mapping[str, Any]:
            write_task_report(report, workspace.output)
            return {"task": report.task}

        artefact = self.run.store.ensure(StepSpec("evaluate", 1, Settings(step=f"evaluate {report.task}"), {}), build)
        self.note("evaluate", artefact.address)

    def finish(self) -> RunFolder:
        self._record = self._record.model_copy(update={"finished": True})
        self.run.write(self._record)
        return self.run


MakeRun = Callable[..., RunMaker]

RECIPE: dict[str, Any] = {
    "name": "quickstart",
    "seed": 7,
    "corpus": {
        "sources": [{"name": "novels", "path": ["data/novels/*.txt.zst"]}],
        "curate": ["gopher"],
        "hold_out": 0.02,
    },
    "model": {"preset": "tiny", "depth": 5, "width": 320},
    "train": [{"objective": "causal", "epochs": 4.0, "learning_rate": 0.002}],
}


def corpus_summary(source: str = "novels") -> dict[str, Any]:
    """As `headrace.corpus.summary.summarize` makes it."""
    named = {source if name == "novels" else name: value for name, value in SOURCES.items()}
    funnel = [
        {"reason": reason, "dropped_first": first, "failed_total": total, "failed_alone": alone}
        for reason, _, first, total, alone in RULES
    ]
    return {
        "seen": 15_800,
        "kept": 13_412,
        "train": 13_144,
        "validation": 268,
        "duplicates": 563,
        "quarantined": 21,
        "quarantine_reasons": {"invalid UTF-8": 19, "not a JSON object": 2},
        "sources": {name: _kept(seen, kept) for name, (_, seen, kept) in named.items()},
        "languages": {"en": _kept(11_600, 9_676), "zh": _kept(4_200, 3_736)},
        "funnel": funnel,
    }


def _kept(seen: int, kept: int) -> dict[str, int]:
    held_out = kept // 50
    return {
        "seen": seen,
        "kept": kept,
        "train": kept - held_out,
        "validation": held_out,
        "bytes": kept * 1_180,
        "characters": kept * 1_031,
    }


NO_SPLIT = {"documents": 0, "tokens": 0, "rows": 0, "fill": 0.0}


def _split(share: float, source: str) -> dict[str, Any]:
    def part(documents: int, tokens: int, size_bytes: int) -> dict[str, int]:
        return {
            "documents": round(documents * share),
            "tokens": round(tokens * share),
            "bytes": round(size_bytes * share),
            "single_bytes": round(size_bytes * share * 0.07),
            "fallback_bytes": round(size_bytes * share * 0.002),
        }

    return {
        **part(13_412, 4_102_334, 15_826_160),
        "rows": round(16_100 * share),
        "fill": 0.99412,
        "source": {
            source: part(7_410, 2_100_000, 8_743_800),
            "manual": part(2_266, 702_334, 2_673_880),
            "poems": part(3_736, 1_300_000, 4_408_480),
        },
        "language": {"en": part(9_676, 2_802_334, 11_417_680), "zh": part(3_736, 1_300_000, 4_408_480)},
    }


def metric_records(num_steps: int = NUM_STEPS) -> list[dict[str, Any]]:
    """A loss that falls, wobbling, with a validation every 50 steps."""
    records: list[dict[str, Any]] = []
    for step in range(1, num_steps + 1):
        wobble = 0.09 * math.sin(step * 12.9898) * math.cos(step * 4.1414)
        progress = step / num_steps
        records.append({
            "kind": "train",
            "step": step,
            "tokens": step * BATCH_TOKENS,
            "loss": 3.1 + 5.9 * math.exp(-9 * progress) + wobble,
            "learning_rate": 2e-3 * min(1.0, 20 * progress, 1 - math.sqrt(max(0.0, (progress - 0.7) / 0.3))),
            "gradient_norm": 0.4 + 2.5 * math.exp(-12 * progress) + abs(wobble),
            "seconds": 0.83 + 0.5 * abs(wobble) + (19.0 if step == 1 else 0.0),
            "wait_seconds": 0.0004,
            "tokens_per_second": BATCH_TOKENS / (0.83 + 0.5 * abs(wobble) + (19.0 if step == 1 else 0.0)),
            "share_of_peak": 0.52,
        })  # fmt: skip
        if step % 50 == 0 or step == num_steps:
            loss = 3.24 + 5.6 * math.exp(-9 * progress) + (0.05 if step == num_steps else 0)
            records.append({"kind": "validation", "step": step, "loss": loss, "improved": step != num_steps})
    return records


def _figures(bits_per_byte: float, perplexity: float, documents: int) -> dict[str, float]:
    return {
        "bits_per_byte": bits_per_byte,
        "perplexity": perplexity,
        "nats_per_token": math.log(perplexity),
        "documents": documents,
        "tokens": documents * 305,
        "bytes": documents * 1_180,
    }


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Begins a run; keywords replace parts of its recipe."""

    def make(folder: str = "quickstart", **recipe: Any) -> RunMaker:
        return RunMaker(tmp_path / "runs", folder, {**RECIPE, **recipe})

    return make


@pytest.fixture
def maker(make_run: MakeRun) -> RunMaker:
    """A run that has not begun."""
    return make_run()


@pytest.fixture
def finished_run(maker: RunMaker) -> RunFolder:
    """A run with every step."""
    maker.corpus()
    maker.tokens()
    maker.training()
    maker.evaluation()
    return maker.finish()


@pytest.fixture(scope="session")
def engine_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run that used all of the corpus engine."""
    maker = RunMaker(tmp_path_factory.mktemp("engine"), "engine", RECIPE)
    maker.engine()
    return build_report(maker.finish()).read_text()


@pytest.fixture
def event_files_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one second and process differ by a counter, and are read in the order of their names: 10 before 9."""
    from tensorboard.summary.writer import event_file_writer

    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(100))
