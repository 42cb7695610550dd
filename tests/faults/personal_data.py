"""Personal data of twenty sorts made up by seed, the sentences they stand in, and numbers that only look alike.

Check digits are worked out here anew: nothing is shared with the code that is tested.
"""

import base64
import ipaddress
import itertools
import random
import string
from collections.abc import Callable, Iterator

Random = random.Random
DIGITS, CAPITALS, LETTERS = string.digits, string.ascii_uppercase, string.ascii_letters
USCC_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
REGIONS = "110101 310104 440305 330106 510107 420111 650102 540102 120101 230103 350203 610113".split()
WORDS = "river stone market garden window paper silver winter morning letter teacher village music".split()
NAMES = "li.wei wang_fang zhang3 j.smith mary-jane o.brien chen88 anna.k liuyang2020 bob".split()


def some(generator: Random, alphabet: str, number: int) -> str:
    return "".join(generator.choices(alphabet, k=number))


def with_luhn(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        double = int(digit) * (2 if place % 2 == 0 else 1)
        total += double - 9 if double > 9 else double
    return digits + str(-total % 10)


def email(generator: Random) -> str:
    domain = generator.choice(
        ["example.com", "mail.example.org", "qq.com", "163.com", "pku.edu.cn", "foo-bar.co.uk", "a.io"]
    )
    return f"{generator.choice(NAMES)}{generator.choice(['', some(generator, DIGITS, 3), '+news'])}@{domain}"


def cn_mobile(generator: Random) -> str:
    return "1" + generator.choice("3456789") + some(generator, DIGITS, 9)


def cn_landline(generator: Random) -> str:
    area, length = generator.choice([("010", 8), ("021", 8), ("0571", 8), ("0755", 8), ("0891", 7), ("0452", 7)])
    return f"{area}-{generator.choice('2345678')}{some(generator, DIGITS, length - 1)}"


def us_phone(generator: Random) -> str:
    area, exchange = (
        generator.choice("23456789") + some(generator, "023456789", 1) + some(generator, DIGITS, 1) for _ in "ab"
    )
    line = some(generator, DIGITS, 4)
    return generator.choice(["{}-{}-{}", "({}) {}-{}", "+1 {} {} {}", "+1{}{}{}", "1-{}-{}-{}"]).format(
        area, exchange, line
    )


def world_phone(generator: Random) -> str:
    form = generator.choice(
        ["+44 20 #### ####", "+49 30 ########", "+33 # ## ## ## ##", "+81-3-####-####", "+852 2### ####"]
    )
    return "".join(some(generator, "123456789", 1) if mark == "#" else mark for mark in form)


def public_ip(generator: Random) -> str:
    while True:
        address = ipaddress.IPv4Address(generator.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address)


def public_ip_v6(generator: Random) -> str:
    groups = [f"{generator.getrandbits(16):x}" for _ in range(5)]
    return generator.choice(["2400:3200:{}:{}:{}:{}:{}:1", "2a03:{}::{}:{}", "2606:4700::{}"]).format(*groups)


def cn_id(generator: Random) -> str:
    date = f"{generator.randint(1940, 2015)}{generator.randint(1, 12):02}{generator.randint(1, 28):02}"
    body = generator.choice(REGIONS) + date + some(generator, DIGITS, 3)
    return body + "10X98765432"[sum(2 ** (17 - place) * int(digit) for place, digit in enumerate(body)) % 11]


def union_pay(generator: Random) -> str:
    return with_luhn("62" + some(generator, DIGITS, generator.choice([13, 16])))


def visa_or_mastercard(generator: Random) -> str:
    return with_luhn(
        generator.choice(["4" + some(generator, DIGITS, 2), f"5{generator.randint(1, 5)}7"])
        + some(generator, DIGITS, 12)
    )


def uscc(generator: Random) -> str:
    body = generator.choice(["91", "92", "12", "51"]) + generator.choice(REGIONS) + some(generator, USCC_LETTERS, 9)
    total = sum(USCC_LETTERS.index(mark) * pow(3, place, 31) for place, mark in enumerate(body))
    return body + USCC_LETTERS[(31 - total % 31) % 31]


def iban(generator: Random) -> str:
    country, body = generator.choice(
        [("DE", "#" * 18), ("GB", "AAAA" + "#" * 14), ("FR", "#" * 23), ("NL", "AAAA" + "#" * 10)]
    )
    body = "".join(some(generator, DIGITS if mark == "#" else CAPITALS, 1) for mark in body)
    number = int("".join(str(int(mark, 36)) for mark in body + country + "00"))
    return f"{country}{98 - number % 97:02}{body}"


def passport(generator: Random) -> str:
    return generator.choice(["E#", "G#", f"E{generator.choice('ABCDEFGHJK')}"]).replace(
        "#", generator.choice(DIGITS)
    ) + some(generator, DIGITS, 7)


def plate(generator: Random) -> str:
    province, letter = generator.choice("京沪粤浙苏川鄂湘鲁冀"), generator.choice("ABCDEFGH")
    tail = generator.choice(
        [
            some(generator, DIGITS, 5),
            f"{generator.choice('ABCD')}{some(generator, DIGITS, 4)}",
            "D" + some(generator, DIGITS, 5),
        ]
    )
    return province + letter + tail


def ssn(generator: Random) -> str:
    area = generator.choice([*range(1, 666), *range(667, 900)])
    return f"{area:03}-{generator.randint(1, 99):02}-{generator.randint(1, 9999):04}"


def mac(generator: Random) -> str:
    return ":".join(f"{generator.getrandbits(8):02X}" for _ in range(6))


def api_key(generator: Random) -> str:
    alphanumeric = LETTERS + DIGITS
    return generator.choice(
        [
            "AKIA" + some(generator, CAPITALS + "234567", 16),
            "ghp_" + some(generator, alphanumeric, 36),
            "sk-" + some(generator, alphanumeric, 48),
            "AIza" + some(generator, alphanumeric, 35),
            f"xoxb-{some(generator, DIGITS, 12)}-{some(generator, alphanumeric, 24)}",
            ".".join("eyJ" + some(generator, alphanumeric, length) for length in (30, 60, 40)),
        ]
    )


def private_key(generator: Random) -> str:
    body = base64.b64encode(generator.randbytes(200)).decode()
    lines = "\n".join(body[place : place + 64] for place in range(0, len(body), 64))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----"


def secret(generator: Random) -> str:
    return some(generator, "abcdef" + DIGITS, 16) + "0a1b2c3d" + some(generator, DIGITS, 8)


def qq(generator: Random) -> str:
    return generator.choice("123456789") + some(generator, DIGITS, generator.randint(5, 9))


KINDS: dict[str, Callable[[Random], str]] = {
    "email": email,
    "cn_mobile": cn_mobile,
    "cn_landline": cn_landline,
    "us_phone": us_phone,
    "world_phone": world_phone,
    "ip_v4": public_ip,
    "ip_v6": public_ip_v6,
    "cn_id": cn_id,
    "union_pay": union_pay,
    "visa_or_mastercard": visa_or_mastercard,
    "uscc": uscc,
    "iban": iban,
    "passport": passport,
    "plate": plate,
    "ssn": ssn,
    "mac": mac,
    "api_key": api_key,
    "private_key": private_key,
    "secret": secret,
    "qq": qq,
}
LABELS = {
    "secret": {"english": "api_key = ", "chinese": "密钥：", "mixed": "请设置secret_key="},
    "qq": {"english": "my QQ: ", "chinese": "加我QQ", "mixed": "请加QQ号:"},
}
TEMPLATES = {
    "english": [
        "Please contact {} before noon.",
        "It was {}, she said.",
        "the record ({}) was lost",
        "{}",
        "value: {}\nnext line",
    ],
    "chinese": ["请联系{}谢谢", "他的号码是{}，请记下。", "登记为{}的用户", "资料：{}。", "「{}」已经登记"],
    "mixed": [
        "用户John的info是{}请check",
        "Note：{}，thanks谢谢",
        "see我{}的details",
        "Beijing北京{}号office",
        "记录：{} (new)",
    ],
}


def sentence(generator: Random, kind: str, language: str, value: str) -> str:
    return generator.choice(TEMPLATES[language]).format(LABELS.get(kind, {}).get(language, "") + value)


def full_width(value: str) -> str:
    return "".join(chr(ord(mark) + 0xFEE0) if "!" <= mark <= "~" else mark for mark in value)


def grouped(kind: str, value: str, mark: str) -> str:
    """As people write it in groups, where they do; otherwise as it was."""
    sizes = {
        "cn_mobile": (3, 4, 4),
        "cn_id": (6, 8, 4),
        "union_pay": (4,) * 5,
        "visa_or_mastercard": (4,) * 4,
        "iban": (4,) * 9,
        "uscc": (4, 4, 4, 4, 2),
    }.get(kind)
    if kind in ("cn_landline", "us_phone", "world_phone") and "(" not in value:
        return value.replace("-", mark).replace(" ", mark)
    if kind == "mac":
        return value.replace(":", "-")
    if sizes is None:
        return value
    ends = [sum(sizes[:count]) for count in range(len(sizes) + 1)]
    return mark.join(filter(None, (value[begin:end] for begin, end in itertools.pairwise(ends))))


FORMS: dict[str, Callable[[str, str], str]] = {
    "plain": lambda kind, value: value,
    "full width": lambda kind, value: full_width(value),
    "spaced": lambda kind, value: grouped(kind, value, " "),
    "hyphenated": lambda kind, value: grouped(kind, value, "-"),
}


def look_alikes(generator: Random, number: int) -> Iterator[tuple[str, str]]:
    """(name, text): numbers and words that are nobody's, alone and in sentences of both languages."""
    makers = list(LOOK_ALIKES.items())
    for count in range(number):
        name, maker = makers[count % len(makers)]
        yield (
            name,
            generator.choice(["see {} there", "{}", "这是{}的内容", "，{}。", "x ({}) y", "表{}中"]).format(
                maker(generator)
            ),
        )


def wrong_luhn(generator: Random) -> str:
    value = with_luhn(generator.choice(["4", "62", "52"]) + some(generator, DIGITS, 13))
    return value[:-1] + str((int(value[-1]) + generator.randint(1, 9)) % 10)


def wrong_id(generator: Random) -> str:
    value = cn_id(generator)
    return value[:-1] + generator.choice([mark for mark in "0123456789X" if mark != value[-1]])


def hexadecimal(length: int) -> Callable[[Random], str]:
    return lambda generator: some(generator, "0123456789abcdef", length)


def uuid(generator: Random) -> str:
    return "-".join(some(generator, "0123456789abcdef", length) for length in (8, 4, 4, 4, 12))


def isbn(generator: Random) -> str:
    group = some(generator, DIGITS, 9)
    return generator.choice(
        [f"978-7-{group[:3]}-{group[3:8]}-{group[8]}", f"ISBN 978{group}0", f"ISBN 7-{group[:3]}-{group[3:8]}-X"]
    )


def date_or_time(generator: Random) -> str:
    year, month, day = generator.randint(1900, 2030), generator.randint(1, 12), generator.randint(1, 28)
    hour, minute, second = generator.randint(0, 23), generator.randint(0, 59), generator.randint(0, 59)
    return generator.choice(
        [
            f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}",
            f"{year}{month:02}{day:02}",
            f"{year}{month:02}{day:02}{hour:02}{minute:02}{second:02}",
            f"{day:02}/{month:02}/{year}",
            f"{year}年{month}月{day}日",
            f"{year}-{year + 5}",
            f"{hour:02}:{minute:02}:{second:02}.{some(generator, DIGITS, 6)}",
            f"{year}.{month:02}.{day:02} {hour:02}.{minute:02}",
        ]
    )


def decimal(generator: Random) -> str:
    return generator.choice(
        [
            f"{generator.uniform(-180, 180):.7f}, {generator.uniform(-90, 90):.7f}",
            f"{generator.uniform(0, 10):.12f}",
            f"{generator.randint(10**6, 10**10):,}",
            f"{generator.uniform(0, 1):.3e}",
            f"{generator.randint(1, 9)}.{some(generator, DIGITS, 15)}",
        ]
    )


def code(generator: Random) -> str:
    word, number = generator.choice(WORDS), generator.randint(2, 9)
    return generator.choice(
        [
            f"{word}[{number}:{number + 9}] = std::vector<{word}>({some(generator, DIGITS, 7)});",
            f"token = next_{word}(stream{number})",
            f"@{word}.setter",
            f"password = get_{word}('user{number}')",
            f"{word}@{number}.{number}.1",
            f"a[{number}]={some(generator, DIGITS, 6)};b={word}::{word}",
            f"0x{some(generator, '0123456789abcdef', 16)}",
            f"img/{word}@2x.png",
            f"{word} = {some(generator, DIGITS, 9)} + {some(generator, DIGITS, 4)}",
            f"from {word} import key{number}; key={word}",
            f"key = {word}_{number}.secret",
            f"#{generator.randint(1000, 99999)}",
        ]
    )


LOOK_ALIKES: dict[str, Callable[[Random], str]] = {
    "order number": lambda generator: generator.choice(
        ["order no. {}", "订单号：{}", "Order #{}", "单号{}", "invoice {}"]
    ).format(some(generator, DIGITS, generator.choice([8, 10, 11, 12, 16, 18]))),
    "bare number": lambda generator: some(generator, DIGITS, generator.choice([6, 7, 8, 9, 10, 12, 14, 20, 24])),
    "MD5": hexadecimal(32),
    "SHA-1": hexadecimal(40),
    "SHA-256": hexadecimal(64),
    "short commit": hexadecimal(8),
    "version": lambda generator: "{}{}.{}.{}.{}".format(
        generator.choice(["v", "version ", "版本", "Chrome/"]), *(generator.randint(0, 200) for _ in range(4))
    ),
    "section": lambda generator: ".".join(str(generator.randint(1, 20)) for _ in range(generator.randint(3, 6))),
    "ISBN": isbn,
    "date": date_or_time,
    "decimal": decimal,
    "code": code,
    "UUID": uuid,
    "colour": lambda generator: "#" + some(generator, "0123456789abcdef", 6),
    "timestamp": lambda generator: (
        some(generator, "1", 1) + "7" + some(generator, DIGITS, generator.choice([8, 11, 14, 17]))
    ),
    "part number": lambda generator: (
        f"{some(generator, CAPITALS, 3)}-{some(generator, DIGITS, 5)}-{some(generator, DIGITS, 4)}"
    ),
    "wrong Luhn": wrong_luhn,
    "wrong identity": wrong_id,
    "phone in a longer number": lambda generator: (
        some(generator, DIGITS, 4) + cn_mobile(generator) + some(generator, DIGITS, 3)
    ),
    "private address": lambda generator: f"192.168.{generator.randint(0, 255)}.{generator.randint(0, 255)}",
    "range": lambda generator: "{}-{}, {}-{}".format(*(generator.randint(100, 9999) for _ in range(4))),
    "measure": lambda generator: (
        f"{generator.randint(100, 9999)} x {generator.randint(100, 9999)} x {generator.randint(10, 99)} mm"
    ),
}
