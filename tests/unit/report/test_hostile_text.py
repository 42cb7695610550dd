"""Text of data sets is shown and never executed, in the HTML and in a real browser."""

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from task_reports import classified, tagged, translated

from headrace.report import build_report
from headrace.report.charts import literal, script_json

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
    "--log-level=0",
    "--dump-dom",
]

# Each would leave OWNED in the title if it ran: as HTML, inside a script element, as a template, as Plotly mark-up.
RUN = "document.title='OWNED'"
ATTACKS = (
    f"<script>{RUN}</script>"
    f"</script><script>{RUN}</script>"
    f'<img src=x onerror="{RUN}">'
    f'"><svg onload="{RUN}">'
    f'<a href="javascript:{RUN}">click</a>'
    "{{7*7}} {% for x in y %} ${7*7} &lt;b&gt; &#60;i&#62;"
    "\u202eright to left\u202c \u2066 \x1b[31mred\x1b[0m \x00 \u2028 <!-- ]]>"
)


@pytest.fixture
def hostile_page(make_run: Callable[..., Any]) -> Path:
    """A page of a run in which everything that people or data sets name is an attack."""
    maker = make_run("hostile", name=ATTACKS, corpus={ATTACKS: [ATTACKS]})
    maker.engine(text=ATTACKS, source=ATTACKS, name=ATTACKS)
    maker.tokens(source=ATTACKS)
    maker.training(ATTACKS, num_steps=100)
    maker.evaluation(prompt=ATTACKS, continuation=ATTACKS, source=ATTACKS)
    maker.task(classified(ATTACKS, ATTACKS))
    return build_report(maker.finish())


def test_no_attack_becomes_markup(hostile_page: Path) -> None:
    page = hostile_page.read_text()

    assert len(re.findall(r"<script(?!\w)", page)) == page.count("</script>")
    assert not re.search(r"<(img|svg|a href=\"javascript)", page)
    assert "{{7*7}}" in html.unescape(page)


def test_no_attack_in_a_word_a_type_or_a_translation_becomes_markup(make_run: Callable[..., Any]) -> None:
    for name, report in (("tags", tagged(ATTACKS, ATTACKS)), ("pairs", translated(ATTACKS))):
        maker = make_run(name)
        maker.task(report)
        page = build_report(maker.finish()).read_text()

        assert len(re.findall(r"<script(?!\w)", page)) == page.count("</script>")
        assert not re.search(r"<(img|svg|a href=\"javascript)", page)


def test_control_characters_are_shown_as_pictures(hostile_page: Path) -> None:
    page = hostile_page.read_text()

    assert not re.search("[\x00\x1b\u2028\u202a-\u202e\u2066-\u2069]", page)
    assert "⟨U+202E⟩right to left⟨U+202C⟩" in page
    assert "␛[31mred␛[0m" in page


def test_a_figure_cannot_end_its_script_element() -> None:
    escaped = str(script_json('{"a":"</script><!-- & \u2028"}'))

    assert not set("<>&\u2028") & set(escaped)


def test_plotly_gets_no_markup() -> None:
    assert literal("<b>&amp;</b>\n\x1b") == "&lt;b&gt;&amp;amp;&lt;/b&gt; ␛"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: that nothing runs in a real browser is not tested")
def test_nothing_runs_in_a_browser_and_the_charts_are_drawn(hostile_page: Path, tmp_path: Path) -> None:
    dom, log = browse(hostile_page, tmp_path / "profile")

    title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert title
    assert title[1] == "hostile · headrace"
    num_charts = dom.count('<figure class="chart')
    drawn = re.findall(r'<div class="canvas js-plotly-plot"', dom)
    assert num_charts == len(drawn) > 11
    assert dom.count("main-svg") >= num_charts
    assert not re.search(r"<a [^>]*javascript:", dom)
    assert not [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: that the policy holds is not tested")
def test_the_policy_stops_what_escaping_would_miss(hostile_page: Path, tmp_path: Path) -> None:
    """With an attack put into the file by hand, the browser still refuses to run it."""
    page = hostile_page.read_text()
    hostile_page.write_text(page.replace("<footer>", f'<script>{RUN}</script><img src=x onerror="{RUN}"><footer>'))

    dom, log = browse(hostile_page, tmp_path / "profile")

    assert "<title>OWNED" not in dom
    assert "Content Security Policy" in log
    assert "main-svg" in dom


def browse(page: Path, profile: Path) -> tuple[str, str]:
    """The document after its scripts have run, and what the browser logged."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr
