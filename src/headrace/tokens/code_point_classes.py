"""What kind of sign every code point is, exactly as the regular expressions of `tokenizers` see it.

Their Unicode tables are newer than Python's (9,272 letters more than Python 3.11 knows), so they are asked. The numbers
of the classes are constants of the kernels.
"""

import importlib.metadata
from functools import cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, normalizers

from headrace.corpus.arrays import Arrays, cached_arrays

OTHER, UPPER, LOWER, UNCASED, NUMBER, MARK, SPACE, NOTHING = range(8)
"""Letters are upper and title case, lower case, and those that are neither. What lies behind a text is nothing."""

CLASSES = {
    UPPER: r"\p{Lu}\p{Lt}",
    LOWER: r"\p{Ll}",
    UNCASED: r"\p{Lm}\p{Lo}",
    NUMBER: r"\p{N}",
    MARK: r"\p{M}",
    SPACE: r"\s",
}
CODE_POINTS = 0x110000


@cache
def code_point_classes() -> NDArray[np.uint8]:
    """(0x110000,) the class of each code point; made in a second, then kept in the user's cache folder."""
    version = importlib.metadata.version("tokenizers")
    return cached_arrays(f"code-points-{version}", ("classes",), _ask)["classes"]


def _ask() -> Arrays:
    points = np.arange(CODE_POINTS, dtype=np.uint32)
    text = points[(points < 0xD800) | (points >= 0xE000)].tobytes().decode("utf-32-le")
    classes = np.full(CODE_POINTS, OTHER, np.uint8)
    for number, expression in CLASSES.items():
        of_class = normalizers.Replace(Regex(f"[^{expression}]"), "").normalize_str(text)
        classes[np.frombuffer(of_class.encode("utf-32-le"), np.uint32)] = number
    return {"classes": classes}
