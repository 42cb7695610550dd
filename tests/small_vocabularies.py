"""Small vocabularies for tasks: one that adds [CLS] and [SEP] to words, and one of bytes that texts begin behind."""

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = "the mill turns a wheel of water river sea runs every while 水 轮 慢 转".split()
CHAT_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@cache
def bert_like() -> Tokenizer:
    """WordPiece: lower case, signs alone, pairs of types 0 and 1."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(97, 123)]
    names = [*special, *letters, *(f"##{letter}" for letter in letters), *WORDS, "[", "]", "|", "<", ">", "_"]
    tokenizer = Tokenizer(models.WordPiece({name: n for n, name in enumerate(dict.fromkeys(names))}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(16)
    return tokenizer


@cache
def ours() -> Tokenizer:
    """Byte-level pairs; a text begins behind the end of the one before."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=CHAT_TOKENS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A",
        pair="<|endoftext|> $A <|endoftext|> $B",
        special_tokens=[("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>"))],
    )
    return tokenizer


def plain_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of one text, by a tokenizer of its own that knows no special tokens in texts."""
    alone = Tokenizer.from_str(tokenizer.to_str())
    alone.no_padding()
    alone.no_truncation()
    alone.encode_special_tokens = True
    return alone.encode(text, add_special_tokens=False).ids
