"""How much of a page's text is found, how much else with it, and how quickly: ours beside two libraries'.

    python benchmarks/html_extraction.py DATA [--pages 500]

DATA holds unpacked Debian packages, each in a folder of its name:
    for name in linux-doc-6.1 python3.11-doc; do apt-get download $name && dpkg -x ${name}_*.deb DATA/$name; done

Gold text is the reStructuredText that a page was made from. Precision is the share of the extracted words that the
source has, recall the share of the source's words that were extracted, words counted as often as they occur; the mean
over pages. The sources' own markup (directives, roles, link targets) is in the gold and on no page, so nobody reaches
a recall of 1. trafilatura is installed into an environment of its own beside the data; without a network it is skipped.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import venv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from headrace.corpus.read.html import decode_page, main_text

Extract = Callable[[str], str]
WORD = re.compile(r"\w+")

SETS = {
    "Python documentation": ("python3.11-doc/usr/share/doc/python3.11/html", ".rst.txt"),
    "Linux kernel documentation": ("linux-doc-6.1/usr/share/doc/linux-doc-6.1/html", ".rst.txt"),
}
TRAFILATURA = """
import json, sys, time, trafilatura
pages = json.load(open(sys.argv[1]))
begin = time.process_time()
texts = [trafilatura.extract(page, include_comments=False) or "" for page in pages]
json.dump({"seconds": time.process_time() - begin, "texts": texts, "version": trafilatura.__version__}, sys.stdout)
"""


def page_pairs(folder: Path, suffix: str, most: int) -> list[tuple[str, str]]:
    """(page, gold text) of pages spread evenly over a documentation set."""
    sources = sorted((folder / "_sources").rglob(f"*{suffix}"))
    pages = [folder / path.relative_to(folder / "_sources").as_posix().replace(suffix, ".html") for path in sources]
    pairs = [(page, source) for page, source in zip(pages, sources, strict=True) if page.exists()]
    chosen = pairs[:: max(1, len(pairs) // most)][:most]
    return [(decode_page(page.read_bytes()) or "", source.read_text("utf-8", "replace")) for page, source in chosen]


def agreement(text: str, gold: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of a text's words."""
    found, wanted = Counter(WORD.findall(text.lower())), Counter(WORD.findall(gold.lower()))
    common = (found & wanted).total()
    precision, recall = common / max(1, found.total()), common / max(1, wanted.total())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def show(name: str, texts: list[str], pairs: list[tuple[str, str]], seconds: float) -> None:
    """One line of the table."""
    scores = [agreement(text, gold) for text, (_, gold) in zip(texts, pairs, strict=True)]
    means = [sum(column) / len(scores) for column in zip(*scores, strict=True)]
    megabytes = sum(len(page.encode()) for page, _ in pairs) / 1e6
    figures = " ".join(f"{mean:9.3f}" for mean in means)
    print(f"{name:28} {figures} {megabytes / seconds:9.1f}")


def run(extract: Extract, pairs: list[tuple[str, str]]) -> tuple[list[str], float]:
    """The texts and the CPU seconds they took."""
    begin = time.process_time()
    texts = [extract(page) for page, _ in pairs]
    return texts, time.process_time() - begin


def trafilatura_python(folder: Path) -> Path | None:
    """The interpreter of an environment that has trafilatura; None if it cannot be made."""
    python = folder / ".trafilatura" / "bin" / "python"
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
    wanted = ("trafilatura", "lxml_html_clean")  # the second is what the first imports and does not ask for
    done = subprocess.run([python, "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True)
    return python if done.returncode == 0 else None


def run_trafilatura(python: Path, pairs: list[tuple[str, str]], folder: Path) -> tuple[str, list[str], float]:
    """Its version, its texts and the CPU seconds they took."""
    pages = folder / ".trafilatura" / "pages.json"
    pages.write_text(json.dumps([page for page, _ in pairs]))
    done = subprocess.run([python, "-c", TRAFILATURA, pages], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    return result["version"], result["texts"], result["seconds"]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pages", type=int, default=500, help="most pages of a set")
    options = parser.parse_args()
    python = trafilatura_python(options.data)
    for name, (folder, suffix) in SETS.items():
        if not (options.data / folder).is_dir():
            print(f"{name}: skipped, {options.data / folder} is not there")
            continue
        pairs = page_pairs(options.data / folder, suffix, options.pages)
        print(f"\n{name}, {len(pairs)} pages\n{'':28} precision    recall        F1      MB/s")
        show("headrace", *with_pairs(run(headrace_main, pairs), pairs))
        show("resiliparse, main content", *with_pairs(run(resiliparse_main, pairs), pairs))
        show("resiliparse, all visible", *with_pairs(run(resiliparse_all, pairs), pairs))
        if python is None:
            print("trafilatura: skipped, it could not be installed", file=sys.stderr)
            continue
        version, texts, seconds = run_trafilatura(python, pairs, options.data)
        show(f"trafilatura {version}", texts, pairs, seconds)


def with_pairs(
    result: tuple[list[str], float], pairs: list[tuple[str, str]]
) -> tuple[list[str], list[tuple[str, str]], float]:
    """What `show` wants besides a name."""
    return result[0], pairs, result[1]


def headrace_main(page: str) -> str:
    """What a source of HTML pages gives."""
    return main_text(HTMLTree.parse(page))


def resiliparse_main(page: str) -> str:
    """resiliparse's own idea of the main content."""
    return str(extract_plain_text(page, main_content=True, preserve_formatting=True))


def resiliparse_all(page: str) -> str:
    """All that a page shows."""
    return str(extract_plain_text(page, preserve_formatting=True))


if __name__ == "__main__":
    main()
