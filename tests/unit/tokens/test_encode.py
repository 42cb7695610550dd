"""Encoding: the ids of Hugging Face `tokenizers` for any text, a lineage row per document, nothing done twice."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_road import END, ROW_TOKENS, MakeRoad, Road
from small_tokenizers import TEXTS, expected_ids, save_tokenizer
from tokenizers import models, normalizers, pre_tokenizers

from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.store import Artefact, Workspace
from headrace.tokens import TokenStore, encode_corpus
from headrace.tokens.encoder import Encoder


@pytest.fixture(scope="module")
def encoder(road: Road) -> Encoder:
    return Encoder(road.tokenizer_path)


@pytest.mark.parametrize("name", TEXTS)
def test_ids_are_those_of_tokenizers(name: str, encoder: Encoder, road: Road) -> None:
    encoded = encoder.encode(Texts.from_strings([TEXTS[name]]))

    assert encoded.ids.tolist() == [*expected_ids(road.tokenizer_path, TEXTS[name]), END]
    assert encoded.lengths.tolist() == [len(encoded.ids)]


@given(texts=st.lists(st.text(st.characters(exclude_categories=("Cs",))), max_size=5))
def test_ids_of_a_batch_are_those_of_its_texts_each_with_an_end(texts: list[str], encoder: Encoder, road: Road) -> None:
    encoded = encoder.encode(Texts.from_strings(texts))

    assert encoded.ids.tolist() == [
        token for text in texts for token in [*expected_ids(road.tokenizer_path, text), END]
    ]
    assert np.flatnonzero(encoded.ids == END).tolist() == (np.cumsum(encoded.lengths) - 1).tolist()


def test_a_vocabulary_with_a_normalizer_is_encoded_alike(tmp_path: Path) -> None:
    path = save_tokenizer(tmp_path, models.BPE(), normalizer=normalizers.NFC())

    encoded = Encoder(path).encode(Texts.from_strings(list(TEXTS.values())))

    assert encoded.ids.tolist() == [token for text in TEXTS.values() for token in [*expected_ids(path, text), END]]


def test_a_tokenizer_that_drops_merges_at_random_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json: drops merges at random.*Remove dropout"):
        Encoder(save_tokenizer(tmp_path, models.BPE(dropout=0.5)))


@pytest.mark.parametrize("splitter", [pre_tokenizers.Metaspace(), pre_tokenizers.WhitespaceSplit()])
def test_a_tokenizer_that_loses_text_is_refused(splitter: pre_tokenizers.PreTokenizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json: decoding .* does not give the text back.*byte-level BPE"):
        Encoder(save_tokenizer(tmp_path, models.BPE(), splitter=splitter))


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


def encode_with(road: Road, folder: Path, num_threads: int) -> dict[str, bytes]:
    workspace = Workspace(kept=folder / "kept", output=folder / "output")
    workspace.kept.mkdir(parents=True)
    workspace.output.mkdir()
    encode_corpus(
        curated=road.curated,
        vocabulary=road.vocabulary,
        row_tokens=ROW_TOKENS,
        workspace=workspace,
        num_threads=num_threads,
    )
    return contents(workspace.output)


@pytest.mark.parametrize("num_threads", [1, 2, 3, 16])
def test_any_number_of_threads_writes_the_same_bytes(num_threads: int, road: Road, tmp_path: Path) -> None:
    assert encode_with(road, tmp_path, num_threads) == contents(road.tokens.path)


@pytest.mark.parametrize("batch_bytes", [1, 200])
def test_batches_of_any_size_give_the_same_documents(
    batch_bytes: int, road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.tokens.encode.BATCH_BYTES", batch_bytes)

    found, wanted = encode_with(road, tmp_path, 2), contents(road.tokens.path)

    assert {name: found[name] for name in found if name.endswith((".bin", ".idx"))} == {
        name: wanted[name] for name in wanted if name.endswith((".bin", ".idx"))
    }


@pytest.mark.parametrize(
    ("value", "complaint"),
    [(b"a\xed\xa0\x80b", "is not valid UTF-8"), (b"\xff", "is not valid UTF-8"), (None, "is missing")],
)
def test_a_text_that_is_none_is_refused_by_its_place(
    value: bytes | None, complaint: str, road: Road, tmp_path: Path
) -> None:
    for path in road.curated.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = pq.read_table(tmp_path / "train-00000.parquet")
    texts = [*table["text"].cast(pa.binary()).to_pylist()[:-1], value]
    wrong = pa.Array.from_buffers(pa.string(), len(texts), pa.array(texts, pa.binary()).buffers())
    pq.write_table(table.set_column(1, "text", wrong), tmp_path / "train-00000.parquet", write_page_checksum=True)
    workspace = Workspace(kept=tmp_path / "kept", output=tmp_path / "output")
    workspace.kept.mkdir()
    workspace.output.mkdir()

    with pytest.raises(InputError, match=rf"train-00000\.parquet: a text among documents 0 to 89 {complaint}"):
        encode_corpus(curated=Artefact(tmp_path), vocabulary=road.vocabulary, row_tokens=32, workspace=workspace)


def encode_again(road: Road, folder: Path, *, earlier: list[Artefact]) -> tuple[dict[str, object], set[int]]:
    """Encodes the road's corpus; returns the summary and the inodes of what came out."""
    workspace = Workspace(kept=folder / "kept", output=folder / "output")
    for path in (workspace.kept, workspace.output):
        path.mkdir(parents=True)
    summary = encode_corpus(
        curated=road.curated, vocabulary=road.vocabulary, row_tokens=ROW_TOKENS, workspace=workspace, earlier=earlier
    )
    return summary, {path.stat().st_ino for path in workspace.output.glob("*.bin")}


def test_shards_of_an_earlier_store_are_taken_over_unless_they_are_damaged(road: Road, tmp_path: Path) -> None:
    wanted, fresh = encode_again(road, tmp_path / "fresh", earlier=[])
    there = {path.name: path for path in road.tokens.files("*.bin")}
    summary, linked = encode_again(road, tmp_path / "linked", earlier=[road.tokens])
    assert summary == wanted
    assert linked == {path.stat().st_ino for path in there.values()}
    assert not linked & fresh
    copy = Artefact(shutil.copytree(road.tokens.path, tmp_path / road.tokens.address))
    for path in copy.files("*.bin"):
        path.write_bytes(path.read_bytes()[:-2] + b"??")
    summary, encoded = encode_again(road, tmp_path / "again", earlier=[copy])
    assert summary == wanted
    assert not encoded & {path.stat().st_ino for path in copy.files("*.bin")}
    assert all((tmp_path / "again/output" / name).read_bytes() == path.read_bytes() for name, path in there.items())
