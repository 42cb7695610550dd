"""Small tokenizers of every kind, the text that troubles them, and what `tokenizers` makes of it."""

from pathlib import Path

from small_road import write_texts
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from headrace.tokens import load_vocabulary

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
    "nul bytes": "a\x00\x00b \x00",
    "code": "def f(x):\n\treturn HTMLParser2(x)[0]//3  # it's\n\n\n    pass  \n",
    "space at the end": "a \n \n  ",
}


def expected_ids(path: Path, text: str) -> list[int]:
    tokenizer = load_vocabulary(path)
    tokenizer.encode_special_tokens = True
    return tokenizer.encode(text, add_special_tokens=False).ids


def save_tokenizer(
    folder: Path,
    model: models.Model,
    *,
    splitter: pre_tokenizers.PreTokenizer | None = None,
    normalizer: normalizers.Normalizer | None = None,
) -> Path:
    tokenizer = Tokenizer(model)
    tokenizer.decoder = decoders.ByteLevel()
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
