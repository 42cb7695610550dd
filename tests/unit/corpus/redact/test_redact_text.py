"""One example of each rule: what is taken, what is left, and what stands there afterwards."""

import numpy as np
import pytest
from pydantic import ValidationError

from headrace.corpus.redact import KINDS, RedactConfig
from headrace.corpus.redact.redaction import redact_text, redact_texts
from headrace.corpus.texts import Texts

CONFIG = RedactConfig()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("邮箱li.wei@example.com，手机13800138000。", "邮箱<EMAIL>，手机<PHONE>。"),
        ("电话（０１０）１２３４５６７８转801", "电话<PHONE>"),
        ("call (415) 555-2671 or +44 20 7946 0958", "call <PHONE> or <PHONE>"),
        ("tel 555-2671", "tel <PHONE>"),
        ("身份证11010519491231002X。", "身份证<CN_ID>。"),
        ("身份证：110105491231002", "身份证：<CN_ID>"),
        ("card 4111-1111-1111-1111 x", "card <BANK_CARD> x"),
        ("IBAN GB82 WEST 1234 5698 7654 32 BIC COBADEFF", "IBAN <IBAN> BIC COBADEFF"),
        ("代码91350100M000100Y43", "代码<USCC>"),
        ("server 8.8.8.8:53 和2400:3200::1", "server <IP>:53 和<IP>"),
        ("MAC:00:1a:2b:3c:4d:5e", "MAC:<MAC>"),
        ("ssn 123-45-6789", "ssn <SSN>"),
        ("护照E12345678", "护照<PASSPORT>"),
        ("京A12345和粤B·D12345的", "<PLATE>和<PLATE>的"),
        ('password = "hunter22"', 'password = "<SECRET>"'),
        ("密码：abc123456，QQ：12345678，微信号wang_wei88", "密码：<SECRET>，QQ：<MESSENGER>，微信号<MESSENGER>"),
        ("https://u:p4ss@host.com/a", "https://<URL_PASSWORD>@host.com/a"),
        ("key AKIAIOSFODNN7EXAMPLE.", "key <API_KEY>."),
        ("bob @ example . com 和", "<EMAIL> 和"),
    ],
)
def test_a_value_gives_way_to_its_placeholder(text: str, redacted: str) -> None:
    assert redact_text(text, CONFIG).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "order no. 13800138000",
        "订单号：13800138000",
        "kernel.shmmax=17179869184",
        "version 10.20.30.40",
        "34.5.1.2. Processing",
        "192.168.1.1",
        "token = next_token(stream2)",
        "4111 1111 1111 1112",
        "110105194912310021",
        "std::vector<int> a::b",
        "logo@2x.png",
        "@property",
        "WeChat is available",
        "0.13800138000",
        "20138001380001",
        "123e4567-e89b-12d3-a456-426614174000",
        "978-7-302-12345-6",
        "call:\n\n00000000",
    ],
)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert redact_text(text, CONFIG).text == text


def test_of_overlapping_finds_the_kind_that_stands_first_is_taken() -> None:
    found = redact_text("ftp://bob:x@mail.example.com", CONFIG).found

    assert [value.kind for value in found] == ["url_password"]


def test_redacting_twice_changes_nothing_more() -> None:
    text = "li@example.com 13800138000 密码：abc123456 https://u:p4ss@host.com 8.8.8.8"
    once = redact_text(text, CONFIG).text

    assert redact_text(once, CONFIG).text == once


def test_places_are_characters_of_the_given_text() -> None:
    text = "电话：１３８００１３８０００，邮箱a@b.org"

    assert [text[value.begin : value.end] for value in redact_text(text, CONFIG).found] == [
        "１３８００１３８０００",
        "a@b.org",
    ]


def test_a_batch_is_redacted_and_counted_text_by_text() -> None:
    texts = Texts.from_strings(["", "a@b.org a@c.org", "clean", "8.8.8.8", ""])
    redacted, counts = redact_texts(texts, CONFIG)

    assert list(redacted) == ["", "<EMAIL> <EMAIL>", "clean", "<IP>", ""]
    assert counts["email"].tolist() == [0, 2, 0, 0, 0]
    assert counts["ip"].tolist() == [0, 0, 0, 1, 0]
    assert set(counts) == set(KINDS)
    assert all(count.dtype == np.int32 for count in counts.values())


def test_a_batch_without_finds_is_the_batch_itself() -> None:
    texts = Texts.from_strings(["clean", "干净"])

    assert redact_texts(texts, CONFIG)[0] is texts


def test_a_view_of_some_rows_is_redacted_alone() -> None:
    texts = Texts.from_strings(["x@y.org", "clean", "z@y.org", "end"])
    redacted, _ = redact_texts(Texts(texts.data, texts.offsets[1:4]), CONFIG)

    assert list(redacted) == ["clean", "<EMAIL>"]


def test_only_the_named_kinds_go() -> None:
    assert redact_text("a@b.org 8.8.8.8", RedactConfig(kinds=("ip",))).text == "a@b.org <IP>"


def test_pseudonyms_are_the_same_for_the_same_value_and_seed() -> None:
    config = RedactConfig(placeholder="[{kind}:{pseudonym}]", seed=1)
    first, again, other = redact_text("a@b.org a@b.org c@b.org", config).text.split()

    assert first == again != other
    assert first.startswith("[email:")
    assert redact_text("a@b.org", RedactConfig(placeholder="[{kind}:{pseudonym}]", seed=2)).text != first


def test_private_addresses_go_on_request() -> None:
    assert redact_text("192.168.100.1", RedactConfig(private_addresses=True)).text == "<IP>"


@pytest.mark.parametrize("given", [{"placeholder": "{pseudonym}"}, {"seed": 1}, {"kinds": ()}, {"kinds": ("name",)}])
def test_settings_that_cannot_apply_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RedactConfig(**given)
