"""Telephone numbers: Chinese mobile and landline, North American, international, and whatever is called a phone."""

import re

from headrace.corpus.redact.clues import DIGITS
from headrace.corpus.redact.config import RedactConfig
from headrace.corpus.redact.detector import LEFT, OTHER_NUMBER, RIGHT, Detector, Span, compact, follows, labels
from headrace.corpus.redact.numbering import COUNTRY_CODES

_EXTENSION = r"(?:\s?(?:ext\.?|x|转|轉|分机)\s?\d{1,6}|-\d{1,4})?"
_CHINA = r"(?:\(?(?:\+|00)?86\)?[ -]?)?"
_CHINA_MARKED = r"(?:\(?(?:\+|00)86\)?[ -]?)"

MOBILE = re.compile(
    rf"{LEFT}{_CHINA}1[3-9]\d(?:[ -]?\d{{4}}[ -]?\d{{4}}|\d[ -]\d{{3}}[ -]\d{{4}}|[ -]?\d{{3}}[ -]\d{{5}}){RIGHT}"
)
LANDLINE = re.compile(
    rf"{LEFT}(?:{_CHINA_MARKED}?\(0(?:10|2\d|[3-9]\d\d)\)[ -]?|{_CHINA_MARKED}?0(?:10|2\d|[3-9]\d\d)[ -]"
    rf"|{_CHINA_MARKED}\(?0?\)?(?:10|2\d|[3-9]\d\d)[ -]?|0(?:10|2\d)(?=[2-8]\d{{7}}(?!\d)))"
    rf"[1-9]\d{{2,3}}[ -]?\d{{4}}{_EXTENSION}{RIGHT}"
)
NORTH_AMERICAN = re.compile(
    rf"{LEFT}(?:\+?1[ .-]?)?(?:\([2-9]\d\d\)[ .-]?[2-9]\d\d[ .-]?|[2-9]\d\d(?P<mark>[ .-])[2-9]\d\d(?P=mark))"
    rf"\d{{4}}{_EXTENSION}{RIGHT}",
    re.IGNORECASE,
)
INTERNATIONAL = re.compile(rf"(?<![0-9A-Za-z)+])\(?\+[1-9](?:[ ().\-/]{{0,2}}\d){{7,14}}{RIGHT}")
LABELLED = re.compile(rf"{LEFT}\(?\+?\d(?:[ ().\-/]{{0,2}}\d){{6,14}}{_EXTENSION}{RIGHT}", re.IGNORECASE)

PHONE = labels(
    r"(?<![a-z])(?:(?:tele|cell)?phone|tel|mobile|mob|cell|fax|whatsapp|hotline|dial|call|sms|ph)",
    "电话|電話|手机|手機|座机|固话|传真|傳真|联系方式|联系人|致电|拨打|热线|热線|来电|短信|联络",
)
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ]?(?:19|20)\d\d|(?:19|20)\d\d([-./]?)[01]\d\1[0-3]\d|[0-3]\d([-./])[0-3]\d\2(?:19|20)\d\d"
)


def _is_national(match: re.Match[str], _: RedactConfig) -> Span | None:
    """Area codes are not looked up: what was seen of this shape in real mails and news was a telephone number."""
    is_marked = match[0].lstrip("(").startswith(("+", "00"))
    return match.span() if is_marked or follows(match, PHONE) or not _is_other(match) else None


def _is_international(match: re.Match[str], _: RedactConfig) -> Span | None:
    digits, groups = compact(match[0]), re.findall(r"\d+", match[0])
    has_country = any(digits[:length] in COUNTRY_CODES for length in (1, 2, 3))
    is_decimal = len(groups) == 2 and "." in match[0]
    if not has_country or is_decimal or len(groups) > 7 or len(digits) < (10 if len(groups) == 1 else 8):
        return None
    return match.span() if digits[0] != "1" or re.fullmatch(r"1(?:[2-9]\d\d){2}\d{4}", digits) else None


def _is_labelled(match: re.Match[str], _: RedactConfig) -> Span | None:
    is_number = len(set(compact(match[0]))) > 2 and not _DATE.fullmatch(match[0])
    return match.span() if is_number and follows(match, PHONE) else None


def _is_other(match: re.Match[str]) -> bool:
    """Whether it is called something else, or stands in a path or behind a number sign, as identifiers do."""
    before = match.string[max(0, match.start() - 2) : match.start()]
    return before.endswith("#") or re.fullmatch(r"[0-9A-Za-z][/%=]", before) is not None or follows(match, OTHER_NUMBER)


DETECTORS = (
    Detector("phone", DIGITS, MOBILE, _is_national),
    Detector("phone", DIGITS, LANDLINE, _is_national),
    Detector("phone", DIGITS, NORTH_AMERICAN, _is_national),
    Detector("phone", DIGITS, INTERNATIONAL, _is_international),
    Detector("phone", DIGITS, LABELLED, _is_labelled),
)
