"""Numbers of people, companies, cards and accounts: most prove themselves by a check digit."""

import re

from headrace.corpus.redact.checksums import is_card, is_cn_id, is_iban, is_old_cn_id, is_ssn, is_uscc
from headrace.corpus.redact.clues import DIGITS, PLATE
from headrace.corpus.redact.config import RedactConfig
from headrace.corpus.redact.detector import LEFT, OTHER_NUMBER, RIGHT, Detector, Span, compact, follows, labels, whole
from headrace.corpus.redact.numbering import IBAN_LENGTHS, PLATE_REGIONS

_USUAL_BODIES = ("11", "12", "13", "51", "52", "53", "91", "92", "93")
_USCC = "[0-9A-HJ-NPQRTUWXY]"

CN_ID = re.compile(rf"{LEFT}[1-9](?:[ -]?\d){{16}}[ -]?[0-9Xx]{RIGHT}")
OLD_CN_ID = re.compile(rf"{LEFT}[1-9]\d{{5}}[ -]?\d{{6}}[ -]?\d{{3}}{RIGHT}")
USCC = re.compile(rf"{LEFT}[1-9ANY][ -]?[1-39](?:[ -]?\d){{6}}(?:[ -]?{_USCC}){{10}}{RIGHT}")
CARD = re.compile(
    rf"{LEFT}(?:\d{{13,19}}|\d{{4}}([ -])\d{{4}}\1\d{{4}}\1\d{{4}}|3\d{{3}}([ -])\d{{6}}\2\d{{4,5}}"
    rf"|\d{{6}}[ -]\d{{10,13}}){RIGHT}"
)
LONG_CARD = re.compile(rf"{LEFT}[69]\d{{3}}([ -])\d{{4}}\1\d{{4}}\1\d{{4}}\1\d{{1,3}}{RIGHT}")
SSN = re.compile(rf"{LEFT}\d{{3}}([ -]?)\d{{2}}\1\d{{4}}{RIGHT}")
IBAN = re.compile(rf"{LEFT}[A-Z]{{2}}\d{{2}}(?:[ -]?[0-9A-Z]){{11,29}}")
PASSPORT = re.compile(rf"{LEFT}(?:[EG]\d{{8}}|E[A-HJ-NP-Z]\d{{7}}){RIGHT}")
LABELLED_PASSPORT = re.compile(rf"{LEFT}[A-Z]{{0,2}}[ -]?\d(?:[ -]?\d){{5,8}}{RIGHT}")
PLATE_NUMBER = re.compile(
    rf"[{PLATE_REGIONS}]·?[A-HJ-NP-Z][·• -]{{0,2}}(?=(?:[A-Z]*\d){{3}})"
    rf"[A-HJ-NP-Z0-9]{{4}}(?:[A-HJ-NP-Z0-9]{{1,2}}|[学警港澳挂领])"
    rf"(?![0-9A-Za-z])"
)

_CARD = labels("card|visa|master|amex|diners|unionpay", "卡|银联|银行")
_ID_CARD = labels("身份证|身份證|证件|證件", r"(?<![a-z])id(?: card)?|identity(?: card)?|identification")
_SSN = labels(r"(?<![a-z])ssn|social security", "社会安全|社安")
_PASSPORT = labels("passport", "护照|護照|通行证|通行證|台胞证|travel document")


def _judge_cn_id(match: re.Match[str], _: RedactConfig) -> Span | None:
    return match.span() if is_cn_id(compact(match[0])) else None


def _judge_old_cn_id(match: re.Match[str], _: RedactConfig) -> Span | None:
    return match.span() if is_old_cn_id(compact(match[0])) and follows(match, _ID_CARD) else None


def _judge_uscc(match: re.Match[str], _: RedactConfig) -> Span | None:
    """18 digits without a letter are often other numbers: then only the kinds of bodies that there are many of."""
    value = compact(match[0])
    is_usual = not value.isdecimal() or (value[:2] in _USUAL_BODIES and not follows(match, OTHER_NUMBER))
    return match.span() if is_usual and is_uscc(value) else None


def _judge_card(match: re.Match[str], _: RedactConfig) -> Span | None:
    """13 and 14 digits are as often a barcode or a time, so they must be called a card."""
    digits = compact(match[0])
    if not is_card(digits):
        return None
    is_called = follows(match, _CARD)
    return match.span() if is_called or (len(digits) > 14 and not follows(match, OTHER_NUMBER)) else None


def _judge_ssn(match: re.Match[str], _: RedactConfig) -> Span | None:
    if not is_ssn(compact(match[0])):
        return None
    is_usual = match[1] == "-" and not follows(match, OTHER_NUMBER)
    return match.span() if is_usual or follows(match, _SSN) else None


def _judge_iban(match: re.Match[str], _: RedactConfig) -> Span | None:
    """Ends where the country's length is reached: capitals may follow."""
    places = [place for place, character in enumerate(match[0]) if character.isalnum()]
    length = IBAN_LENGTHS.get(match[0][:2], 0)
    if not 0 < length <= len(places):
        return None
    end = match.start() + places[length - 1] + 1
    is_cut = match.string[end : end + 1].isalnum() and match.string[end : end + 1].isascii()
    return None if is_cut or not is_iban(compact(match.string[match.start() : end])) else (match.start(), end)


def _judge_passport(match: re.Match[str], _: RedactConfig) -> Span | None:
    return None if follows(match, OTHER_NUMBER) else match.span()


def _judge_labelled_passport(match: re.Match[str], _: RedactConfig) -> Span | None:
    return match.span() if follows(match, _PASSPORT) else None


DETECTORS = (
    Detector("iban", DIGITS, IBAN, _judge_iban),
    Detector("cn_id", DIGITS, CN_ID, _judge_cn_id),
    Detector("cn_id", DIGITS, OLD_CN_ID, _judge_old_cn_id),
    Detector("uscc", DIGITS, USCC, _judge_uscc),
    Detector("bank_card", DIGITS, LONG_CARD, _judge_card),
    Detector("bank_card", DIGITS, CARD, _judge_card),
    Detector("ssn", DIGITS, SSN, _judge_ssn),
    Detector("passport", DIGITS, PASSPORT, _judge_passport),
    Detector("passport", DIGITS, LABELLED_PASSPORT, _judge_labelled_passport),
    Detector("plate", PLATE, PLATE_NUMBER, whole),
)
