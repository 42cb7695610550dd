"""Encoding: the ids of Hugging Face `tokenizers` for any text, a lineage row per document, nothing done twice."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_road import END, ROW_TOKENS, MakeRoad, Road, write_texts
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from headrace.errors import InputError
from headrace.store import Artefact, Workspace
from headrace.tokens import TokenStore, encode_corpus, load_vocabulary
from headrace.tokens.encode import Encoder

TEXTS = {
    "empty": "",
    "looks like the end": "before <|endoftext|> after<|endoftext|>",
    "only the end": "<|endoftext|>",
    "very long": "the mill and the river " * 4_000,
    "one very long word": "mill" * 5_000,
    "very long Chinese": "水轮慢转河流入海" * 2_000,
    "only spaces": " " * 3_000,
    "carriage returns": "a\r\nb\r\n\r\n\r c\n\n\n",
    "tabs": "\t\t a\tb \t",
    "zero width": "\u200ba\u200d\u200c\ufeffb\u2060",
    "private use": "\ue000\uf8ff\U000f0000\U0010fffd",
    "control": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "families": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇨🇳",
    "combining": "e\u0301 n\u0303 \u0301\u0301",
    "wide spaces": "\u00a0a\u3000水\u2003 b\u2028\u2029",
    "apostrophes": "I'll they'RE 'tis d'd ''s can't",
    "digits": "1234567890 3.14 ١٢٣ Ⅷ ½",
    "right to left": "שלום مرحبا",
}


@pytest.fixture(scope="module")
def encoder(road: Road) -> Encoder:
    return Encoder(road.tokenizer_path)


def expected_ids(path: Path, text: str) -> list[int]:
    tokenizer = load_vocabulary(path)
    tokenizer.encode_special_tokens = True
    return tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", TEXTS)
def test_ids_are_those_of_tokenizers(name: str, encoder: Encoder, road: Road) -> None:
    ids, lengths = encoder.encode([TEXTS[name]])

    assert ids.tolist() == [*expected_ids(road.tokenizer_path, TEXTS[name]), END]
    assert lengths.tolist() == [len(ids)]


@given(texts=st.lists(st.text(st.characters(exclude_categories=("Cs",))), max_size=5))
def test_ids_of_a_batch_are_those_of_its_texts_each_with_an_end(texts: list[str], encoder: Encoder, road: Road) -> None:
    ids, lengths = encoder.encode(texts)

    assert ids.tolist() == [token for text in texts for token in [*expected_ids(road.tokenizer_path, text), END]]
    assert np.flatnonzero(ids == END).tolist() == (np.cumsum(lengths) - 1).tolist()


def test_a_vocabulary_with_a_normalizer_is_encoded_alike(tmp_path: Path) -> None:
    path = save_tokenizer(tmp_path, models.BPE(), normalizer=normalizers.NFC())

    ids, _ = Encoder(path).encode(list(TEXTS.values()))

    assert ids.tolist() == [token for text in TEXTS.values() for token in [*expected_ids(path, text), END]]


@pytest.mark.parametrize(
    ("model", "splitter", "complaint"),
    [
        (models.BPE(dropout=0.5), pre_tokenizers.ByteLevel(add_prefix_space=False), "would not be those"),
        (models.BPE(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), "would not be those"),
        (models.BPE(), pre_tokenizers.Split(Regex("[aeiou]+"), "isolated"), "Unknown pre_tokenizer"),
        (models.BPE(), pre_tokenizers.Metaspace(), "Unsupported pre_tokenizer"),
    ],
)
def test_a_tokenizer_that_would_be_encoded_otherwise_is_refused(
    model: models.Model, splitter: pre_tokenizers.PreTokenizer, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"tokenizer\.json: .*{complaint}.*byte-level BPE"):
        Encoder(save_tokenizer(tmp_path, model, splitter=splitter))


def save_tokenizer(
    folder: Path,
    model: models.Model,
    *,
    splitter: pre_tokenizers.PreTokenizer | None = None,
    normalizer: normalizers.Normalizer | None = None,
) -> Path:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = splitter or pre_tokenizers.ByteLevel(add_prefix_space=False)
    if normalizer:
        tokenizer.normalizer = normalizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*write_texts(200, seed=4), "of the of the of the"], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_document_is_found_with_its_ids_and_its_lineage(split: str, road: Road) -> None:
    store = TokenStore(road.tokens, split)
    texts = road.texts(split)

    assert store.num_documents == len(texts)
    for number, text in enumerate(texts):
        assert store.document(number).tolist() == [*expected_ids(road.tokenizer_path, text), END]
    assert store.lineage.size_bytes.tolist() == [len(text.encode()) for text in texts]
    assert store.lineage.table["num_tokens"].to_pylist() == store.lengths.tolist()
    for column in ("id", "source", "language"):
        assert store.lineage.column(column) == road.column(split, column)


def test_the_summary_counts_what_is_stored(road: Road) -> None:
    summary = road.tokens.summary["train"]
    store = TokenStore(road.tokens, "train")

    assert summary["documents"] == store.num_documents
    assert summary["tokens"] == sum(part["tokens"] for part in summary["source"].values()) == store.lengths.sum()
    assert summary["bytes"] == sum(part["bytes"] for part in summary["language"].values())
    assert summary["bytes"] == sum(len(text.encode()) for text in road.texts("train"))
    assert summary["fill"] == round(summary["tokens"] / (summary["rows"] * ROW_TOKENS), 5)


def test_a_text_too_short_for_one_row_is_refused(make_road: MakeRoad) -> None:
    with pytest.raises(InputError, match=r"100,000 tokens a row, the training text has only"):
        make_road(row_tokens=100_000)


def test_a_finished_shard_is_not_encoded_again(road: Road, tmp_path: Path) -> None:
    def encode(session: str) -> Workspace:
        workspace = Workspace(kept=tmp_path / "kept", output=tmp_path / session)
        workspace.kept.mkdir(exist_ok=True)
        workspace.output.mkdir()
        encode_corpus(curated=road.curated, vocabulary=road.vocabulary, row_tokens=ROW_TOKENS, workspace=workspace)
        return workspace

    first = encode("first")
    before = (first.kept / "train-00000" / "train-00000.bin").stat()
    (first.kept / "train-00001").rename(first.kept.with_name("lost"))
    second = encode("second")

    assert (second.kept / "train-00000" / "train-00000.bin").stat().st_mtime_ns == before.st_mtime_ns
    assert contents(first.output) == contents(second.output) == contents(road.tokens.path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_a_changed_page_of_text_is_an_error_and_not_other_tokens(road: Road, tmp_path: Path) -> None:
    for path in road.curated.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shard = tmp_path / "train-00000.parquet"
    column = pq.read_metadata(shard).row_group(0).column(1)
    damaged = bytearray(shard.read_bytes())
    damaged[column.dictionary_page_offset + column.total_compressed_size // 2] ^= 1
    shard.write_bytes(damaged)
    workspace = Workspace(kept=tmp_path / "kept", output=tmp_path / "output")
    workspace.kept.mkdir()
    workspace.output.mkdir()

    with pytest.raises(OSError, match="CRC"):
        encode_corpus(curated=Artefact(tmp_path), vocabulary=road.vocabulary, row_tokens=32, workspace=workspace)
    assert not (workspace.kept / "train-00000").exists()
