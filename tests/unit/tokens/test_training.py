"""Training: the words and merges of Hugging Face's trainer, for every pattern, digit rule and kind of text."""

from collections import Counter

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_road import write_texts
from small_tokenizers import TEXTS
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.tokens.byte_level import ALPHABET, to_signs
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.patterns import Digits, PatternName, splitter
from headrace.tokens.training import train_vocabulary
from headrace.tokens.word_counts import WordCounts

WAYS: list[tuple[PatternName, Digits]] = [
    (pattern, digits) for pattern in ("gpt2", "cl100k", "o200k") for digits in ("as_is", "single", "groups_of_3")
]
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
TRICKY_TEXT = st.text(st.sampled_from("aBsS'll tdrRvVeE19٣½ \t\r\n\u00a0\u3000水ʰ\u0301ſ/;.'Dž\x00"), max_size=40)
REPEATING_TEXT = st.text(st.sampled_from("ab "), max_size=200)


def counted(texts: list[str], pattern: PatternName, digits: Digits) -> dict[str, int]:
    words = WordCounts(pattern, digits)
    for text in texts:
        words.add(Texts.from_strings([text]))
    found, offsets = words.words, words.words.offsets
    return {
        to_signs(found.data[offsets[index] : offsets[index + 1]].tobytes()): int(words.counts[index])
        for index in range(words.num_words)
    }


@pytest.mark.parametrize(("pattern", "digits"), WAYS)
@given(texts=st.lists(ANY_TEXT | TRICKY_TEXT, max_size=4))
@settings(max_examples=60)
def test_words_are_those_of_the_expression(pattern: PatternName, digits: Digits, texts: list[str]) -> None:
    way = splitter(pattern, digits)

    assert counted(texts, pattern, digits) == Counter(
        word for text in texts if text for word, _ in way.pre_tokenize_str(text)
    )


@pytest.mark.parametrize(("pattern", "digits"), WAYS)
def test_words_of_troublesome_texts_too(pattern: PatternName, digits: Digits) -> None:
    texts = [first + second for first in TEXTS.values() for second in ("", "\n", " 7", "'S", "\u3000水")]
    way = splitter(pattern, digits)

    assert counted(texts, pattern, digits) == Counter(
        word for text in texts if text for word, _ in way.pre_tokenize_str(text)
    )


def test_every_code_point_belongs_to_its_class() -> None:
    numbers = [*range(0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x110000, 61)]
    points = [chr(number) for number in numbers if number < 0x3400 or number % 7 == 0 or number >= 0xA000]
    text = "".join(f"a{point}1" for point in points)

    for pattern in ("gpt2", "o200k"):
        assert counted([text], pattern, "as_is") == Counter(
            word for word, _ in splitter(pattern, "as_is").pre_tokenize_str(text)
        )


def trained_by_tokenizers(texts: list[str], config: VocabularyConfig) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splitter(config.pattern or "gpt2", config.digits or "as_is")
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.train,
        special_tokens=config.trained_special_tokens,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([texts], trainer)
    return tokenizer


def assert_same_as_tokenizers(texts: list[str], config: VocabularyConfig) -> None:
    theirs = trained_by_tokenizers(texts, config)
    size = theirs.get_vocab_size()
    ours = train_vocabulary([Texts.from_strings(texts)], config.model_copy(update={"train": size}))

    assert orjson.loads(ours.to_str()) == orjson.loads(theirs.to_str())


@given(texts=st.lists(ANY_TEXT | TRICKY_TEXT | REPEATING_TEXT, min_size=1, max_size=12))
@settings(max_examples=75)
def test_the_tokenizer_is_that_of_the_other_trainer_to_the_last_byte(texts: list[str]) -> None:
    assert_same_as_tokenizers(texts, VocabularyConfig(train=600))


@pytest.mark.parametrize(("pattern", "digits"), WAYS)
def test_for_every_pattern_too(pattern: PatternName, digits: Digits) -> None:
    config = VocabularyConfig(
        train=700, pattern=pattern, digits=digits, special_tokens=("<|user|>", "<|end|>"), end_of_document="<|end|>"
    )

    assert_same_as_tokenizers([*write_texts(300, seed=6), *TEXTS.values()], config)


def test_the_order_of_texts_does_not_matter() -> None:
    texts, config = [*write_texts(300, seed=6), *TEXTS.values()], VocabularyConfig(train=600)

    forward = train_vocabulary([Texts.from_strings(texts)], config)
    backward = train_vocabulary([Texts.from_strings([text]) for text in reversed(texts)], config)

    assert forward.to_str() == backward.to_str()


def test_special_tokens_have_the_first_ids_and_no_text_becomes_one() -> None:
    config = VocabularyConfig(train=300, special_tokens=("<|user|>", "<|pad|>"))

    tokenizer = train_vocabulary([Texts.from_strings(write_texts(100, seed=1))], config)

    assert [tokenizer.id_to_token(number) for number in range(4)] == [
        "<|endoftext|>",
        "<|user|>",
        "<|pad|>",
        ALPHABET[0],
    ]
    tokenizer.encode_special_tokens = True
    assert min(tokenizer.encode("a <|user|> b").ids) >= 3


def test_a_special_token_that_is_a_word_is_refused() -> None:
    with pytest.raises(InputError, match="'mill' is also a word of the text"):
        train_vocabulary([Texts.from_strings(["mill"] * 9)], VocabularyConfig(train=261, special_tokens=("mill",)))
