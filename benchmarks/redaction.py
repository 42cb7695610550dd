"""What redaction finds, what it takes by mistake and what it costs, beside others. `python benchmarks/redaction.py`.

Every tool gets the same made-up sentences (`tests/faults/personal_data.py`): recall per kind and language over all ways
of writing, false positives on look-alikes, and CPU time per document of some 50 characters. A hit leaves no four
neighbouring characters of the value; for tools that only mark, what is marked counts as gone. Each tool runs in an
environment of its own below the folder given with `--environments`; what cannot be installed is named and left out.
"""

import argparse
import json
import random
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))
from personal_data import FORMS, KINDS, TEMPLATES, look_alikes, sentence

SEED = 7
PACKAGES = {
    "datatrove": ("datatrove==0.10.1", "regex"),
    "scrubadub": ("scrubadub==2.0.1",),
    "presidio": ("presidio-analyzer==2.2.366",),
}
INSTALL_SECONDS = 900
Redactor = Callable[[str], str]


def headrace() -> Redactor:
    """All kinds, typed placeholders."""
    from headrace.corpus.redact import RedactConfig
    from headrace.corpus.redact.redaction import redact_text

    config = RedactConfig()
    return lambda text: redact_text(text, config).text


def datatrove() -> Redactor:
    """E-mail and public IP addresses, its only kinds."""
    from datatrove.data import Document
    from datatrove.pipeline.formatters import PIIFormatter

    formatter = PIIFormatter()
    return lambda text: str(formatter.format(Document(text=text, id="0").text))


def scrubadub() -> Redactor:
    """The detectors that are on by default, without a locale's own."""
    import scrubadub as peer

    scrubber = peer.Scrubber()
    return lambda text: str(scrubber.clean(text))


def presidio() -> Redactor:
    """The default recognisers over a blank English pipeline, score at least 0.35: no names, which need a model."""
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    engine = SpacyNlpEngine()
    engine.nlp = {"en": spacy.blank("en")}
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])

    def redact(text: str) -> str:
        shown = list(text)
        for found in analyzer.analyze(text, language="en", score_threshold=0.35):
            shown[found.start : found.end] = "*" * (found.end - found.start)
        return "".join(shown)

    return redact


REDACTORS: dict[str, Callable[[], Redactor]] = {
    "headrace": headrace,
    "datatrove": datatrove,
    "scrubadub": scrubadub,
    "presidio": presidio,
}


def measure(redact: Redactor, per_cell: int, num_look_alikes: int) -> dict[str, Any]:
    """Recall per kind and language, share of look-alikes that are changed, CPU milliseconds per document."""
    redact("warm up 13800138000")
    seconds, documents = 0.0, 0
    recall = {}
    for kind in KINDS:
        for language in TEMPLATES:
            generator = random.Random(f"{SEED} {kind} {language}")
            hits = 0
            for form in FORMS:
                for _ in range(per_cell):
                    value = FORMS[form](kind, KINDS[kind](generator))
                    text = sentence(generator, kind, language, value)
                    start = time.process_time()
                    redacted = redact(text)
                    seconds += time.process_time() - start
                    hits += not is_left(value, redacted)
            documents += per_cell * len(FORMS)
            recall[f"{kind} {language}"] = hits / (per_cell * len(FORMS))
    texts = [text for _, text in look_alikes(random.Random(SEED), num_look_alikes)]
    wrong = sum(redact(text) != text for text in texts)
    return {"recall": recall, "false_positives": wrong / num_look_alikes, "milliseconds": seconds * 1e3 / documents}


def is_left(value: str, text: str) -> bool:
    """Whether a part of the value can still be read."""
    line = max(value.splitlines(), key=len)
    return any(line[place : place + 4] in text for place in range(len(line) - 3))


def python_of(name: str, environments: Path) -> str | None:
    """The interpreter of a tool's environment, made on first use; None, and a word why, if it cannot be made."""
    if name == "headrace":
        return sys.executable
    python = environments / name / "bin" / "python"
    done = environments / name / "installed"
    if not done.exists():
        venv.create(environments / name, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        try:
            subprocess.run(command, check=True, timeout=INSTALL_SECONDS, stdout=sys.stderr)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"SKIPPED {name}: cannot be installed: {error}")
            return None
        done.touch()
    return str(python)


def main() -> int:
    """Prints the table, one row per kind and language, one column per tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=Path, default=Path(".benchmarks"))
    parser.add_argument("--per-cell", type=int, default=25, help="values of each kind, language and way of writing")
    parser.add_argument("--look-alikes", type=int, default=2_000)
    parser.add_argument("--tool", choices=REDACTORS, help="measure one tool here and print JSON")
    given = parser.parse_args()
    if given.tool:
        print(json.dumps(measure(REDACTORS[given.tool](), given.per_cell, given.look_alikes)))
        return 0
    results = {}
    sizes = ["--per-cell", str(given.per_cell), "--look-alikes", str(given.look_alikes)]
    for name in REDACTORS:
        if python := python_of(name, given.environments.absolute()):
            command = [python, __file__, "--tool", name, *sizes]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"SKIPPED {name}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
            else:
                results[name] = json.loads(done.stdout.splitlines()[-1])
    print_table(results)
    return 0


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """Recall in percent, then false positives in percent, then milliseconds."""
    print(f"{'':30}" + "".join(f"{name:>12}" for name in results))
    recalls = [result["recall"] for result in results.values()]
    for cell in next(iter(recalls), {}):
        print(f"{cell:30}" + "".join(f"{recall[cell]:12.1%}" for recall in recalls))
    for row, form in (("false_positives", "12.2%"), ("milliseconds", "12.4f")):
        print(f"{row:30}" + "".join(f"{result[row]:{form}}" for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
