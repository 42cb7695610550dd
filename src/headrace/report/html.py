"""The page: one HTML file with everything in it.

Two walls keep text of data sets from being executed. Jinja2 escapes whatever it prints, after control characters were
made visible; and the page's own policy lets a browser run nothing but the two scripts whose SHA-256 it names.
"""

import base64
import contextlib
import gzip
import hashlib
import importlib.resources
import importlib.util
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from headrace.corpus.arrays import user_cache_folder
from headrace.report.blocks import Page, Section
from headrace.report.contamination import contamination_section
from headrace.report.documents import documents_section
from headrace.report.duplicates import duplicates_section
from headrace.report.evaluation import evaluation_section, samples_section
from headrace.report.headline import key_facts, status, verdict
from headrace.report.material import Material, gather
from headrace.report.mixture import mixture_section
from headrace.report.provenance import recipe_section, steps_section
from headrace.report.quality import quality_section
from headrace.report.redaction import redaction_section
from headrace.report.rules import rules_section
from headrace.report.sources import sources_section, tokens_section
from headrace.report.task import task_section
from headrace.report.training import training_section
from headrace.report.wording import visible
from headrace.store import RunFolder, write_file
from headrace.version import VERSION

SECTIONS = (
    documents_section,
    rules_section,
    quality_section,
    contamination_section,
    duplicates_section,
    redaction_section,
    mixture_section,
    sources_section,
    tokens_section,
    training_section,
    task_section,
    evaluation_section,
    samples_section,
    steps_section,
    recipe_section,
)


def build_report(run: RunFolder) -> Path:
    """Writes the run's page, replacing an older one in one step, and returns its path.

    Works for a run that has only begun. Raises InputError if there is no run, StoreError if what it shows is damaged.
    """
    page = render(compose(gather(run)))
    write_file(run.report_path, page.encode("utf-8"))
    return run.report_path


def compose(material: Material) -> Page:
    """What the page shows; sections without data are left out."""
    sections: list[Section | None] = [make(material) for make in SECTIONS]
    return Page(
        name=material.record.name,
        status=status(material),
        verdict=verdict(material),
        facts=key_facts(material),
        sections=tuple(section for section in sections if section),
        footer=f"headrace {VERSION} · written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def render(page: Page) -> str:
    """The page as HTML."""
    environment = Environment(
        autoescape=True, finalize=_printable, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_resource("template.html"))
    has_charts = any(block.kind == "chart" for section in page.sections for block in section.blocks)
    library, drawing = _plotly() if has_charts else "", _resource("draw.js")
    return template.render(
        page=page,
        policy=content_policy(library, drawing),
        style=Markup(_resource("style.css")),
        library=_packed(library),
        drawing=Markup(drawing),
    )


def content_policy(*scripts: str) -> str:
    """What a browser may do with the page: show it, and run exactly these scripts."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    directives = (
        "default-src 'none'",
        f"script-src {allowed}",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(directives)


def _plotly() -> str:
    """plotly.js, from the file that the package ships: to import the package takes longer than all else here."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None, "plotly is installed with headrace"
    assert spec.origin is not None, "it is a package of files"
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _packed(script: str) -> str:
    """A script as the page carries it: 4.8 MB of plotly.js take 2.0 MB so; `draw.js` unpacks it in about 50 ms."""
    if not script:
        return ""
    kept = user_cache_folder() / f"packed-{hashlib.sha256(script.encode()).hexdigest()[:32]}.gz"
    return base64.b64encode(_unspoilt(kept, script) or _pack(kept, script)).decode()


def _unspoilt(kept: Path, script: str) -> bytes | None:
    """What was packed before, if it is there and whole; unpacking takes a tenth of the time of packing."""
    try:
        packed = kept.read_bytes()
        return packed if gzip.decompress(packed) == script.encode() else None
    except (OSError, EOFError, zlib.error):
        return None


def _pack(kept: Path, script: str) -> bytes:
    packed = gzip.compress(script.encode(), 6, mtime=0)
    with contextlib.suppress(OSError):  # nowhere to keep it
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_file(kept, packed)
    return packed


def _resource(name: str) -> str:
    return importlib.resources.files("headrace.report").joinpath(name).read_text(encoding="utf-8")


def _printable(value: Any) -> Any:
    """Applied to everything the template prints; `Markup` is what the template itself has made."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
