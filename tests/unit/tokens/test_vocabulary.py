"""The vocabulary: of the wanted size, reversible, the same every time, refused when it cannot be used."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_road import END, VOCABULARY_SIZE, MakeRoad, Road, write_texts
from tokenizers import Tokenizer, models

from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.tokens import TokenStore, load_vocabulary
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.training import train_vocabulary
from headrace.tokens.vocabulary import num_ids

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)))
TRICKY_TEXT = st.text(st.sampled_from("a 水🙂\u200d👩\x00\x1b\r\n\t\u00a0\u3000\ue000\U0010ffffé'<|>"))


@pytest.mark.parametrize("size", [257, 300, 400])
def test_a_vocabulary_has_exactly_the_wanted_size(size: int) -> None:
    tokenizer = train_vocabulary([Texts.from_strings(write_texts(200, seed=3))], VocabularyConfig(train=size))

    assert tokenizer.get_vocab_size() == size
    assert sorted(tokenizer.get_vocab().values()) == list(range(size))


@given(text=ANY_TEXT | TRICKY_TEXT)
def test_decoding_gives_back_any_text(text: str, road: Road) -> None:
    tokenizer = load_vocabulary(road.tokenizer_path)
    tokenizer.encode_special_tokens = True

    ids = tokenizer.encode(text, add_special_tokens=False).ids

    assert tokenizer.decode(ids) == text
    assert END not in ids


def test_the_summary_tells_size_and_end(road: Road) -> None:
    assert road.vocabulary.summary == {"tokens": VOCABULARY_SIZE, "end_of_document": END}


def test_a_size_the_text_cannot_support_is_refused_and_the_supported_one_works(make_road: MakeRoad) -> None:
    with pytest.raises(InputError, match=r"5,000 tokens wanted.*supports only (\d+)") as error:
        make_road(vocabulary=VocabularyConfig(train=5_000))
    supported = int(str(error.value).split("supports only ")[1].split(".")[0].replace(",", ""))

    assert make_road(vocabulary=VocabularyConfig(train=supported)).vocabulary.summary["tokens"] == supported


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a readable tokenizer.json"),
        (b"{", "not a readable tokenizer.json"),
        (b'{"model": 7}', "not a readable tokenizer.json"),
        (b"\x80\x04\x95", "not a readable tokenizer.json"),
        (Tokenizer(models.BPE()).to_str().encode(), r"no token '<\|endoftext\|>'"),
    ],
)
def test_an_unusable_file_is_refused_by_name(
    content: bytes, complaint: str, make_road: MakeRoad, tmp_path: Path
) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)

    with pytest.raises(InputError, match=rf"broken\.json: {complaint}"):
        make_road(vocabulary=VocabularyConfig(file=path))
    with pytest.raises(InputError, match="missing"):
        make_road(vocabulary=VocabularyConfig(file=tmp_path / "missing.json"))


def test_a_file_is_used_as_it_is(road: Road, make_road: MakeRoad) -> None:
    again = make_road(vocabulary=VocabularyConfig(file=road.tokenizer_path))

    assert orjson.loads(again.tokenizer_path.read_bytes()) == orjson.loads(road.tokenizer_path.read_bytes())
    assert again.tokens.summary == road.tokens.summary


TRAIN = """
    import hashlib, sys
    from headrace.corpus.texts import Texts
    from headrace.tokens.config import VocabularyConfig
    from headrace.tokens.training import train_vocabulary
    texts = Texts.from_strings(sys.stdin.read().split("|"))
    print(hashlib.sha256(train_vocabulary([texts], VocabularyConfig(train=400)).to_str().encode()).hexdigest())
"""


def test_another_process_with_other_threads_and_hash_seed_trains_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = write_texts(200, seed=3)
    trained = train_vocabulary([Texts.from_strings(texts)], VocabularyConfig(train=400))
    here = hashlib.sha256(trained.to_str().encode()).hexdigest()

    for threads, hash_seed in (("1", "1"), ("4", "2")):
        monkeypatch.setenv("RAYON_NUM_THREADS", threads)
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        code = "\n".join(line.strip() for line in TRAIN.splitlines())
        there = subprocess.run([sys.executable, "-c", code], input="|".join(texts), capture_output=True, text=True)
        assert there.stdout.strip() == here, there.stderr


def with_special(*names: str) -> Tokenizer:
    """A small tokenizer with some special tokens behind its others."""
    tokenizer = train_vocabulary(
        [Texts.from_strings(write_texts(200, seed=3))], VocabularyConfig(train=300, end_of_document=names[0])
    )
    tokenizer.add_special_tokens(list(names[1:]))
    return tokenizer


@pytest.mark.parametrize(
    ("special", "settings", "end"),
    [
        (["</s>"], {}, "</s>"),
        (["<|im_end|>", "<|end_of_text|>"], {}, "<|end_of_text|>"),
        (["<|im_end|>", "<|end_of_text|>"], {"end_of_document": "<|im_end|>"}, "<|im_end|>"),
        (["<stop>"], {"end_of_document": "<stop>"}, "<stop>"),
        (["</s>"], {"end_of_document": "<new>", "special_tokens": ["<new>"]}, "<new>"),
    ],
)
def test_the_end_of_documents_is_found_or_chosen(
    special: list[str], settings: dict[str, Any], end: str, make_road: MakeRoad, tmp_path: Path
) -> None:
    path = tmp_path / "other.json"
    with_special(*special).save(str(path))

    made = make_road(vocabulary=VocabularyConfig.model_validate({"file": path, **settings}))

    tokenizer = load_vocabulary(made.tokenizer_path)
    number = tokenizer.token_to_id(end)
    assert made.vocabulary.summary == {"tokens": num_ids(tokenizer), "end_of_document": number}
    store = TokenStore(made.tokens, "train")
    assert all(store.document(index)[-1] == number for index in range(store.num_documents))
    assert tokenizer.encode("a").ids[0] == number


def test_an_end_that_nobody_has_is_refused(make_road: MakeRoad, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    with_special("<stop>").save(str(path))

    with pytest.raises(
        InputError, match=r"other\.json: no token '<\|endoftext\|>', nor another.*end_of_document: TOKEN"
    ):
        make_road(vocabulary=VocabularyConfig(file=path))
    with pytest.raises(InputError, match=r"other\.json has no token '<end>'.*special_tokens"):
        make_road(vocabulary=VocabularyConfig(file=path, end_of_document="<end>"))


def test_ids_that_are_left_out_count_in_the_size(make_road: MakeRoad, tmp_path: Path) -> None:
    described = orjson.loads(with_special("</s>").to_str())
    described["model"]["vocab"]["far"] = 70_000
    (tmp_path / "gap.json").write_bytes(orjson.dumps(described))

    made = make_road(vocabulary=VocabularyConfig(file=tmp_path / "gap.json"))

    assert made.vocabulary.summary["tokens"] == 70_001
    assert TokenStore(made.tokens, "train").document(0).dtype == np.int32
