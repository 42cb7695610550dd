"""roff's escape sequences -> characters. What only changes fonts, sizes and positions disappears.

Source: groff(7), groff_char(7).
"""

import re
from collections.abc import Mapping

CHARACTERS = {
    "bu": "•", "em": "—", "en": "–", "hy": "‐", "dq": '"', "aq": "'", "oq": "‘", "cq": "’", "lq": "“", "rq": "”",
    "Bq": "„", "bq": "‚", "Fo": "«", "Fc": "»", "fo": "‹", "fc": "›", "ga": "`", "aa": "´", "ha": "^", "ti": "~",
    "rs": "\\", "at": "@", "sh": "#", "Do": "$", "ba": "|", "br": "│", "ul": "_", "rn": "‾", "sl": "/", "co": "©",
    "rg": "®", "tm": "™", "dg": "†", "dd": "‡", "sc": "§", "ps": "¶", "de": "°", "mu": "×", "di": "÷", "+-": "±",
    "<=": "≤", ">=": "≥", "!=": "≠", "==": "≡", "~=": "≅", "~~": "≈", "->": "→", "<-": "←", "<>": "↔", "ua": "↑",
    "da": "↓", "rA": "⇒", "lA": "⇐", "if": "∞", "no": "¬", "mo": "∈", "es": "∅", "fa": "∀", "te": "∃", "pl": "+",
    "mi": "−", "eq": "=", "**": "∗", "sq": "□", "ci": "○", "OK": "✓", "lh": "☜", "rh": "☞", "12": "½", "14": "¼",
    "34": "¾", "S1": "¹", "S2": "²", "S3": "³", "Eu": "€", "eu": "€", "Po": "£", "Ye": "¥", "ct": "¢", "ss": "ß",
    "AE": "Æ", "ae": "æ", "OE": "Œ", "oe": "œ", "o/": "ø", "O/": "Ø", "oa": "å", "oA": "Å", "-D": "Ð", "Sd": "ð",
    "TP": "Þ", "Tp": "þ", "la": "⟨", "ra": "⟩", "lB": "[", "rB": "]", "lC": "{", "rC": "}", "*a": "α", "*b": "β",
    "*g": "γ", "*d": "δ", "*e": "ε", "*h": "θ", "*l": "λ", "*m": "μ", "*p": "π", "*r": "ρ", "*s": "σ", "*w": "ω",
    "*W": "Ω", "*D": "Δ", "*S": "Σ", "*P": "Π", "mc": "µ", "r!": "¡", "r?": "¿", "tno": "¬", "braceleft": "{",
    "nq": "'", "a^": "^", "ap": "~", "radicalex": "‾", "lf": "⌊", "rf": "⌋", "lc": "⌈", "rc": "⌉", "CR": "↵",
}  # fmt: skip
ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", ":": "\u0308", "~": "\u0303", ",": "\u0327"}
SIMPLE = {
    "-": "-",
    "e": "\\",
    "\\": "\\",
    "~": " ",
    " ": " ",
    "0": " ",
    "'": "´",
    "`": "`",
    "t": "\t",
    "E": "\\",
    ".": ".",
}

ESCAPE = re.compile(
    r"""\\(?:
        (?:f|F|m|M|k|g|R)(?:\[[^\]]*\]|\(..|[^\[(])           # fonts, colours, marks
      | s(?:[+-]?(?:\[[^\]]*\]|\(..|'[^']*')|[+-]?[1-3]?\d)  # sizes
      | (?P<kind>[*n])[+-]?(?:\[(?P<long>[^\]]*)\]|\((?P<two>..)|(?P<one>.))  # strings, registers
      | \[(?P<name>[^\]]*)\] | \((?P<pair>..) | C'(?P<quoted>[^']*)'
      | N'(?P<code>\d+)'
      | (?:h|v|w|l|L|D|b|x|H|S|A|B|X|Y|Z|o)(?P<mark>['\"]).*?(?P=mark)      # movements, drawings, devices
      | (?P<simple>.)
    )""",
    re.VERBOSE,
)
COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)\\[\"#].*")


def resolve_escapes(text: str, strings: Mapping[str, str]) -> str:
    """A line as it is read; `strings` are those that the page defines."""
    if "\\" not in text:
        return text
    return ESCAPE.sub(lambda match: _resolve(match, strings), text)


def strip_comment(line: str) -> str:
    """The line without its comment."""
    return COMMENT.sub(r"\1", line) if "\\" in line else line


def _resolve(match: re.Match[str], strings: Mapping[str, str]) -> str:
    if (name := match["name"] or match["pair"] or match["quoted"]) is not None:
        return _named(name)
    if match["kind"] == "*":
        return strings.get(match["long"] or match["two"] or match["one"] or "", "")
    if match["code"] is not None:
        return chr(int(match["code"])) if 32 <= int(match["code"]) < 0xD800 else ""
    return SIMPLE.get(match["simple"] or "", "")


def _named(name: str) -> str:
    if name in CHARACTERS:
        return CHARACTERS[name]
    if re.fullmatch(r"u[0-9A-F]{4,6}(_[0-9A-F]{4,6})*", name):
        codes = [int(code, 16) for code in name[1:].split("_")]
        return "".join(chr(code) for code in codes if code < 0x110000 and not 0xD800 <= code < 0xE000)
    if len(name) == 2 and name[0] in ACCENTS and name[1].isalpha():
        return name[1] + ACCENTS[name[0]]
    return ""
