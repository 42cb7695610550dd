"""The macros of mdoc(7), in which BSD's manual pages are written. Most may be called within a line of another."""

from headrace.corpus.read.roff_page import RoffPage

AROUND = {
    "Dq": "“”", "Qq": '""', "Sq": "‘’", "Pq": "()", "Bq": "[]", "Brq": "{}", "Aq": "<>", "Op": "[]", "Ql": "‘’",
    "En": "“”",
}  # fmt: skip
"""Macros that put something around the rest of their line."""
OPEN = {"Do": "“", "Qo": '"', "So": "‘", "Po": "(", "Bo": "[", "Bro": "{", "Ao": "<", "Oo": "["}
CLOSE = {"Dc": "”", "Qc": '"', "Sc": "’", "Pc": ")", "Bc": "]", "Brc": "}", "Ac": ">", "Oc": "]"}
PLAIN = frozenset(
    "Ad An Ar Cd Cm Dv Dx Em Er Ev Fa Fr Fn Ft Fo Fc Fx Ic In Lb Li Lk Ms Mt Nd No Nx Ox Bx Bsx Pa Rv Sx Sy St Tn Ux "
    "Va Vt Xo Xc Bf Ef Ot %A %B %C %D %I %J %N %O %P %Q %R %T %U %V".split()
)
NAMES = {"Ux": "UNIX", "Bx": "BSD", "Nx": "NetBSD", "Ox": "OpenBSD", "Fx": "FreeBSD", "At": "AT&T UNIX"}
SILENT = frozenset({"Dd", "Os", "El", "Ek", "Bk", "Sm", "Rs", "Re", "Tg", "Hf", "Db", "Xc", "Xo", "Ed", "Bl", "D"})
TIGHT_LEFT = frozenset(".,;:?!)]}”’>")
TIGHT_RIGHT = frozenset("([{“‘<")


def mdoc_line(page: RoffPage, name: str, words: list[str]) -> None:
    """Adds what a line with this macro says; a macro that is none of mdoc's adds nothing."""
    match name:
        case "Dt":
            page.title, page.section = (*words, "", "")[:2]
        case "Sh" | "Ss":
            page.add_heading(_inline(page, words))
        case "Pp" | "Lp":
            page.end_paragraph()
        case "It":
            page.begin_entry(_inline(page, words))
        case "Bd" | "Dl" | "D1":
            page.end_paragraph()
            if name != "Bd":
                page.add_text(_inline(page, words))
        case "Nd":
            page.add_text(f"– {_inline(page, words)}")
        case _ if name in SILENT:
            page.end_line()
        case _ if _is_macro(name):
            page.add_text(_inline(page, [name, *words]))


def _is_macro(name: str) -> bool:
    return (
        name in PLAIN or name in AROUND or name in OPEN or name in CLOSE or name in ("Fl", "Nm", "Xr", "Ns", "Pf", "At")
    )


def _inline(page: RoffPage, words: list[str]) -> str:
    """The words with their macros carried out."""
    text, endings = _Joined(), list[str]()
    queue = list(words)
    trailing: list[str] = []
    while queue and queue[-1] in TIGHT_LEFT:  # stands outside of what is put around the line
        trailing.insert(0, queue.pop())
    while queue:
        word = queue.pop(0)
        if word in AROUND:
            text.add(AROUND[word][0])
            endings.append(AROUND[word][1])
        elif word in OPEN or word in CLOSE:
            text.add(OPEN.get(word) or CLOSE[word])
        elif word == "Fl":
            text.add("-")
            text.is_tight = bool(queue)
        elif word == "Nm":
            page.mdoc_name = page.mdoc_name or next((each for each in queue if not _is_macro(each)), "")
            text.add("" if queue and not _is_macro(queue[0]) and queue[0] not in TIGHT_LEFT else page.mdoc_name)
        elif word == "Xr" and queue:
            section = queue.pop(1) if queue[1:] and queue[1][:1].isdigit() else ""
            text.add(f"{queue.pop(0)}({section})" if section else queue.pop(0))
        elif word in ("Ns", "Ap"):
            text.is_tight = True
            text.add("'" if word == "Ap" else "")
        elif word == "Pf" and queue:
            text.add(queue.pop(0))
            text.is_tight = True
        elif word in NAMES:
            text.add(NAMES[word])
        elif word not in PLAIN and word not in SILENT:
            text.add(word)
    for ending in (*reversed(endings), *trailing):
        text.add(ending)
    return text.text


class _Joined:
    """Words with spaces where mdoc puts them."""

    def __init__(self) -> None:
        self.text = ""
        self.is_tight = True

    def add(self, word: str) -> None:
        if not word:
            return
        is_tight = self.is_tight or word in TIGHT_LEFT
        self.text += word if is_tight else f" {word}"
        self.is_tight = word in TIGHT_RIGHT
