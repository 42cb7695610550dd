"""What only the installed spaCy knows: its tokens, and the rules behind them."""

import string
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from unicodedata import unidata_version

import numpy as np

from headrace.corpus.arrays import Arrays, cached_arrays
from headrace.corpus.kernel import digest_sources
from headrace.corpus.measure.spacy_chunks import Chunks
from headrace.corpus.measure.spacy_rules import (
    IS_INFIX,
    IS_MEASURE,
    IS_PREFIX,
    IS_SUFFIX,
    Rules,
    UnknownRulesError,
    read_rules,
)
from headrace.corpus.measure.spacy_tokens import BREAKS_SPACY
from headrace.corpus.texts import Texts
from headrace.errors import RecipeError
from headrace.trace import event

FRAMES = ("{}", "({})", "{}.", "{},", '"{}', "{}'s", "“{}”", "a-{}", "{}/b", "5{}", "{}..")
NEIGHBOURS = ("", "a", "B", "1", "'")
LITERALS = ("prefixes", "suffixes", "measures", "infixes")
URLS = """http://a.example/b-c?d=e mailto:a@b.example a-b@c.example a-b.example:80/c-d a-b.example:8 10.0.0.1/a-b
8.8.8.8/a-b 8.8.8.256/a-b a_-b.example/c a-.example/b ftp://a:b-c@d.example x://a.b-c a@b@c-d.ef a.b/c-d ab.cd/e-f
ab.Cd/e-f"""


def check_installed() -> str:
    """spaCy's version. Raises RecipeError if there is none."""
    try:
        return version("spacy")
    except PackageNotFoundError as error:
        raise RecipeError(
            'words: "datatrove" needs spaCy, whose tokens they are, and it is not installed; '
            "run: pip install 'headrace[datatrove-words]'"
        ) from error


@cache
def english() -> Any:
    """spaCy's pipeline for English, of which only the tokenizer is used; importing it takes about 3 s."""
    import spacy

    return spacy.blank("en")


def tokenize(chunk: str) -> list[str]:
    """The tokens as datatrove takes them."""
    tokenizer = english().tokenizer
    try:
        tokens = [token.text for token in tokenizer(chunk)]
    except Exception:
        if BREAKS_SPACY not in chunk:
            raise
        tokens = [token.text for token in tokenizer(chunk.replace(BREAKS_SPACY, ""))]
    return [stripped for token in tokens if (stripped := token.strip())]


@cache
def load_rules() -> Rules | None:
    """The rules as tables, from the cache if they are there; None, after a warning, if kernels cannot follow them."""
    spacy_version = check_installed()
    name = f"spacy-{digest_sources()}-{spacy_version}-{unidata_version}"
    rules = Rules(**cached_arrays(name, Rules._fields, _convert_rules))
    if len(rules.classes):
        return rules
    event("unknown_spacy_rules", version=spacy_version)
    warnings.warn(
        f"spaCy {spacy_version} has rules that are not known here, so its words come from spaCy itself, which is slow. "
        "Install a spaCy 3.8.",
        stacklevel=2,
    )
    return None


def _convert_rules() -> Arrays:
    """The arrays of `Rules`, of no length if kernels cannot follow spaCy's, or spaCy does other things with them."""
    try:
        rules = read_rules(english())
    except UnknownRulesError:
        return _NO_RULES
    return rules._asdict() if are_followed(rules) else _NO_RULES


_NO_RULES: Arrays = {name: np.zeros(0, np.int64) for name in Rules._fields}


def are_followed(rules: Rules) -> bool:
    """Whether kernels cut the sample as spaCy does; takes a second, once for a version of spaCy."""
    chunks = list(dict.fromkeys(sample_chunks(rules)))
    ours, theirs = Chunks(), Chunks()
    ours.learn(Texts.from_strings(chunks), rules)
    theirs.add(chunks, list(map(tokenize, chunks)))
    return ours.contents() == theirs.contents()


def sample_chunks(rules: Rules) -> Iterator[str]:
    """Chunks that ask for every rule: exceptions in company, and signs between characters of all sorts."""
    language = english()
    for exception in language.tokenizer.rules:
        if not any(map(str.isspace, exception)):
            yield from (frame.format(exception) for frame in FRAMES)
    literals = ("".join(map(chr, row[2 : 2 + row[0]])) for name in LITERALS for row in getattr(rules, name).tolist())
    flags = rules.flags[rules.classes]
    single = np.flatnonzero((flags & (IS_PREFIX | IS_SUFFIX | IS_MEASURE) != 0) & (flags & IS_INFIX == 0)).tolist()
    for sign in dict.fromkeys((*literals, *string.punctuation, *map(chr, single), "..", "…", "😀")):
        yield from (before + sign + after for before in NEIGHBOURS for after in NEIGHBOURS)
    yield from URLS.split()
