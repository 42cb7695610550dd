"""Check digits against published examples, and against every change of one digit."""

import pytest

from headrace.corpus.redact.checksums import is_card, is_cn_id, is_iban, is_luhn, is_ssn, is_uscc

VALID = [
    (is_cn_id, "11010519491231002X", "0123456789"),
    (is_uscc, "91350100M000100Y43", "0123456789ABCDEFGHJKLMNPQRTUWXY"),
    (is_iban, "GB82WEST12345698765432", "0123456789"),
    (is_luhn, "79927398713", "0123456789"),
]


@pytest.mark.parametrize(("check", "value", "alphabet"), VALID, ids=["cn_id", "uscc", "iban", "luhn"])
def test_one_wrong_character_is_noticed(check, value: str, alphabet: str) -> None:  # type: ignore[no-untyped-def]
    last = len(value) - 1
    wrong = [value[:last] + mark for mark in alphabet if mark != value[last]]

    assert check(value)
    assert not any(map(check, wrong))


@pytest.mark.parametrize(
    "value", ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000"]
)
def test_test_numbers_of_the_issuers_are_cards(value: str) -> None:
    assert is_card(value)


@pytest.mark.parametrize("value", ["0000000000000000", "4111111111111112", "1234567812345670", "9999999999999995"])
def test_numbers_of_nobody_are_no_cards(value: str) -> None:
    assert not is_card(value)


def test_a_birthday_must_exist() -> None:
    assert not is_cn_id("110105194902310023")


@pytest.mark.parametrize("digits", ["000121234", "666121234", "900121234", "123001234", "123120000"])
def test_reserved_social_security_numbers_are_refused(digits: str) -> None:
    assert not is_ssn(digits)
