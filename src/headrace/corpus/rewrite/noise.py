"""Slips of fingers and of scanners: which characters are taken for which."""

_KEYBOARD_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, tuple[str, ...]]:
    """For each letter those that touch its key on a QWERTY keyboard, whose rows are shifted by half a key."""
    places = {
        letter: (row, column) for row, letters in enumerate(_KEYBOARD_ROWS) for column, letter in enumerate(letters)
    }
    near = ((0, -1), (0, 1), (-1, 0), (-1, 1), (1, -1), (1, 0))
    letters = {place: letter for letter, place in places.items()}
    return {
        letter: tuple(
            letters[row + down, column + right] for down, right in near if (row + down, column + right) in letters
        )
        for letter, (row, column) in places.items()
    }


def _groups(text: str) -> dict[str, tuple[str, ...]]:
    """ "ab cde": a and b are taken for each other, and so are c, d and e."""
    return {sign: tuple(other for other in group if other != sign) for group in text.split() for sign in group}


KEYBOARD = _neighbours()

LOOK_ALIKE = _groups(
    "Il OQ ce hb uv nr ft gq "
    "己已巳 未末 土士 日曰 人入八 大太犬 天夫 千干于 牛午 木本术 田由甲申 刀力 贝见 今令 问间 鸟乌 折拆析 侯候 辨辩 "
    "戊戌戍 住往 晴睛 很狠 拔拨 免兔 话活 代伐 受爱 名各 处外 万方 王玉主 白自 目且 毋母 找我 进近 休体 冶治 幕慕 师帅 "
    "兵乒 仑仓 沦沧 "
)
"""Characters that print alike: usual confusions of scanned Latin text, and school lists of Chinese characters."""
