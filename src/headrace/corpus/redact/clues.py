"""What single bytes and their neighbours tell: kernels that the walk over a text asks.

The text is data[low:high], and none looks further than the text.
"""

import numpy as np

from headrace.corpus.kernel import kernel

Byte = np.uint8 | int

DIGITS, AT, ADDRESS, KEY, LABEL, PLATE = 1, 2, 4, 8, 16, 32
"""Trigger bits: enough digits; an at sign; an IP or MAC address; the prefix of a key; a label; a number plate."""

_LONGEST_PRIVATE_KEY = 17_000
_SHORTEST_KEY = 16
_NEAR = 24
_LONGEST_SECRET = 512
_FEWEST_FULL_WIDTH = 5
_CHINESE_LABELS = np.array([list(character.encode()) for character in "码碼令牌钥鑰是为為"], np.uint8)
"""Last characters of the Chinese words for password, token and key, and of "is" after them."""


@kernel
def is_digit(byte: Byte) -> bool:
    """Whether it is one of 0 to 9."""
    return bool(48 <= byte <= 57)


@kernel
def is_alphanumeric(byte: Byte) -> bool:
    """Whether it is an ASCII letter or digit."""
    return bool(48 <= byte <= 57 or 97 <= byte | 32 <= 122)


@kernel
def is_hexadecimal(byte: Byte) -> bool:
    """Whether it is a hexadecimal digit."""
    return bool(48 <= byte <= 57 or 97 <= byte | 32 <= 102)


@kernel
def starts_with(data: np.ndarray, position: int, high: int, text: bytes) -> bool:
    """Whether these bytes stand here, capital letters counting as small ones where `text` has small ones."""
    if position < 0 or position + len(text) > high:
        return False
    for place in range(len(text)):
        byte = data[position + place]
        if byte != text[place] and not (97 <= text[place] <= 122 and byte | 32 == text[place]):
            return False
    return True


@kernel
def separator_width(data: np.ndarray, position: int, high: int) -> int:
    """Bytes of the space, hyphen, point, bracket or slash here, in any width; 0 if there is none."""
    byte = data[position]
    if byte == 32 or byte == 45 or byte == 46 or byte == 40 or byte == 41 or byte == 47:
        return 1
    if byte == 0xC2 and position + 1 < high and data[position + 1] == 0xA0:
        return 2
    if byte < 0xE2 or position + 2 >= high:
        return 0
    second, third = data[position + 1], data[position + 2]
    is_general = byte == 0xE2 and second == 0x80 and 0x80 <= third <= 0x95
    is_wide = (byte == 0xE3 and second == 0x80 and third == 0x80) or (
        byte == 0xEF and second == 0xBC and 0x88 <= third <= 0x8F
    )
    return 3 if is_general or is_wide else 0


@kernel
def next_group(data: np.ndarray, position: int, high: int) -> int:
    """Where digits go on after at most two separators; -1 if they do not."""
    for _ in range(3):
        if position >= high:
            return -1
        if is_digit(data[position]):
            return position
        width = separator_width(data, position, high)
        if width == 0:
            return -1
        position += width
    return -1


@kernel
def address_bits(data: np.ndarray, position: int, low: int, high: int) -> int:
    """ADDRESS at the first colon of an IPv6 address or at the first mark of a MAC address."""
    mark = data[position]
    if mark == 61:
        return 0
    if mark == 58:
        is_double = position + 2 < high and data[position + 1] == 58 and is_hexadecimal(data[position + 2])
        return ADDRESS if is_double or count_hexadecimal_groups(data, position, high) >= 5 else 0
    step = 5 if mark == 46 else 3
    if position + step >= high or data[position + step] != mark:
        return 0
    last = position + (1 if mark == 46 else 4) * step
    if last + step > high or position - step + 1 < low or data[last] != mark:
        return 0
    for place in range(position - step + 1, last + step):
        if (place - position) % step and not is_hexadecimal(data[place]):
            return 0
    return ADDRESS


@kernel
def count_hexadecimal_groups(data: np.ndarray, position: int, high: int) -> int:
    """How many groups of hexadecimal digits follow, each after one colon; an empty group (::) counts as five."""
    groups = 0
    while position < high and data[position] == 58 and groups < 5:
        begin = position + 1
        position = begin
        while position < high and is_hexadecimal(data[position]):
            position += 1
        if position == begin:
            return 5 if groups and position < high and data[position] == 58 else groups
        groups += 1
    return groups


@kernel
def digit_cluster(data: np.ndarray, position: int, low: int, high: int) -> tuple[int, int]:
    """(bits, end) of groups of digits with separators between: what is too short or looks like a date has no bits.

    `shape` writes the groups' lengths as decimal digits: 2026-11-22 is 422.
    """
    start, total, longest, octets, shape, end = position, 0, 0, 0, 0, position
    has_address = False
    while position >= 0:
        begin = position
        while position < high and is_digit(data[position]):
            position += 1
        length = position - begin
        is_octet = length <= 3 and begin > start and data[begin - 1] == 46 and begin - end == 1
        octets = octets + 1 if is_octet else int(length <= 3)
        has_address |= octets == 4
        total, longest, end = total + length, max(longest, length), position
        shape = shape * 10 + min(length, 9) if shape < 10**9 else shape
        if position < high and (data[position] == 45 or data[position] == 46):
            has_address |= address_bits(data, position, low, high) != 0
        position = next_group(data, position, high)
    touches_letter = (start > low and is_alphanumeric(data[start - 1])) or (end < high and is_alphanumeric(data[end]))
    is_marked = start > low and (data[start - 1] == 43 or (start - 1 > low and data[start - 2] == 43))
    bits = ADDRESS if has_address else 0
    if total >= 7 and (longest >= 4 or touches_letter or is_marked) and not is_time(data, start, shape):
        bits |= DIGITS
    return bits, end


@kernel
def is_time(data: np.ndarray, start: int, shape: int) -> bool:
    """Whether groups of digits are a date, a date with a time, a span of years, or a decimal number."""
    century = (data[start] - 48) * 10 + data[start + 1] - 48
    if 19 <= century <= 20 and (shape == 422 or shape == 4222 or shape == 42222 or shape == 422222 or shape == 44):
        return True
    return shape == 224 or (shape // 10 <= 3 and shape % 10 >= 5 and data[start + shape // 10] == 46 and shape > 10)


@kernel
def at_bits(data: np.ndarray, position: int, low: int, high: int) -> int:
    """AT where something stands on both sides of an at sign, a space or bracket aside."""
    if position - 1 < low or position + 1 >= high or (data[position - 1] <= 32 and position - 2 < low):
        return 0
    before = data[position - 2] if data[position - 1] == 32 else data[position - 1]
    after = data[min(position + 2, high - 1)] if data[position + 1] == 32 else data[position + 1]
    is_joined = before > 32 and before != 40 and before != 44 and after > 32
    return AT if is_joined and (data[position - 1] != 32 or data[position + 1] == 32) else 0


@kernel
def is_key_prefix(data: np.ndarray, position: int, low: int, high: int) -> bool:
    """Whether the rare character here is within a known prefix, at the beginning of a token that is long enough.

    Each prefix is looked for at its rarest character: few words have a capital J, nearly all an s.
    """
    if position + _SHORTEST_KEY > high:
        return False
    byte = data[position]
    if byte == 95:
        length = length_before_underscore(data, position, position - low)
    elif byte == 45:
        length = length_before_hyphen(data, position, position - low)
    elif byte == 46:
        length = length_before_point(data, position, position - low)
    elif byte == 74:  # eyJ
        length = 2 if position - low >= 2 and data[position - 2] == 101 and data[position - 1] == 121 else -1
    else:
        length = 0 if is_cloud_prefix(data[position + 1], data[position + 2], data[position + 3]) else -1
    if length < 0:
        return False
    start = position - length
    return (start == low or not is_alphanumeric(data[start - 1])) and has_long_token(data, position)


@kernel
def length_before_underscore(data: np.ndarray, position: int, reach: int) -> int:
    """Letters before the underscore of ghp_, github_pat_, sk_, rk_, hf_, npm_; -1 if it is none of them."""
    last = data[position - 1] if reach >= 2 else 0
    before = data[position - 2] if reach >= 2 else 0
    if (last == 107 and (before == 115 or before == 114)) or (last == 102 and before == 104):
        return 2
    if reach >= 3 and ((data[position - 3] == 103 and before == 104) or (data[position - 3] == 110 and last == 109)):
        return 3
    return 6 if reach >= 6 and data[position - 6] == 103 and last == 98 else -1


@kernel
def length_before_hyphen(data: np.ndarray, position: int, reach: int) -> int:
    """Letters before the hyphen of sk-, xoxb-, glpat-; -1 if it is none of them."""
    if reach >= 2 and data[position - 1] == 107 and data[position - 2] == 115:
        return 2
    if reach >= 4 and data[position - 2] == 120 and data[position - 3] == 111 and data[position - 4] == 120:
        return 4
    return (
        5
        if reach >= 5 and data[position - 1] == 116 and data[position - 5] == 103 and data[position - 3] == 112
        else -1
    )


@kernel
def length_before_point(data: np.ndarray, position: int, reach: int) -> int:
    """Letters before the point of ya29. and of hooks.slack.com; -1 if it is none of them."""
    if reach >= 4 and data[position - 1] == 57 and data[position - 4] == 121:
        return 4
    return 5 if reach >= 5 and data[position - 2] == 107 and data[position - 5] == 104 else -1


@kernel
def is_cloud_prefix(second: Byte, third: Byte, fourth: Byte) -> bool:
    """Whether these go on from A to one of AKIA, ASIA, ABIA, ACCA, AIza."""
    is_amazon = (second == 75 or second == 83 or second == 66) and third == 73 and fourth == 65
    return (
        is_amazon or (second == 67 and third == 67 and fourth == 65) or (second == 73 and third == 122 and fourth == 97)
    )


@kernel
def has_long_token(data: np.ndarray, position: int) -> bool:
    """Whether letters, digits and marks of keys stand here without a gap, a digit or capital among them."""
    has_mixture = False
    for place in range(position, position + _SHORTEST_KEY):
        byte = data[place]
        if not (is_alphanumeric(byte) or byte == 45 or byte == 95 or byte == 46 or byte == 47):
            return False
        has_mixture |= is_digit(byte) or 65 <= byte <= 90
    return has_mixture


@kernel
def is_messenger(data: np.ndarray, position: int, low: int, high: int) -> bool:
    """Whether the rare character here is within the name of a messenger and a digit or letter follows near by."""
    byte = data[position]
    if byte == 0xAE:
        named = starts_with(data, max(low, position - 2), high, b"\xe5\xbe\xae\xe4\xbf\xa1")
    elif byte == 0xA3:
        named = starts_with(data, max(low, position - 2), high, b"\xe6\x89\xa3\xe6\x89\xa3")
    elif byte | 32 == 120:  # x
        named = (
            starts_with(data, max(low, position - 3), high, b"weixin")
            or starts_with(data, max(low, position - 1), high, b"wx")
            or starts_with(data, max(low, position - 1), high, b"vx")
        )
    elif byte | 32 == 118:  # v
        named = starts_with(data, position, high, b"v\xe4\xbf\xa1")
    else:
        named = starts_with(data, position, high, b"qq") or is_wechat(data, position, high)
    if not named:
        return False
    accounts = 0
    for place in range(position + 2, min(high, position + _NEAR)):
        accounts += is_alphanumeric(data[place])
    return accounts > 0


@kernel
def is_wechat(data: np.ndarray, position: int, high: int) -> bool:
    """Whether the name of WeChat stands here in letters."""
    return starts_with(data, position, high, b"wechat") or starts_with(data, position, high, b"we-chat")


@kernel
def is_plate(data: np.ndarray, position: int, low: int, high: int) -> bool:
    """Whether a capital stands behind a Chinese character, and three digits follow near by."""
    if position - 3 < low or data[position - 1] < 128 or not 65 <= data[position] <= 90:
        return False
    digits = 0
    for place in range(position + 1, min(high, position + 12)):
        digits += is_digit(data[place])
    return digits >= 3


@kernel
def is_secret_label(data: np.ndarray, position: int, low: int, high: int) -> bool:
    """Whether the word before a colon or equals sign is one for a secret, and a digit follows before the next space.

    Only the word's last letters are looked at.
    """
    place = position - 1
    while place > low + 2 and place > position - 4 and not is_alphanumeric(data[place]) and data[place] < 128:
        place -= 1
    if place < low + 2:
        return False
    if data[place] < 128:
        return ends_secret_word(data[place - 2] | 32, data[place - 1] | 32, data[place] | 32) and leads_to_digit(
            data, position, high
        )
    for row in range(len(_CHINESE_LABELS)):
        word = _CHINESE_LABELS[row]
        if data[place - 2] == word[0] and data[place - 1] == word[1] and data[place] == word[2]:
            return leads_to_digit(data, position, high)
    return False


@kernel
def ends_secret_word(first: Byte, second: Byte, third: Byte) -> bool:
    """Whether these small letters end password, passwd, pwd, secret, token, key or passphrase."""
    if third == 100:
        return second == 114 or second == 119
    if first == 107 and second == 101:
        return third == 110 or third == 121
    return (first == 114 and second == 101 and third == 116) or (first == 97 and second == 115 and third == 101)


@kernel
def leads_to_digit(data: np.ndarray, position: int, high: int) -> bool:
    """Whether a digit, of any width, stands before the next space but for those right here."""
    started = False
    for place in range(position + 1, min(high, position + _LONGEST_SECRET)):
        byte = data[place]
        if is_digit(byte) or byte == 0xEF:
            return True
        if byte <= 32 and started:
            return False
        started |= is_alphanumeric(byte)
    return False


@kernel
def private_key_end(data: np.ndarray, position: int, high: int) -> int:
    """Where the private key ends that begins with these hyphens; 0 if none does."""
    if position + 5 >= high or data[position + 5] != 66 or not starts_with(data, position, high, b"-----BEGIN "):
        return 0
    for place in range(position + 11, min(high, position + _LONGEST_PRIVATE_KEY)):
        if data[place] == 45 and starts_with(data, place, high, b"-----END "):
            return place + 9
    return min(high, position + _LONGEST_PRIVATE_KEY)


@kernel
def full_width_run(data: np.ndarray, position: int, low: int, high: int) -> tuple[int, int]:
    """(bits, end) of full-width characters with plain separators between: all bits if letters or digits are enough.

    A single one can still be the colon of a label or an at sign.
    """
    start, alphanumeric = position, 0
    if data[position + 1] == 0xBC and data[position + 2] < 0x90:  # a comma or bracket, as in every Chinese sentence
        return 0, position + 3
    if data[position + 1] == 0xBC and data[position + 2] == 0xA0:
        return AT, position + 3
    while position + 2 < high:
        if data[position] == 0xEF and (data[position + 1] == 0xBC or data[position + 1] == 0xBD):
            code = (data[position + 1] - 0xBC) * 64 + data[position + 2] - 0x80
            alphanumeric += 16 <= code <= 25 or 33 <= code <= 58 or 65 <= code <= 90
            position += 3
        elif position > start and (data[position] == 32 or data[position] == 45 or data[position] == 46):
            position += 1
        else:
            break
    if alphanumeric >= _FEWEST_FULL_WIDTH:
        return DIGITS | AT | ADDRESS | KEY | LABEL | PLATE, position
    is_label = data[start + 2] == 0x9A and is_secret_label(data, start, low, high)
    return LABEL if is_label else 0, start + 3
