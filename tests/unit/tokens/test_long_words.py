"""A document without a single space, as base64, minified code or DNA are."""

import time

from headrace.corpus.texts import Texts
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.training import train_vocabulary

PROSE = "the river that turns the wheel is cold and the miller waits for it to rise " * 50


def test_a_word_of_a_million_signs_costs_seconds_and_not_hours() -> None:
    start = time.process_time()
    tokenizer = train_vocabulary([Texts.from_strings([PROSE, "xyzzy" * 200_000])], VocabularyConfig(train=290))

    assert tokenizer.decode(tokenizer.encode("xyzzy the river", add_special_tokens=False).ids) == "xyzzy the river"
    assert time.process_time() - start < 20
