"""Vocabularies of other programs: the ids of the program that each file was made for, or one clear sentence."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from small_road import write_texts
from small_tokenizers import TEXTS
from tiktoken_ext import openai_public
from tokenizers import Tokenizer

from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.tokens.byte_level import to_bytes
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.encoder import Encoder
from headrace.tokens.formats import files_of, read_vocabulary
from headrace.tokens.formats.gguf import CUTS
from headrace.tokens.formats.tiktoken import KNOWN
from headrace.tokens.training import train_vocabulary

END = "<|endoftext|>"
TRICKY_TEXT = st.text(st.sampled_from("aBsS'll tdrRvVeE19٣½ \t\r\n\u00a0\u3000水ʰ\u0301ſ/;.'Dž\x00"), max_size=40)
ENCODINGS = {"gpt2": "r50k_base", "cl100k": "cl100k_base", "o200k": "o200k_base"}


def trained(pattern: str = "gpt2", digits: str = "as_is") -> Tokenizer:
    config = VocabularyConfig.model_validate({"train": 500, "pattern": pattern, "digits": digits})
    return train_vocabulary([Texts.from_strings([*write_texts(300, seed=8), *TEXTS.values()])], config)


def plain_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    tokenizer.encode_special_tokens = True
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.fixture(scope="module")
def ranks() -> dict[bytes, int]:
    """Bytes and merged tokens, numbered from 0 as tiktoken does."""
    tokens = trained().get_vocab(with_added_tokens=False)
    return {to_bytes(token): number - 1 for token, number in tokens.items() if token != END}


def write_ranks(path: Path, ranks: dict[bytes, int]) -> Path:
    path.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items()))
    return path


@pytest.fixture(scope="module")
def pair_of(ranks: dict[bytes, int], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[object, ...]]:
    """tiktoken's own encoding, ours of the same file, and the encoder of ours."""
    made = {}

    def make(pattern: str) -> tuple[object, ...]:
        if pattern not in made:
            folder = tmp_path_factory.mktemp("ranks")
            path = write_ranks(folder / "small.tiktoken", ranks)
            source = getattr(openai_public, ENCODINGS[pattern])
            theirs = tiktoken.Encoding(
                "small", pat_str=pattern_of(source), mergeable_ranks=ranks, special_tokens={END: len(ranks)}
            )
            ours = read_vocabulary(path, pattern=pattern)  # type: ignore[arg-type]
            ours.save(str(folder / "tokenizer.json"))
            made[pattern] = (theirs, ours, Encoder(folder / "tokenizer.json"))
        return made[pattern]

    return make


def pattern_of(source: Callable[[], dict[str, object]]) -> str:
    """The expression in tiktoken's own table, without the ranks that it would fetch."""
    given = source.__globals__["load_tiktoken_bpe"]
    source.__globals__["load_tiktoken_bpe"] = lambda *_, **__: {}
    try:
        return str(source()["pat_str"])
    finally:
        source.__globals__["load_tiktoken_bpe"] = given


@pytest.mark.parametrize("pattern", ENCODINGS)
@given(
    text=st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
    | TRICKY_TEXT
    | st.sampled_from([*TEXTS.values()])
)
@settings(max_examples=75)
def test_ranks_give_the_ids_of_tiktoken(pattern: str, text: str, pair_of: Callable[[str], tuple[object, ...]]) -> None:
    theirs, ours, encoder = pair_of(pattern)
    wanted = theirs.encode_ordinary(text)  # type: ignore[attr-defined]

    assert plain_ids(ours, text) == wanted  # type: ignore[arg-type]
    assert encoder.encode(Texts.from_strings([text])).ids[:-1].tolist() == wanted  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", KNOWN)
def test_known_names_have_the_special_tokens_of_tiktoken(name: str) -> None:
    source = getattr(openai_public, name)
    globals_ = source.__globals__
    kept = {key: globals_[key] for key in ("load_tiktoken_bpe", "data_gym_to_mergeable_bpe_ranks")}
    globals_.update(dict.fromkeys(kept, lambda *_, **__: {}))
    try:
        assert source()["special_tokens"] == KNOWN[name].special
    finally:
        globals_.update(kept)


def test_a_token_that_no_merge_reaches_is_still_found_whole(tmp_path: Path, ranks: dict[bytes, int]) -> None:
    path = write_ranks(tmp_path / "odd.tiktoken", {**ranks, b"zqxj": len(ranks)})
    theirs = tiktoken.Encoding(
        "odd",
        pat_str=r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
        mergeable_ranks={**ranks, b"zqxj": len(ranks)},
        special_tokens={},
    )

    ours = read_vocabulary(path, pattern="gpt2")

    assert plain_ids(ours, "zqxj") == theirs.encode_ordinary("zqxj") == [len(ranks)]
    assert plain_ids(ours, "zqxja") == theirs.encode_ordinary("zqxja")


def write_pair(folder: Path, tokenizer: Tokenizer, names: tuple[str, str]) -> None:
    model = json.loads(tokenizer.to_str())["model"]
    (folder / names[0]).write_text(json.dumps(model["vocab"]), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in model["merges"])]
    (folder / names[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("names", [("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")])
def test_two_files_of_gpt2_are_one_tokenizer_by_any_of_their_names(names: tuple[str, str], tmp_path: Path) -> None:
    original = trained()
    write_pair(tmp_path, original, names)

    for path in (tmp_path, tmp_path / names[0], tmp_path / names[1]):
        found = read_vocabulary(path)
        assert found.get_vocab() == original.get_vocab()
        assert [plain_ids(found, text) for text in TEXTS.values()] == [
            plain_ids(original, text) for text in TEXTS.values()
        ]


def write_gguf(path: Path, tokenizer: Tokenizer, *, cut: str, model: str = "gpt2") -> Path:
    described = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(described["vocab"], key=described["vocab"].__getitem__)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(cut)
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token == END else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in described["merges"]])
    writer.add_float32("general.some.number", 0.5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("cut", CUTS)
def test_a_gguf_header_holds_a_tokenizer(cut: str, tmp_path: Path) -> None:
    original = trained(*CUTS[cut])
    found = read_vocabulary(write_gguf(tmp_path / "model.gguf", original, cut=cut))

    assert found.get_vocab() == original.get_vocab()
    assert found.encode(f"a{END}").ids[-1] == original.token_to_id(END)
    assert [plain_ids(found, text) for text in TEXTS.values()] == [plain_ids(original, text) for text in TEXTS.values()]


def test_a_folder_with_a_tokenizer_json_is_that(tmp_path: Path) -> None:
    trained().save(str(tmp_path / "tokenizer.json"))

    assert files_of(tmp_path) == [tmp_path / "tokenizer.json"]
    assert read_vocabulary(tmp_path).to_str() == trained().to_str()


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, ranks: dict[bytes, int]) -> None:
    write_ranks(tmp_path / "mine.tiktoken", ranks)
    write_ranks(tmp_path / "few.tiktoken", {b"a": 0})
    write_ranks(tmp_path / "r50k_base.tiktoken", {**ranks, b"zzz": 50256})
    (tmp_path / "bad.tiktoken").write_bytes(b"YQ== 0\nno line\n")
    (tmp_path / "empty.gguf").write_bytes(b"")
    (tmp_path / "other.gguf").write_bytes(b"GGML" + bytes(100))
    whole = write_gguf(tmp_path / "whole.gguf", trained(), cut="gpt-2").read_bytes()
    (tmp_path / "short.gguf").write_bytes(whole[: len(whole) // 2])
    write_gguf(tmp_path / "spm.gguf", trained(), cut="default", model="llama")
    write_gguf(tmp_path / "unknown.gguf", trained(), cut="default")
    pair = tmp_path / "pair"
    pair.mkdir()
    (pair / "encoder.json").write_text('{"a": "b"}')
    (pair / "vocab.bpe").write_text("a b\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "vocab.json").write_text('{"a": 0, "b": 1}')
    (other / "merges.txt").write_text("a b\n")

    for name, complaint in {
        "mine.tiktoken": "does not say how text is cut.*Add `pattern: gpt2`",
        "few.tiktoken": "not a whole vocabulary: the byte 0 has no rank",
        "r50k_base.tiktoken": "50256 is a special token there",
        "bad.tiktoken": "line 2 is not a token in base64",
        "empty.gguf": "not a whole GGUF file",
        "other.gguf": "first bytes are not those of GGUF",
        "short.gguf": "ends within its header",
        "spm.gguf": "of the kind 'llama'; only byte-level BPE",
        "unknown.gguf": "cuts text as 'default', which is not known",
        "pair": "a token's number is no number",
        "other": "'a b' makes no token of vocab.json",
        "missing.json": "no such file",
        "": "holds no tokenizer.json",
    }.items():
        with pytest.raises(InputError, match=complaint):
            read_vocabulary(tmp_path / name)
    with pytest.raises(InputError, match="says itself how text is cut; leave `pattern` out"):
        read_vocabulary(tmp_path / "whole.gguf", pattern="gpt2")
