"""Copies are a function of seed, document and number; they change no more than asked and nothing protected."""

import json
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.corpus.rewrite.augment import augment, augment_document, method_of
from headrace.corpus.rewrite.config import AugmentConfig, Method
from headrace.corpus.rewrite.pieces import PROTECTED, split_pieces
from headrace.corpus.rewrite.tables import read_table
from headrace.errors import InputError, RecipeError

METHODS = get_args(Method)
ENGLISH = (
    "The big river runs quickly through the old town. People begin to cross it early, "
    "call <PHONE> or write to a@b.org by 2026! "
    "Nobody knows why the large stone bridge fell in 1987. Was it the water? "
    "The small boats still carry happy people across."
)
CHINESE = (
    "今天天气很好，我们去公园散步。他们高兴地问我找到了什么？电话是<PHONE>，一共3.5公里。大家都觉得这个地方非常美丽！"
)
SYNONYMS = {
    "big": ["large"],
    "quickly": ["fast", "rapidly"],
    "begin": ["start"],
    "高兴": ["愉快", "开心"],
    "美丽": ["漂亮"],
}
PHRASES = {
    "old town": ["historic centre", "ancient city"],
    "The small boats": ["Little boats"],
    "公园散步": ["公园走走"],
    "1987": ["1900"],
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tables")
    for name, table in (("synonyms", SYNONYMS), ("phrases", PHRASES)):
        (folder / name).write_text(json.dumps(table))
    return {name: str(folder / name) for name in ("synonyms", "phrases")}


def copies(text: str, language: str, config: AugmentConfig, number: int = 8) -> list[str]:
    return [augment(text, language=language, document_id="d", copy=copy, config=config) for copy in range(number)]


def words(text: str, language: str) -> Counter[str]:
    return Counter(piece.text for piece in split_pieces(text, language) if piece.is_word)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (CHINESE, "zh")], ids=["english", "chinese"])
def test_a_copy_changes_at_most_the_rate_and_nothing_protected(
    method: Method, text: str, language: str, tables: dict[str, str]
) -> None:
    config = AugmentConfig(methods=(method,), rate=0.4, seed=1, **tables)
    before = words(text, language)
    for changed in copies(text, language, config):
        after = words(changed, language)
        gone = sum((before - after).values())
        assert (
            language == "zh" or gone <= 0.4 * before.total()
        )  # Chinese is segmented anew, and may fall apart otherwise
        assert Counter(PROTECTED.findall(changed)) == Counter(PROTECTED.findall(text))


@pytest.mark.parametrize("method", METHODS)
def test_seeds_documents_and_numbers_make_the_difference_and_nothing_else_does(
    method: Method, tables: dict[str, str]
) -> None:
    config = AugmentConfig(methods=(method,), rate=0.5, seed=1, **tables)
    text = f"{ENGLISH} {ENGLISH} {ENGLISH}"

    assert copies(text, "en", config) == copies(text, "en", config)
    assert len(set(copies(text, "en", config))) > 1
    assert copies(text, "en", config) != copies(text, "en", config.model_copy(update={"seed": 2}))


def test_methods_take_turns_from_document_to_document_and_from_copy_to_copy() -> None:
    config = AugmentConfig(methods=("swap", "delete", "sentences"), seed=1)
    firsts = Counter(method_of(f"document {n}", 0, config) for n in range(300))

    assert set(firsts) == set(config.methods)
    assert min(firsts.values()) > 60
    assert {method_of("one", copy, config) for copy in range(3)} == set(config.methods)


@pytest.mark.parametrize("method", METHODS)
@given(text=st.text(max_size=40), language=st.sampled_from(["en", "zh"]), rate=st.floats(0.01, 0.5))
def test_any_text_survives(method: Method, text: str, language: str, rate: float, tables: dict[str, str]) -> None:
    config = AugmentConfig(methods=(method,), rate=rate, seed=1, **tables)
    text = text.encode("utf-8", "ignore").decode()
    changed = augment(text, language=language, document_id="d", copy=0, config=config)

    assert bool(changed.strip()) == bool(text.strip())


@given(st.text(max_size=60) | st.just(ENGLISH), st.sampled_from(["en", "zh"]))
def test_pieces_are_the_text(text: str, language: str) -> None:
    text = text.encode("utf-8", "ignore").decode()

    assert "".join(piece.text for piece in split_pieces(text, language)) == text


@pytest.mark.parametrize("text", ["", "word", "字", "12345", "<EMAIL>"])
@pytest.mark.parametrize("method", METHODS)
def test_a_text_too_short_to_change_stays(method: Method, text: str, tables: dict[str, str]) -> None:
    config = AugmentConfig(methods=(method,), rate=0.5, seed=1, **tables)

    assert augment(text, language="en", document_id="d", copy=0, config=config) == text


def test_sentences_change_places_and_stay_whole() -> None:
    text = "One is here. Two is there! Is three gone? Four came."
    changed = augment(
        text, language="en", document_id="d", copy=0, config=AugmentConfig(methods=("sentences",), rate=0.5, seed=1)
    )

    assert changed != text
    assert sorted(changed.split()) == sorted(text.split())


def test_copies_are_marked_and_differ(tables: dict[str, str]) -> None:
    config = AugmentConfig(methods=("swap", "delete"), copies=4, rate=0.3, seed=1, **tables)
    made = augment_document(ENGLISH, document_id="a/1", language="en", metadata='{"k":1}', split="train", config=config)

    assert [copy.id for copy in made] == ["a/1~0", "a/1~1", "a/1~2", "a/1~3"]
    assert len({ENGLISH, *(copy.text for copy in made)}) == 5
    assert json.loads(made[1].metadata) == {"k": 1, "augmented": {"method": "swap", "of": "a/1", "copy": 1}}


def test_a_copy_like_its_original_is_left_out() -> None:
    config = AugmentConfig(methods=("swap",), copies=3, seed=1)

    assert augment_document("one", document_id="d", language="en", metadata="", split="train", config=config) == []


def test_validation_documents_are_refused() -> None:
    config = AugmentConfig(methods=("swap",), seed=1)
    with pytest.raises(RecipeError, match='split "validation"'):
        augment_document(ENGLISH, document_id="d", language="en", metadata="", split="validation", config=config)


@pytest.mark.parametrize("method", ["synonyms", "phrases"])
def test_a_method_without_its_table_is_refused(method: Method) -> None:
    with pytest.raises(ValidationError, match="needs a table"):
        AugmentConfig(methods=(method,), seed=1)


def test_a_tree_gives_its_groups_of_synonyms(tmp_path: Path) -> None:
    tree = {
        "A": {
            "tag": "人",
            "sub": {"01=": ["人类", "全人类"], "02#": ["手", "脚"], "03@": ["头"], "04=": ["银行", "钱庄"]},
        }
    }
    (tmp_path / "tree.json").write_text(json.dumps(tree))

    assert read_table(str(tmp_path / "tree.json")) == {
        "人类": ("全人类",),
        "全人类": ("人类",),
        "银行": ("钱庄",),
        "钱庄": ("银行",),
    }


def test_wordnet_gives_words_of_the_first_sense(tmp_path: Path) -> None:
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"index.{part}").write_text("  1 licence\n")
        (tmp_path / f"data.{part}").write_text("  1 licence\n")
    (tmp_path / "index.noun").write_text("  1 licence\ncar n 2 0 2 1 00000010 00000020  \nauto n 1 0 1 0 00000010  \n")
    (tmp_path / "data.noun").write_text(
        "  1 licence\n00000010 06 n 03 car 0 auto 0 motor_car 0 000 | a\n00000020 06 n 02 car 0 wagon 0 000 | b\n"
    )

    assert read_table(str(tmp_path)) == {"car": ("auto",), "auto": ("car",)}


@pytest.mark.parametrize("content", ["no json", "{}", "[]"])
def test_a_table_without_words_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "table.json").write_text(content)
    with pytest.raises(InputError, match=r"table\.json"):
        read_table(str(tmp_path / "table.json"))
