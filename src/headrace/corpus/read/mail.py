"""Mail (RFC 822): a message is a document, its body the text, its subject, sender and date the metadata.

Real mail breaks every rule: parts that are not what they say, character sets that lie, base64 cut off. What can be
decoded without guessing at single characters is; the rest is a damaged record. Of a message in several forms the plain
one is taken; one that is HTML only goes the way of every page. Attachments are left out.
"""

import re
from collections.abc import Iterator
from email import policy
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser

import orjson
from resiliparse.parse.encoding import detect_encoding

from headrace.corpus.read.encodings import decode_first
from headrace.corpus.read.html import page_text, visible_text
from headrace.corpus.read.records import Record, checked_text, damaged

ENVELOPE_LINE = re.compile(rb"From [^\n]*\n")
PARSER = BytesParser(policy=policy.compat32)
"""The modern policy parses a header anew whenever it is asked for: 2.0 MB of real mail a second, with this one 5.7."""
MAX_DEPTH = 50
FAULTS = (MessageError, ValueError, LookupError, AttributeError, TypeError, AssertionError)
"""What the standard library raises on hostile headers instead of a MessageError."""


def read_message(data: bytes, *, offset: int, size_bytes: int) -> Record:
    """The document in one message, with or without an envelope line above it."""
    envelope = ENVELOPE_LINE.match(data)
    try:
        message = PARSER.parsebytes(data[envelope.end() :] if envelope else data)
        bodies = list(_bodies(message, depth=0))
    except RecursionError:
        return damaged(offset, size_bytes, reason="nested_too_deep", data=data)
    except FAULTS:
        return damaged(offset, size_bytes, reason="broken_mail", data=data)
    if any(body is None for body in bodies):
        return damaged(offset, size_bytes, reason="unknown_encoding", data=data)
    text = "\n\n".join(body.strip() for body in bodies if body and body.strip())
    metadata = orjson.dumps({name: _header(message, name) for name in ("subject", "from", "date")}).decode()
    return checked_text(text.replace("\r\n", "\n"), offset=offset, size_bytes=size_bytes, metadata=metadata)


def _bodies(message: Message, *, depth: int) -> Iterator[str | None]:
    """The texts of a message, in order; None for one that cannot be decoded."""
    if depth > MAX_DEPTH:
        raise RecursionError(f"a message of more than {MAX_DEPTH} levels")
    parts = [part for part in message.get_payload() if isinstance(part, Message)] if message.is_multipart() else []
    if parts and message.get_content_type() == "multipart/alternative":
        forms = [list(_bodies(part, depth=depth + 1)) for part in sorted(parts, key=_is_html)]
        yield from next((form for form in forms if any(body and body.strip() for body in form)), [])
        return
    for part in parts:
        yield from _bodies(part, depth=depth + 1)
    is_text = message.get_content_maintype() in ("text", "multipart")  # the latter if its boundary is missing
    if not message.is_multipart() and is_text and not _is_attached(message):
        yield _body(message)


def _is_html(part: Message) -> bool:
    return part.get_content_type() == "text/html"


def _is_attached(part: Message) -> bool:
    disposition = part.get_content_disposition()
    return disposition == "attachment" or (disposition != "inline" and part.get_filename() is not None)


def _body(part: Message) -> str | None:
    """The text of a part; HTML becomes plain."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    text = decode_first(data, (part.get_content_charset(), "utf-8", detect_encoding(data), "cp1252"))
    if text is None or not _is_html(part):
        return text
    return page_text(text) or visible_text(text)  # short and garish, spam looks like an advertisement beside a page


def _header(message: Message, name: str) -> str | None:
    """A header as it is meant, or as it stands if it means nothing."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name), None)
    if raw is None:
        return None
    try:
        text = str(policy.default.header_fetch_parse(name, raw))
    except (*FAULTS, RecursionError):
        text = str(raw)
    return text.encode("utf-8", "replace").decode()
