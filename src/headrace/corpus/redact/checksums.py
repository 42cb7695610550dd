"""Check digits and the other proofs that a number is what it looks like. Values come as ASCII without separators."""

import datetime as dt
import ipaddress

from headrace.corpus.redact.numbering import CHINESE_REGIONS, IBAN_LENGTHS

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUES = {character: value for value, character in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS = tuple(3**place % 31 for place in range(17))
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SMALL_OCTET, _LARGE_OCTET = 30, 100


def is_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others. Source: ISO/IEC 7812-1, annex B."""
    values = [int(digit) for digit in digits[::-1]]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether these 13 to 19 digits are a card number of an issuer whose ranges and lengths are known."""
    return len(set(digits)) > 1 and len(digits) in _card_lengths(digits) and is_luhn(digits)


def _card_lengths(digits: str) -> tuple[int, ...]:
    """Lengths that cards with these first digits have; none if no issuer has them."""
    two, four = int(digits[:2]), int(digits[:4])
    if two == 62 or four == 9558:  # UnionPay
        return (16, 17, 18, 19)
    if digits[0] == "4":  # Visa
        return (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720 or 2200 <= four <= 2204:  # Mastercard, Mir
        return (16,)
    if two in (34, 37):  # American Express
        return (15,)
    if four == 6011 or 644 <= four // 10 <= 659 or 3528 <= four <= 3589:  # Discover, JCB
        return (16, 19)
    if two in (36, 38, 39) or 300 <= four // 10 <= 305 or four // 10 == 309:  # Diners Club
        return (14, 16)
    return ()


def is_date(year: int, month: int, day: int) -> bool:
    """Whether a living person can have been born then."""
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return 1900 <= year <= 2030


def is_cn_id(value: str) -> bool:
    """Whether 18 characters are a Chinese identity number: region, birth, check digit. Source: GB 11643-1999."""
    if value[:2] not in CHINESE_REGIONS or not is_date(int(value[6:10]), int(value[10:12]), int(value[12:14])):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, value, strict=False))
    return _ID_CHECK[total % 11] == value[17].upper()


def is_old_cn_id(digits: str) -> bool:
    """Whether 15 digits are an identity number of before 1999. It has no check digit: 1 of 80 random numbers passes."""
    return digits[:2] in CHINESE_REGIONS and is_date(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12]))


def is_uscc(value: str) -> bool:
    """Whether 18 characters are a unified social credit code. Source: GB 32100-2015."""
    if value[2:4] not in CHINESE_REGIONS and value[2:4] != "10":
        return False
    total = sum(weight * _USCC_VALUES[character] for weight, character in zip(_USCC_WEIGHTS, value, strict=False))
    return bool(_USCC_VALUES[value[17]] == -total % 31)


def is_iban(value: str) -> bool:
    """Whether the country exists, has IBANs of this length, and the remainder is right. Source: ISO 13616-1."""
    if IBAN_LENGTHS.get(value[:2]) != len(value):
        return False
    return int("".join(str(int(character, 36)) for character in value[4:] + value[:4])) % 97 == 1


def is_ssn(digits: str) -> bool:
    """Whether nine digits can be a US social security number."""
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def is_ip_v4(value: str, *, private: bool, labelled: bool) -> bool:
    """Whether four decimal numbers are an address of the public internet, or any one if `private`.

    Small numbers such as 34.5.1.2 are more often a section or a version, unless an address is spoken of.
    """
    octets = sorted(map(int, value.split(".")))
    is_section = octets[2] < _SMALL_OCTET and octets[3] < _LARGE_OCTET and octets[0] != octets[3] and not labelled
    if octets[3] > 255 or is_section:
        return False
    address = ipaddress.IPv4Address(value)
    return private or (address.is_global and not address.is_multicast)


def is_ip_v6(value: str, *, private: bool) -> bool:
    """Whether hexadecimal groups are an address of the public internet, or any one if `private`."""
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return private or (address in _GLOBAL_UNICAST and address.is_global)
