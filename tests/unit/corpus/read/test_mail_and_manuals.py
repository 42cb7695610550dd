"""Mail in all its forms, and manual pages in both macro sets."""

import json
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from headrace.corpus.read import RawDocument, Record
from headrace.errors import RecipeError

Read = Callable[..., list[Record]]
SortOut = Callable[[list[Record]], tuple[list[str], list[tuple[int, str]]]]

HEAD = b"Subject: =?utf-8?b?5pep5LiK5aW9?=\r\nFrom: A <a@example.com>\r\n"


def test_of_several_forms_the_plain_one_is_read_and_attachments_are_not(read: Read, tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["Date"] = "早上好", "a@example.com", "Mon, 01 Jan 2024 00:00:00 +0000"
    message.set_content("plain 文")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment("attached", filename="a.txt")
    (tmp_path / "a.eml").write_bytes(message.as_bytes())

    (record,) = read(path="a.eml")

    assert isinstance(record, RawDocument)
    assert record.text == "plain 文"
    assert json.loads(record.metadata) == {
        "subject": "早上好", "from": "a@example.com", "date": "Mon, 01 Jan 2024 00:00:00 +0000",
    }  # fmt: skip


BODIES = {
    "html only": (b"Content-Type: text/html; charset=x-lie\n\n<body><p>f\xc3\xbcr</p></body>", "für"),
    "a character set that lies": (
        b"Content-Type: text/plain; charset=us-ascii\n\ncaf\xe9 na\xefve d\xe9j\xe0",
        "café naïve déjà",
    ),
    "a codec that is no character set": (b"Content-Type: text/plain; charset=idna\n\nhello", "hello"),
    "base64 cut off": (b"Content-Transfer-Encoding: base64\n\naGVsbG8gd29ybG", "hello worl"),
    "no headers of its own": (b"\nhello", "hello"),
    "a multipart without its boundary": (b"Content-Type: multipart/mixed\n\nhello", "hello"),
}


@pytest.mark.parametrize("name", BODIES)
def test_mail_that_breaks_the_rules_is_read(name: str, read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    body, text = BODIES[name]
    (tmp_path / "a.eml").write_bytes(HEAD.replace(b"\r\n", b"\n") + body)

    assert sorted_out(read(path="a.eml")) in (([text], []), ([text[:-1]], []))


@pytest.mark.parametrize("depth", [60, 1_500])
def test_mail_nested_without_end_is_quarantined(depth: int, read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    (tmp_path / "a.eml").write_bytes(nested + b"\nhello\n")

    assert sorted_out(read(path="a.eml")) == ([], [(0, "nested_too_deep")])


def test_hostile_headers_cost_only_themselves(read: Read, tmp_path: Path) -> None:
    head = b"Subject: =?utf-8?q?=ff=fe?= =?x?b?!!!?=\nFrom: <<>>,:;@[\nDate: 99 Nov\nTo: " + b'"' * 999 + b"\n\nhello"
    (tmp_path / "a.eml").write_bytes(head)

    (record,) = read(path="a.eml")

    assert isinstance(record, RawDocument)
    assert record.text == "hello"


def test_mbox_messages_begin_after_an_empty_line_and_quoting_is_undone(
    read: Read, sorted_out: SortOut, tmp_path: Path
) -> None:
    data = b"From a\nSubject: 1\n\none\nFrom here on\n>From there\n\nFrom b\nSubject: 2\n\ntwo\n\nFrom c\n\n\n"
    (tmp_path / "a.mbox").write_bytes(data)

    texts, damage = sorted_out(read(path="a.mbox"))

    assert texts == ["one\nFrom here on\nFrom there", "two"]
    assert damage == [(data.index(b"From c"), "empty_text")]


def test_a_maildir_is_read_without_what_is_still_written(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "box" / folder).mkdir(parents=True)
        (tmp_path / "box" / folder / "1.host:2,S").write_bytes(HEAD + b"\r\n" + folder.encode())

    assert sorted_out(read(path="box", format="mail")) == (["cur", "new"], [])


MAN = r""".\" a comment
.TH LS 1 "2024-01-01" "GNU" "User Commands"
.SH NAME
ls \- list \fIdirectory\fP contents
.SH "EXIT STATUS"
.de XX
.B not shown
..
.TP
.B 0
if \(lqOK\(rq,
.if t .B typeset
.ie n \{\
.B nroff
.\}
.el only troff
.IP \(bu 2
one
.BR ls (1),
.I two
.PP
.nf
  a    b
.fi
.TS
l l.
Name	Value
x	T{
y
T}
.TE
.UR http://example.com
site
.UE .
"""
MDOC = r""".Dd January 1, 2024
.Dt CAT 1
.Os
.Sh NAME
.Nm cat
.Nd concatenate files
.Sh SYNOPSIS
.Nm
.Op Fl benst
.Op Ar
.Sh DESCRIPTION
The
.Nm
utility reads
.Dq standard input ,
see
.Xr more 1 .
.Bl -tag
.It Fl b Ar n
Number lines.
.El
"""


def test_a_page_of_man_macros_reads_as_on_a_terminal(read: Read, tmp_path: Path) -> None:
    (tmp_path / "ls.1").write_text(MAN)

    (record,) = read(path="ls.1")

    assert isinstance(record, RawDocument)
    assert json.loads(record.metadata) == {"title": "LS", "section": "1"}
    assert record.text == (
        "NAME\nls - list directory contents\n\nEXIT STATUS\n\n0\nif “OK”, nroff\n\n•\none ls(1), two\n\n"
        "  a    b\n\nName  Value\nx  \ny\n\nsite <http://example.com>."
    ).replace("x  \n", "x\n")


def test_a_page_of_mdoc_macros_reads_as_on_a_terminal(read: Read, tmp_path: Path) -> None:
    (tmp_path / "cat.1").write_text(MDOC)

    (record,) = read(path="cat.1")

    assert isinstance(record, RawDocument)
    assert record.text == (
        "NAME\ncat – concatenate files\n\nSYNOPSIS\ncat [-benst] []\n\nDESCRIPTION\n"
        "The cat utility reads “standard input”, see more(1).\n\n-b n\nNumber lines."
    )


def test_a_page_that_points_at_another_is_no_document(read: Read, tmp_path: Path) -> None:
    (tmp_path / "dir.1").write_text('.\\" Copyright\n.so man1/ls.1\n')

    assert read(path="dir.1") == []


@pytest.mark.parametrize("name", ["Tk_Init.3tcl", "sigevent.3type", "ssl.7ssl", "find.1posix"])
def test_manuals_of_a_subsection_are_known_by_their_suffix(
    name: str, read: Read, sorted_out: SortOut, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(".TH NAME 3\n.SH NAME\nname does something\n")

    (text,), damaged = sorted_out(read(path=name))

    assert "name does something" in text
    assert damaged == []


def test_a_film_is_no_manual(read: Read, tmp_path: Path) -> None:
    (tmp_path / "film.3gp").write_bytes(b"\0")

    with pytest.raises(RecipeError, match="suffix"):
        read(path="film.3gp")
