"""Named entities with transformers' Trainer: the run that headrace's own fine-tuning is held against.

    python benchmarks/ner_trainer.py MODEL EXAMPLES --epochs 3 --batch 32 --rate 5e-5

MODEL: folder of a BERT-like encoder, such as all-MiniLM-L6-v2. EXAMPLES: an examples artefact of a run, or a CoNLL
file, split as a recipe splits it. The first piece of a word carries its tag, as in the documentation of transformers;
its collator for token classification fills batches up to the longest. Printed as JSON: entity F1 with its interval,
samples per second, CPU seconds.
"""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from task_baselines import open_examples
from trainer_run import arguments_of, fine_tune, open_tokenizer, print_outcome
from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification

from headrace.evaluate.tagging import frequent_tags, tagging_baseline, tagging_report

IGNORED = -100


def encode(tokenizer: Any, sentences: list[list[str]], tags: list[list[str]], *, names: list[str]) -> list[Any]:
    """Sentences as pieces, tags on the first piece of each word."""
    places = {name: place for place, name in enumerate(names)}
    encoded = tokenizer(sentences, is_split_into_words=True, truncation=True)
    rows = []
    for n, given in enumerate(tags):
        words = encoded.word_ids(n)
        firsts = [word is not None and word != before for word, before in zip(words, [None, *words[:-1]], strict=True)]
        labels = [places[given[word]] if first else IGNORED for word, first in zip(words, firsts, strict=True)]
        rows.append(
            {"input_ids": encoded["input_ids"][n], "attention_mask": encoded["attention_mask"][n], "labels": labels}
        )
    return rows


def main() -> None:
    """Trains, predicts, prints."""
    given = arguments_of(__doc__ or "")
    with tempfile.TemporaryDirectory() as work:
        examples = open_examples(given.examples, seed=given.seed, work=Path(work))
        names = examples.tags
        train, test = (examples.split(name) for name in ("train", "test"))
    tokenizer = open_tokenizer(given.model, max_tokens=given.max_tokens)
    model = AutoModelForTokenClassification.from_pretrained(given.model, num_labels=len(names))
    columns = [[table.column(name).to_pylist() for name in ("tokens", "tags")] for table in (train, test)]
    rows = [encode(tokenizer, *each, names=names) for each in columns]
    collator = DataCollatorForTokenClassification(tokenizer)
    logits_NTC, labels_NT, costs = fine_tune(given, model, tokenizer, train=rows[0], test=rows[1], collator=collator)
    guess_NT = logits_NTC.argmax(axis=-1)
    tokens, truth = columns[1]
    guess = []
    for n, tags in enumerate(truth):
        found = [names[place] for place in guess_NT[n][labels_NT[n] != IGNORED]]
        guess.append(found + ["O"] * (len(tags) - len(found)))  # words that were cut off
    baseline = tagging_baseline("most frequent tag", truth, frequent_tags(*columns[0], tokens))
    report = tagging_report(truth, guess, tokens=tokens, seed=given.seed, baselines=[baseline])
    print_outcome(
        given,
        costs,
        entity_f1=asdict(report.f1),
        macro_f1=asdict(report.macro_f1),
        baseline=baseline.figures,
        token_accuracy=report.token_accuracy.value,
        classes={row.name: round(row.f1.value, 4) for row in report.classes},
    )


if __name__ == "__main__":
    main()
