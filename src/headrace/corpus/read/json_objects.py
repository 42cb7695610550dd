"""JSON lines as bytes: a compiled reader of the lines that most files are made of, which leaves all others to a parser.

A line is plain if it is one object with the text as a string at the top, other values that are strings without escapes,
small integers, true, false or null, and no key twice. Of a plain line everything is known. A loose line has a sound
text, and other values that only a parser can write as the JSON they mean. Whatever else a line is, damaged above all,
it is left whole for a parser. So this reader never says what is wrong with a line, and takes nothing for sound that a
parser would refuse: UTF-8, escapes and surrogates of what it copies are checked.

Every scan ends at a byte below 0x20, which the newline of every line is, and blocks end with `PADDING` of such.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.texts import Texts, read_only

Integers = npt.NDArray[np.int64]

STEP = 32
"""Bytes looked at and copied at once while they are plain ASCII."""
PADDING = b"\n" + bytes(STEP)

BLANK, PLAIN, LOOSE, CAREFUL = 0, 1, 2, 3
"""What a line is: nothing, all known, its text alone known, nothing known."""
KIND, BEGIN, END, TEXT_BEGIN, TEXT_END = range(5)
"""What is noted of a line; the text with its quotes is [TEXT_BEGIN, TEXT_END)."""
MOST_KEYS = 64
FAULT = -1

TAB, NEWLINE, RETURN, SPACE, QUOTE, COMMA, MINUS, ZERO, NINE, COLON = (
    0x09,
    0x0A,
    0x0D,
    0x20,
    0x22,
    0x2C,
    0x2D,
    48,
    57,
    58,
)
OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE = 0x5B, 0x5C, 0x5D, 0x7B, 0x7D
LAST_WIDE_SPACE = 0x3000
LONGEST_INTEGER = 18
"""Digits that always fit into 64 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The lines of a block: L of them."""

    block: bytes

    lines: Integers
    """(L, 5), indexed by KIND and so on."""
    texts: Texts
    """(L); without meaning for BLANK and CAREFUL lines."""
    metadata: Texts
    """(L) JSON objects; without meaning for LOOSE lines too."""

    @property
    def kinds(self) -> Integers:
        """(L) what each line is."""
        return self.lines[:, KIND]


def read_objects(block: bytes, key: bytes) -> Objects:
    """The lines of a block that ends with `PADDING`; `key`: the name of the text's field, as bytes."""
    assert block.endswith(PADDING), "scans end where it begins"
    data, size_bytes = read_only(np.frombuffer(block, np.uint8)), len(block) - len(PADDING)
    num_lines = block.count(b"\n", 0, size_bytes) + (size_bytes > 0 and not block.endswith(b"\n", 0, size_bytes))
    lines, ends = np.zeros((num_lines, 5), np.int64), np.zeros((num_lines + 1, 2), np.int64)
    text, metadata = np.empty(len(data) + STEP, np.uint8), np.empty(len(data) + STEP, np.uint8)
    keys = np.empty((MOST_KEYS, 2), np.int64)
    read_block(data, read_only(np.frombuffer(key, np.uint8)), text, metadata, lines, ends, keys)
    text_ends, metadata_ends = np.ascontiguousarray(ends.T)
    return Objects(block, lines, Texts(text, text_ends), Texts(metadata, metadata_ends))


def read_sample() -> None:
    """Reads a small line, for the sake of the kernels that get compiled by it."""
    read_objects(b'{"text":"some"}' + PADDING, b"text")


@inner_kernel
def utf8_size(data: np.ndarray, place: int) -> int:
    """Bytes of the character above 0x7F that begins at a place; 0 if it is none."""
    lead, second = data[place], data[place + 1]
    least, most = 0x80, 0xBF
    if lead < 0xC2 or lead > 0xF4:
        return 0
    if lead == 0xE0:
        least = 0xA0
    elif lead == 0xED:
        most = 0x9F
    elif lead == 0xF0:
        least = 0x90
    elif lead == 0xF4:
        most = 0x8F
    if second < least or second > most:
        return 0
    if lead < 0xE0:
        return 2
    if data[place + 2] & 0xC0 != 0x80:
        return 0
    if lead < 0xF0:
        return 3
    return 4 if data[place + 3] & 0xC0 == 0x80 else 0


@inner_kernel
def hex_number(data: np.ndarray, place: int) -> int:
    """The number that four hexadecimal digits are; FAULT if they are none."""
    number = 0
    for offset in range(4):
        byte = data[place + offset]
        if ZERO <= byte <= NINE:
            digit = byte - ZERO
        elif 0x41 <= (byte & 0xDF) <= 0x46:
            digit = (byte & 0xDF) - 0x37
        else:
            return FAULT
        number = number << 4 | digit
    return number


@inner_kernel
def write_character(code: int, out: np.ndarray, written: int) -> int:
    """Writes a code point as UTF-8; returns where it ends."""
    if code < 0x80:
        out[written] = code
        return written + 1
    size = 2 if code < 0x800 else (3 if code < 0x10000 else 4)
    for follower in range(size - 1, 0, -1):
        out[written + follower] = 0x80 | (code & 0x3F)
        code >>= 6
    out[written] = (0xF00 >> size) & 0xFF | code
    return written + size


@inner_kernel
def read_escape(data: np.ndarray, place: int) -> tuple[int, int]:
    """(the character that the escape at a place stands for, where it ends); FAULT for NUL and what is none."""
    letter = data[place + 1]
    if letter == 0x6E:
        return NEWLINE, place + 2
    if letter in (QUOTE, BACKSLASH, 0x2F):
        return letter, place + 2
    if letter == 0x74:
        return TAB, place + 2
    if letter == 0x72:
        return RETURN, place + 2
    if letter == 0x62:
        return 0x08, place + 2
    if letter == 0x66:
        return 0x0C, place + 2
    code = hex_number(data, place + 2) if letter == 0x75 else FAULT
    if code <= 0 or 0xDC00 <= code <= 0xDFFF:
        return FAULT, place
    if 0xD800 <= code <= 0xDBFF:
        low = hex_number(data, place + 8) if data[place + 6] == BACKSLASH and data[place + 7] == 0x75 else FAULT
        if low < 0xDC00 or low > 0xDFFF:
            return FAULT, place
        return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), place + 12
    return code, place + 6


@inner_kernel
def is_ink(lead: int, second: int) -> bool:
    """Whether a character above 0x7F is surely no white space, by its first two bytes."""
    return not (lead == 0xC2 or lead == 0xE1 or lead == 0xE2 or (lead == 0xE3 and second == 0x80))


@inner_kernel
def copy_plain(data: np.ndarray, place: int, out: np.ndarray, written: int) -> int:
    """Copies the ASCII characters from a place on that mean themselves in a string; returns how many there are.

    A step of them at a time, without branches: the smallest index of a byte that is none is found by vectors.
    """
    source, target, begin = np.uint64(place), np.uint64(written), np.uint64(place)
    while True:
        first = np.uint8(STEP)
        for index in range(STEP):
            byte = data[source + np.uint64(index)]
            out[target + np.uint64(index)] = byte
            is_plain = (byte >= SPACE) & (byte != QUOTE) & (byte != BACKSLASH) & (byte < 0x80)
            first = min(first, np.uint8(STEP) if is_plain else np.uint8(index))
        source, target = source + np.uint64(first), target + np.uint64(first)
        if first < STEP:
            return int(source - begin)


@inner_kernel
def has_ascii_ink(data: np.ndarray, place: int, size: int) -> bool:
    """Whether plain ASCII characters are not all spaces."""
    for index in range(place, place + size):  # noqa: SIM110 -- kernels have no generators
        if data[index] != SPACE:
            return True
    return False


@inner_kernel
def copy_ideographs(data: np.ndarray, place: int, out: np.ndarray, written: int) -> int:
    """Copies the ideographs (U+4000 to U+9FFF) from a place on; returns how many bytes they take."""
    source, target, begin = np.uint64(place), np.uint64(written), np.uint64(place)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    while True:
        lead, second, third = data[source], data[source + one], data[source + two]
        if lead < 0xE4 or lead > 0xE9 or (second & 0xC0) != 0x80 or (third & 0xC0) != 0x80:
            return int(source - begin)
        out[target], out[target + one], out[target + two] = lead, second, third
        source, target = source + three, target + three


@inner_kernel
def copy_string(data: np.ndarray, place: int, out: np.ndarray, written: int) -> tuple[int, int]:
    """Writes the string whose quote stands before a place; returns where it ends and where the writing does.

    FAULT for one that is no string, holds a NUL, or is perhaps blank.
    """
    has_ink = False
    while True:
        copied = copy_plain(data, place, out, written)
        has_ink = has_ink or has_ascii_ink(data, place, copied)
        place, written = place + copied, written + copied
        byte = data[place]
        if byte == QUOTE:
            return place + 1 if has_ink else FAULT, written
        if byte == BACKSLASH:
            code, place = read_escape(data, place)
            if code == FAULT:
                return FAULT, written
            has_ink |= SPACE < code < 0x80 or code > LAST_WIDE_SPACE
            written = write_character(code, out, written)
            continue
        if byte < SPACE:
            return FAULT, written
        copied = copy_ideographs(data, place, out, written)
        has_ink |= copied > 0
        place, written = place + copied, written + copied
        while data[place] >= 0x80:
            size = utf8_size(data, place)
            if size == 0:
                return FAULT, written
            has_ink |= is_ink(data[place], data[place + 1])
            for index in range(size):
                out[written + index] = data[place + index]
            place, written = place + size, written + size


@inner_kernel
def skip_string(data: np.ndarray, place: int) -> tuple[int, bool]:
    """(where the string whose quote stands before a place ends, whether it means itself); FAULT for none."""
    means_itself = True
    while True:
        byte = data[place]
        if byte == QUOTE:
            return place + 1, means_itself
        if byte < SPACE:
            return FAULT, False
        if byte == BACKSLASH:
            means_itself = False
            if data[place + 1] < SPACE:
                return FAULT, False
            place += 2
        elif byte < 0x80:
            place += 1
        else:
            size = utf8_size(data, place)
            if size == 0:
                return FAULT, False
            place += size


@inner_kernel
def skip_number(data: np.ndarray, place: int) -> tuple[int, bool]:
    """(where a number ends, whether it is one that is always written so); whether it is a number is not looked at."""
    begin = place + 1 if data[place] == MINUS else place
    place = begin
    while ZERO <= data[place] <= NINE:
        place += 1
    digits = place - begin
    is_small = 0 < digits <= LONGEST_INTEGER
    is_usual = is_small and (data[begin] != ZERO or (digits == 1 and data[begin - 1] != MINUS))
    byte = data[place]
    while ZERO <= byte <= NINE or byte == 0x2E or byte == 0x2B or byte == MINUS or (byte & 0xDF) == 0x45:
        is_usual = False
        place += 1
        byte = data[place]
    return place, is_usual


@inner_kernel
def skip_nested(data: np.ndarray, place: int) -> int:
    """Where a list or object ends, by its brackets; FAULT if it does not. What it holds is not looked at."""
    depth = 0
    while True:
        byte = data[place]
        place += 1
        if byte in (OPEN, OPEN_LIST):
            depth += 1
        elif byte in (CLOSE, CLOSE_LIST):
            depth -= 1
            if depth == 0:
                return place
        elif byte == QUOTE:
            place, _ = skip_string(data, place)
            if place == FAULT:
                return FAULT
        elif byte == NEWLINE or byte == 0:
            return FAULT


@inner_kernel
def skip_value(data: np.ndarray, place: int) -> tuple[int, bool]:
    """(where a value ends, whether it is written as a parser would write it); FAULT for none."""
    byte = data[place]
    if byte == QUOTE:
        return skip_string(data, place + 1)
    if byte == MINUS or ZERO <= byte <= NINE:
        return skip_number(data, place)
    if byte in (OPEN, OPEN_LIST):
        return skip_nested(data, place), False
    if byte == 0x74 and data[place + 1] == 0x72 and data[place + 2] == 0x75 and data[place + 3] == 0x65:
        return place + 4, True
    if byte == 0x6E and data[place + 1] == 0x75 and data[place + 2] == 0x6C and data[place + 3] == 0x6C:
        return place + 4, True
    if byte == 0x66 and data[place + 1] == 0x61 and data[place + 2] == 0x6C and data[place + 3] == 0x73:
        return (place + 5, True) if data[place + 4] == 0x65 else (FAULT, False)
    return FAULT, False


@inner_kernel
def skip_space(data: np.ndarray, place: int) -> int:
    """The first place from here on that is no white space within a line."""
    while data[place] == SPACE or data[place] == TAB or data[place] == RETURN:
        place += 1
    return place


@inner_kernel
def is_equal(data: np.ndarray, place: int, size: int, other: np.ndarray, begin: int) -> bool:
    """Whether the bytes from two places on are equal."""
    for index in range(size):  # noqa: SIM110 -- kernels have no generators
        if data[place + index] != other[begin + index]:
            return False
    return True


@inner_kernel
def is_repeated(data: np.ndarray, keys: np.ndarray, number: int) -> bool:
    """Whether the last of the keys is one of those before it."""
    begin, end = keys[number - 1, 0], keys[number - 1, 1]
    for other in range(number - 1):
        if keys[other, 1] - keys[other, 0] == end - begin and is_equal(data, begin, end - begin, data, keys[other, 0]):
            return True
    return False


@inner_kernel
def write_member(data: np.ndarray, key: tuple[int, int], value: tuple[int, int], out: np.ndarray, written: int) -> int:
    """Writes `"key":value,`; returns where it ends."""
    for place in range(key[0], key[1]):
        out[written] = data[place]
        written += 1
    out[written] = COLON
    written += 1
    for place in range(value[0], value[1]):
        out[written] = data[place]
        written += 1
    out[written] = COMMA
    return written + 1


@inner_kernel
def read_line(
    data: np.ndarray,
    key: np.ndarray,
    text: np.ndarray,
    metadata: np.ndarray,
    line: np.ndarray,
    ends: np.ndarray,
    keys: np.ndarray,
) -> int:
    """Reads the line that begins at line[BEGIN]; returns its kind. `ends`: where text and metadata end, moved on."""
    written, noted, number, is_plain = ends[0], ends[1] + 1, 0, True
    metadata[ends[1]] = OPEN
    place = skip_space(data, line[BEGIN])
    if data[place] == NEWLINE:
        return BLANK
    if data[place] != OPEN:
        return CAREFUL
    place += 1
    while True:
        begin = skip_space(data, place)
        if data[begin] != QUOTE:
            return CAREFUL
        end, means_itself = skip_string(data, begin + 1)
        if end == FAULT or not means_itself:
            return CAREFUL
        place = skip_space(data, end)
        if data[place] != COLON:
            return CAREFUL
        value = skip_space(data, place + 1)
        if end - begin - 2 == len(key) and is_equal(data, begin + 1, len(key), key, 0):
            if line[TEXT_END] or data[value] != QUOTE:
                return CAREFUL
            place, written = copy_string(data, value + 1, text, written)
            if place == FAULT:
                return CAREFUL
            line[TEXT_BEGIN], line[TEXT_END] = value, place
        else:
            place, is_usual = skip_value(data, value)
            if place == FAULT or number == MOST_KEYS:
                return CAREFUL
            keys[number, 0], keys[number, 1] = begin, end
            number += 1
            is_plain = is_plain and is_usual and not is_repeated(data, keys, number)
            noted = write_member(data, (begin, end), (value, place), metadata, noted)
        place = skip_space(data, place)
        if data[place] == COMMA:
            place += 1
            continue
        break
    if data[place] != CLOSE or data[skip_space(data, place + 1)] != NEWLINE or not line[TEXT_END]:
        return CAREFUL
    ends[0] = written
    if not is_plain:
        return LOOSE
    metadata[max(noted - 1, ends[1] + 1)] = CLOSE
    ends[1] = max(noted, ends[1] + 2)
    return PLAIN


@lean_kernel
def read_block(
    data: np.ndarray,
    key: np.ndarray,
    text: np.ndarray,
    metadata: np.ndarray,
    lines: np.ndarray,
    ends: np.ndarray,
    keys: np.ndarray,
) -> None:
    """Reads the lines of padded data. ends: int64 (L + 1, 2), of texts and of metadata, zeros; keys: room."""
    place = 0
    for index in range(len(lines)):
        line = lines[index]
        line[BEGIN] = place
        ends[index + 1, 0], ends[index + 1, 1] = ends[index, 0], ends[index, 1]
        line[KIND] = read_line(data, key, text, metadata, line, ends[index + 1], keys)
        if line[KIND] == PLAIN or line[KIND] == LOOSE:
            place = line[TEXT_END]
        while data[place] != NEWLINE:
            place += 1
        line[END] = place
        place += 1
