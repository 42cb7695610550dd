"""What programs broke is mended; what people wrote stays, and costs nothing."""

import ftfy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.corpus.rewrite.repair import narrow_texts, num_changed, repair_text, repair_texts
from headrace.corpus.rewrite.suspicion import suspects
from headrace.corpus.texts import Texts

CLEAN = ["“Quoted” — plain…", "他说：“好，ＡＢＣ！”", "naïve café", "a\tb\nc", "R&D and AT&T", "می‌خواهم", "👨‍👩‍👧", ""]


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("cafÃ© â€” rÃ©sumÃ©", "café — résumé"),
        ("ä¸­æ–‡ is Chinese", "中文 is Chinese"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("a\x00b\x1b[31mred", "abred"),
        ("zero\u200bwidth\ufeff so\u00adft \u202eright", "zerowidth soft right"),
        ("line\r\nline\u2028line", "line\nline\nline"),
        ("ﬁne", "fine"),
    ],
)
def test_what_was_broken_is_mended(broken: str, mended: str) -> None:
    texts, changed = repair_texts(Texts.from_strings(["clean", broken]))

    assert list(texts) == ["clean", mended]
    assert changed[0] == 0
    assert changed[1] > 0


@pytest.mark.parametrize("text", CLEAN)
def test_clean_text_is_no_suspect_and_stays(text: str) -> None:
    texts = Texts.from_strings([text])

    assert not suspects(texts).any()
    assert repair_texts(texts)[0] is texts
    assert repair_text(text) == text


PARTS = st.sampled_from(
    [*CLEAN, "Ã©", "â€œ", "&#39;", "\u200b", "\x85", "\r", "中文".encode().decode("latin-1"), "é", "ç"]
)


@given(st.lists(PARTS | st.text(max_size=5), max_size=8).map("".join))
@example("Ã\u200b©")
def test_repairing_twice_changes_nothing_more(text: str) -> None:
    once = repair_text(text)

    assert repair_text(once) == once


@pytest.mark.parametrize("encoding", ["latin-1", "sloppy-windows-1252"])
@given(text=st.text(st.characters(min_codepoint=0xA1, max_codepoint=0x24F), min_size=1, max_size=6))
def test_wrongly_decoded_text_that_would_be_mended_is_a_suspect(encoding: str, text: str) -> None:
    broken = "word " + text.encode().decode(encoding, "ignore") + " word"
    if ftfy.fix_encoding(broken) != broken:
        assert suspects(Texts.from_strings([broken])).all()


def test_full_width_letters_become_ordinary_and_punctuation_stays() -> None:
    assert list(narrow_texts(Texts.from_strings(["ＡＢ１２，！", "plain"]))) == ["AB12，！", "plain"]


def test_changes_are_counted_wherever_they_stand() -> None:
    assert num_changed("abc", "abc") == 0
    assert num_changed("aXbYc", "abc") == 2
    assert num_changed("ab", "ba") == 1
