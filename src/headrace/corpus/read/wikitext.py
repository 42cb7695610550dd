"""Wikitext -> the text that a reader of the article sees: no templates, footnotes, tables, pictures or categories."""

import re
from collections.abc import Iterator

import mwparserfromhell
from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Node, Tag, Text, Wikilink
from mwparserfromhell.wikicode import Wikicode

DROPPED_TAGS = frozenset(
    "ref references table gallery timeline math chem score syntaxhighlight source imagemap style templatestyles "
    "graph mapframe".split()
)
NAMESPACE = re.compile(r"\s*([^:\[\]|]{2,30}):")
HIDDEN_NAMESPACES = frozenset(
    "file image media category 文件 图像 圖像 檔案 分类 分類 fichier catégorie datei bild kategorie archivo categoría "
    "файл категория ファイル 画像 파일 분류 immagine categoria ficheiro bestand categorie plik".split()
)
LANGUAGE_LINK = re.compile(r"[a-z]{2,3}(-[a-z]+)*")
SWITCH = re.compile(r"__[A-Z]{3,}__")
EMPTY_BRACKETS = re.compile(r" ?[(（][\s,;，；]*[)）]")
BLANKS = re.compile(r"[ \t]*\n[ \t]*")
EMPTY_LINES = re.compile(r"\n{3,}")


def plain_text(wikitext: str) -> str:
    """The text of an article, a line per paragraph, heading or list entry."""
    text = "".join(_texts(mwparserfromhell.parse(wikitext, skip_style_tags=False)))
    text = EMPTY_BRACKETS.sub("", SWITCH.sub("", text))
    return EMPTY_LINES.sub("\n\n", BLANKS.sub("\n", text)).strip()


def _texts(code: Wikicode | None) -> Iterator[str]:
    for node in code.nodes if code is not None else ():
        yield from _node_texts(node)


def _node_texts(node: Node) -> Iterator[str]:
    match node:
        case Text():
            yield str(node.value)
        case Heading():
            yield from ("\n", *_texts(node.title), "\n")
        case HTMLEntity():
            yield _character(node)
        case Wikilink():
            yield from _link_texts(node)
        case ExternalLink():
            yield from _texts(node.title if node.brackets else node.url)
        case Tag() if str(node.tag).strip().lower() == "br":
            yield "\n"
        case Tag() if str(node.tag).strip().lower() not in DROPPED_TAGS:
            yield from _texts(node.contents)
        case _:  # templates, arguments, comments
            return


def _character(node: HTMLEntity) -> str:
    try:
        return str(node.normalize())
    except (ValueError, OverflowError):  # a number that is no character
        return ""


def _link_texts(link: Wikilink) -> Iterator[str]:
    title = str(link.title)
    if (match := NAMESPACE.match(title)) and not title.startswith(":"):
        name = match[1].strip().lower()
        if name in HIDDEN_NAMESPACES or LANGUAGE_LINK.fullmatch(name):
            return
    yield from _texts(link.text) if link.text is not None else (title.lstrip(":"),)
