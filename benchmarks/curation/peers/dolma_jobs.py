"""dolma's taggers and mixer: `python dolma_jobs.py filters INPUT OUTPUT`. The kept documents end in OUTPUT/kept.

Its taggers have Gopher's quality and repetition sums (words between white space, the median word length) and C4's;
FineWeb's own rules it has not. The mixer then drops by jq conditions with Gopher's thresholds.
"""

import json
import subprocess
import sys
from pathlib import Path

TAGGERS = ("gopher_v2", "c4_v2")
LARGEST = {
    **{f"fraction_of_characters_in_most_common_{n}grams": share for n, share in ((2, 0.2), (3, 0.18), (4, 0.16))},
    **{f"fraction_of_characters_in_duplicate_{n}grams": 0.2 - n / 100 for n in range(5, 11)},
    "word_count": 100_000,
    "median_word_length": 10,
    "symbol_to_word_ratio": 0.1,
    "fraction_of_lines_starting_with_bullet_point": 0.9,
    "fraction_of_lines_ending_with_ellipsis": 0.3,
    "fraction_of_duplicate_lines": 0.3,
    "fraction_of_characters_in_duplicate_lines": 0.3,
}
SMALLEST = {
    "word_count": 50,
    "median_word_length": 3,
    "fraction_of_words_with_alpha_character": 0.8,
    "required_word_count": 2,
}
FORBIDDEN = ("has_curly_brace", "has_lorem_ipsum")


def conditions() -> list[str]:
    """jq expressions, each true for a document to drop."""
    gopher = ".attributes.bench__gopher_v2__"
    return [
        *(f"({gopher}{name} | length > 0) and ({gopher}{name}[0][2] > {limit})" for name, limit in LARGEST.items()),
        *(f"({gopher}{name} | length > 0) and ({gopher}{name}[0][2] < {limit})" for name, limit in SMALLEST.items()),
        *(f".attributes.bench__c4_v2__{name} | length > 0" for name in FORBIDDEN),
    ]


def main() -> None:
    """Tags, then mixes, by dolma's own command."""
    source, output = Path(sys.argv[2]), Path(sys.argv[3])
    documents = output / "input" / "documents"
    documents.mkdir(parents=True)
    (documents / source.name).symlink_to(source)
    work = {"input": str(output / "work-in"), "output": str(output / "work-out")}
    tag = {
        "documents": [f"{documents}/*"], "taggers": list(TAGGERS), "experiment": "bench", "processes": 1,
        "work_dir": work,
    }  # fmt: skip
    mix = {
        "processes": 1, "work_dir": work,
        "streams": [{
            "name": "kept", "documents": [f"{documents}/*"], "attributes": ["bench"],
            "output": {"path": str(output / "kept"), "max_size_in_bytes": 2**30},
            "filter": {"exclude": conditions(), "syntax": "jq"},
        }],
    }  # fmt: skip
    for command, config in (("tag", tag), ("mix", mix)):
        path = output / f"{command}.json"
        path.write_text(json.dumps(config))
        subprocess.run([Path(sys.executable).parent / "dolma", "-c", path, command], check=True)


if __name__ == "__main__":
    main()
