"""A recipe that cannot run is refused before any work, with the place, what was given, what was wanted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import RecipeError
from headrace.recipe import Recipe, load_recipe
from headrace.recipe.load import check_recipe

Load = Callable[..., Recipe]

SOURCES = {"sources": [{"name": "novels", "path": "novels/*.txt"}]}
MINIMAL: dict[str, Any] = {"name": "small", "seed": 7, "corpus": SOURCES}
STAGE = {"epochs": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nmae": "x"}, r"nmae: unknown key \(value 'x'\)\. Did you mean `name`\?"),
        ({"learning_rate": 1e-3}, r"learning_rate: unknown key .* Did you mean `train\.learning_rate`\?"),
        (
            {"zzz": 1},
            (
                r"zzz: unknown key .* Valid keys here: name, seed, corpus, examples, tokens, model, train, "
                r"evaluate, track, tune\."
            ),
        ),
        ({"corpus": {**SOURCES, "dedup": "exact"}}, r"corpus\.dedup: unknown key .* Did you mean `deduplicate`\?"),
        (
            {"corpus": {**SOURCES, "deduplicate": {"method": "minhash", "bandz": 3}}},
            r"corpus\.deduplicate\.0\.bandz: unknown key \(value 3\)\. Did you mean `bands`\?",
        ),
        ({"corpus": {"sources": [{"name": "a", "pth": "b"}]}}, r"sources\.0\.pth: .* Did you mean `path`\?"),
        ({"tokens": {"vocabulary": {"trian": 512}}}, r"tokens\.vocabulary\.trian: .* Did you mean `train`\?"),
        ({"train": [STAGE, {"epocs": 1}]}, r"train\.1\.epocs: unknown key \(value 1\)\. Did you mean `epochs`\?"),
        ({"train": {"optimizer": {"beta_1": 0.9}}}, r"train\.0\.optimizer\.beta_1: .* Did you mean `beta1`\?"),
        (
            {"train": STAGE, "evaluate": ["bits_per_bite"]},
            r"evaluate\.bits_per_bite: .* Did you mean `bits_per_byte`\?",
        ),
        ({1: 2}, r"1: a key is a word"),
    ],
)
def test_an_unknown_key_is_refused_with_the_name_that_was_meant(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_recipe({**MINIMAL, **change}, "r.yaml")


def corpus(**settings: Any) -> dict[str, Any]:
    return {"corpus": {**SOURCES, **settings}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            corpus(curate=[{"rule": "num_words > 1", "name": "x"}, {"rule": "num_lines > 1", "name": "x"}]),
            r'corpus\.curate: two rules are called "x" \(num_words > 1; num_lines > 1\), so .* of its own',
        ),
        (corpus(curate=[{"rule": "num_words > 1"}] * 2), r'two rules are called "num_words > 1"'),
        (corpus(curate=["gopher", "c4", "gopher"]), r"corpus\.curate: the preset gopher is named twice; leave one"),
        (
            corpus(curate=[{"rule": "num_words > 1", "languages": ["zz"]}]),
            r'corpus: curate: a rule is for the language "zz", which no document can have: .* `language: zz`\.',
        ),
        (
            corpus(curate=[{"rule": "num_words > 1", "except_languages": ["cn"]}]),
            r'the language "cn", .* `language: cn` \(did you mean zh\?\)\.',
        ),
        (
            {"corpus": {"sources": [{"name": "a", "path": "b", "curate": [{"rule": "1 > 0", "languages": ["q"]}]}]}},
            r'corpus: source a: curate: a rule is for the language "q"',
        ),
        (
            {"corpus": {"sources": [{"name": "a", "path": "b", "language": "jp"}]}},
            r"corpus\.sources\.0\.language: got 'jp', wanted an ISO 639 code, such as en or zh \(did you mean ja\?\)\.",
        ),
        (corpus(deduplicate=["exact", "exact"]), r"corpus\.deduplicate: the step exact is written twice, .* leave one"),
        (
            corpus(deduplicate=["exact", {"method": "exact", "keep": "longest"}]),
            r"the step exact is written twice",
        ),
        (corpus(deduplicate=["minhash", "lines", "minhash"]), r"the step minhash is written twice"),
        (corpus(quality={}), r"corpus\.quality: nothing to learn; write `classifier`, `perplexity` or both, or leave"),
        (corpus(quality=None, deduplicate="exactly"), r"corpus\.deduplicate\.0: got 'exactly', wanted one of"),
    ],
)
def test_what_would_do_nothing_or_could_not_be_told_apart_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_recipe({**MINIMAL, **change}, "r.yaml")


@pytest.mark.parametrize(
    "change",
    [
        corpus(
            curate=[
                {"rule": "num_words > 1", "name": "x", "languages": ["en"]},
                {"rule": "num_characters > 1", "name": "x", "except_languages": ["en"]},
            ]
        ),
        corpus(curate=["c4", "fineweb", {"rule": "num_words > 1", "languages": ["und", "zh"]}]),
        corpus(deduplicate=["exact", "lines", "paragraphs", "minhash", {"method": "minhash", "bands": 20}]),
        {
            "corpus": {
                "sources": [{"name": "a", "path": "b", "language": "tlh"}],
                "curate": [{"rule": "num_words > 1", "languages": ["tlh"]}],
            }
        },
    ],
)
def test_what_only_looks_doubled_or_unknown_is_a_recipe(change: dict[str, Any]) -> None:
    check_recipe({**MINIMAL, **change}, "r.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "7"}, r"seed: got '7', wanted a valid integer\."),
        ({"seed": True}, r"seed: got True, wanted a valid integer\."),
        ({"seed": -1}, r"seed: got -1, wanted greater than or equal to 0\."),
        ({"name": "a/b"}, r'name: "a/b" cannot name a folder: use letters'),
        ({"name": ".."}, r'name: "\.\." cannot name a folder'),
        ({"name": "store"}, r"name: `store` is the folder of all runs' artefacts; choose another name\."),
        ({"corpus": []}, r"corpus: got \[\], wanted keys and values\."),
        ({"corpus": {"sources": []}}, r"corpus\.sources: got \[\], wanted at least one\."),
        ({"corpus": {"sources": [{"name": "a", "path": 3}]}}, r"corpus\.sources\.0\.path: got 3, wanted a list\.$"),
        ({"corpus": {**SOURCES, "hold_out": "two"}}, r"corpus\.hold_out: got 'two', wanted a valid number"),
        ({"corpus": {**SOURCES, "curate": ["gofer"]}}, r'corpus\.curate: no preset is called "gofer"'),
        ({"corpus": {**SOURCES, "curate": [{"rul": "x"}]}}, r"curate\.0\.rul: unknown key .* Did you mean `rule`"),
        (
            {"corpus": {**SOURCES, "deduplicate": "exct"}},
            r"corpus\.deduplicate\.0: got 'exct', wanted one of 'exact', 'minhash', .*'meaning'\.",
        ),
        (
            {"corpus": {**SOURCES, "deduplicate": ["exact", {"keep": "longest"}]}},
            r"corpus\.deduplicate\.1\.method: missing; it must be written\.",
        ),
        ({"corpus": {**SOURCES, "deduplicate": 3}}, r"corpus\.deduplicate\.0: got 3, wanted keys and values\."),
        (
            {"corpus": {**SOURCES, "deduplicate": {"method": "exact", "keep": {"bst": "x"}}}},
            r"corpus\.deduplicate\.0\.keep\.bst: unknown key .* Did you mean `best`\?",
        ),
        ({"tokens": {"row_tokens": 2.5}}, r"tokens\.row_tokens: got 2\.5, wanted a valid integer"),
        ({"tokens": {"vocabulary": {"train": 100}}}, r"vocabulary\.train: got 100, wanted greater than 256"),
        ({"train": 5}, r"train: got 5, wanted a list\."),
        ({"train": {"learning_rate": float("inf")}}, r"train\.0\.learning_rate: got inf"),
        ({"train": STAGE, "evaluate": [{"samples": {"prompts": []}}]}, r"prompts: got \[\], wanted at least one"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_wanted(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_recipe({**MINIMAL, **change}, "r.yaml")


@pytest.mark.parametrize("key", MINIMAL)
def test_what_must_be_written_has_no_default(key: str) -> None:
    without = {name: value for name, value in MINIMAL.items() if name != key}

    with pytest.raises(RecipeError, match=rf"{key}`?:? (is )?missing; it must be written"):
        check_recipe(without, "r.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"epochs": 1, "tokens": 10_000}}, "train.0: `epochs` and `tokens` both say how long"),
        ({"train": {"warm_up": 0.8, "cool_down": 0.3}}, "at most 1 together"),
        ({"train": STAGE, "corpus": {**SOURCES, "hold_out": 0}}, "corpus.hold_out is 0, .* hold out 1% or more"),
        (
            {"train": STAGE, "model": {"shape": "encoder"}},
            "train.0: the objective causal is for a model of shape decoder, and model.shape is encoder",
        ),
        (
            {"train": STAGE, "model": {"positions": "learned", "max_positions": 100}},
            "model.max_positions: 100 is less than a row.s 256 tokens",
        ),
        (
            {"train": {"global_batch_tokens": 1000}},
            "global_batch_tokens 1,000 is no multiple of row_tokens 256; try 1,024",
        ),
        ({"train": STAGE, "tokens": {"row_tokens": 1000}}, r"train\.0: .*16,384 is no multiple of row_tokens 1,000"),
        ({"train": STAGE, "model": {"width": 100, "heads": 3}}, "width 100 must be heads 3 times an even number"),
        ({"train": STAGE, "model": {"width": 64, "heads": 64}}, "times an even number; with this width try heads 1"),
        ({"train": STAGE, "model": {"heads": 10, "width": 320, "kv_heads": 3}}, "kv_heads 3 must divide heads 10"),
        ({"model": {"preset": "tiny"}}, "`model` and `evaluate` need a `train` section"),
        ({"evaluate": ["bits_per_byte"]}, "`model` and `evaluate` need a `train` section"),
        ({"tokens": {"vocabulary": {}}}, "write exactly one of `train: SIZE` and `file: tokenizer.json`"),
        ({"tokens": {"vocabulary": {"file": "a.json", "digits": "single"}}}, "a file says itself how it cuts numbers"),
        ({"tokens": {"vocabulary": {"train": 300, "special_tokens": ["<a>", "<a>"]}}}, "names a token twice"),
        ({"tokens": {"vocabulary": {"train": 257, "special_tokens": ["<a>"]}}}, "got 257, wanted at least 258"),
        (
            {"tokens": {"vocabulary": {"train": 300, "pattern": "gpt4"}}},
            r"vocabulary\.pattern: got 'gpt4', wanted 'gpt2'",
        ),
        ({"corpus": {"sources": SOURCES["sources"] * 2}}, "every source needs its own name; .*: novels"),
    ],
)
def test_an_impossible_combination_is_refused_with_the_remedy(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_recipe({**MINIMAL, **change}, "r.yaml")


TASK = {"name": "x", "seed": 1, "examples": {"train": "a.jsonl"}, "model": {"shape": "encoder"}}
PROMPT = {"prompt": {"tokens": 4}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"objective": "clasify"}}, r"train\.0\.objective"),
        ({"examples": None, "corpus": SOURCES}, "train.0: the objective classify learns from `examples`; write that"),
        (
            {"train": {"objective": "masked"}},
            "train.0: the objective masked learns from rows of tokens; write a `corpus`, or add `examples`",
        ),
        (
            {"corpus": SOURCES, "train": {"objective": "masked"}},
            "`examples` are learnt from in no stage; leave them out, or add a stage such as classify",
        ),
        ({"train": {"objective": "seq2seq"}}, "shape encoder_decoder or decoder, and model.shape is encoder"),
        ({"train": {"objective": "classify", "tokens": 1000}}, "tokens is for objectives on rows of tokens"),
        (
            {"corpus": SOURCES, "train": {"objective": "masked", "global_batch_examples": 8}},
            "global_batch_examples is for objectives on examples, not for masked",
        ),
        (
            {"corpus": SOURCES, "train": {"objective": "masked", "adapter": PROMPT}},
            "adapter: prompt takes the place of first tokens, which rows do not keep free; take prefix",
        ),
        ({"train": {"objective": "classify", "adapter": {"lora": {}, "ia3": {}}}}, "an adapter is exactly one of"),
        (
            {"train": [{"objective": "classify", "adapter": PROMPT}, {"objective": "classify"}]},
            r"train\.0\.adapter: prompt cannot become part of the model that the next stage goes on from; use it",
        ),
        (
            {"model": {"shape": "encoder", "positions": "learned", "max_positions": 100}},
            r"model\.max_positions: 100 is less than the max_tokens of train\.0\.objective's 256 tokens",
        ),
        ({"evaluate": ["bits_per_byte"]}, "a model of examples is always measured on them"),
        ({"model": {"hf": "a"}, "tokens": {"vocabulary": {"train": 300}}}, "brings its own vocabulary; leave"),
        ({"model": {"hf": "a", "width": 32}}, r" model\.width: unknown key"),
        ({"model": {"hf": "a"}}, r"train\.0\.learning_rate: write one\. The default, 0\.002, is for fresh weights"),
        (
            {
                "corpus": SOURCES,
                "model": {"hf": "a"},
                "train": [
                    {"global_batch_tokens": 1000, "learning_rate": 1e-4},
                    {"objective": "instruct", "learning_rate": 1e-4},
                ],
            },
            "global_batch_tokens 1,000 is no multiple of row_tokens 256",
        ),
    ],
)
def test_a_task_that_cannot_be_is_refused_in_a_sentence(change: dict[str, Any], message: str) -> None:
    stage = {**TASK, "train": {"objective": "classify"}, **change}
    given = {name: value for name, value in stage.items() if value is not None}

    with pytest.raises(RecipeError, match=message):
        check_recipe(given, "r.yaml")


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        check_recipe({"nmae": "x", "seed": "7", "corpus": SOURCES}, "r.yaml")

    first, *mistakes = str(caught.value).splitlines()
    assert first == "r.yaml: not a recipe that can run:"
    assert [mistake.split(":")[0].strip() for mistake in mistakes] == ["name", "seed", "nmae"]


def test_a_long_value_is_shown_shortened() -> None:
    with pytest.raises(RecipeError) as caught:
        check_recipe({**MINIMAL, "seed": "9" * 10_000}, "r.yaml")

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["", "- a\n- b", "just words", "7"])
def test_a_file_that_holds_no_mapping_is_refused(text: str, load: Load) -> None:
    with pytest.raises(
        RecipeError, match=r"recipe\.yaml: a recipe is a mapping of keys \(name, seed, corpus, \.\.\.\), got"
    ):
        load(text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: café".encode("latin-1"))

    with pytest.raises(RecipeError, match=r"missing\.yaml: no such file\. Give the path of a recipe"):
        load_recipe(tmp_path / "missing.yaml")
    with pytest.raises(RecipeError, match=r"latin\.yaml: cannot be read as UTF-8 text"):
        load_recipe(tmp_path / "latin.yaml")
    with pytest.raises(RecipeError, match=r"cannot be read as UTF-8 text"):
        load_recipe(tmp_path)


@pytest.mark.parametrize("change", [{"model": {"preset": ["tiny"]}}, {"evaluate": [3]}, {"evaluate": [None]}], ids=str)
def test_a_value_of_the_wrong_kind_is_refused_where_a_short_form_is_allowed(change: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        check_recipe({**MINIMAL, "train": STAGE, **change}, "r.yaml")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 300)
    | st.floats()
    | st.sampled_from(["", "tiny", "2%", "samples", "name"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "rule", "samples", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
PLACES = ["name", "seed", "corpus", "corpus.sources", "corpus.sources.0", "corpus.sources.0.path", "corpus.curate"]
PLACES += ["corpus.hold_out", "tokens", "tokens.vocabulary", "model", "train", "train.0.optimizer"]
PLACES += ["model.preset", "evaluate", "evaluate.0", "evaluate.0.samples"]


@given(place=st.sampled_from(PLACES), value=ANYTHING)
@settings(max_examples=120)
def test_whatever_stands_anywhere_is_a_recipe_or_a_recipe_error(place: str, value: Any) -> None:
    recipe = {
        **{key: MINIMAL[key] for key in ("name", "seed")},
        "corpus": {"sources": [{"name": "a", "path": "a"}], "curate": []},
        "tokens": {"vocabulary": {"train": 512}},
        "model": {"preset": "tiny"},
        "train": [{"epochs": 1, "optimizer": {}}],
        "evaluate": [{"samples": {}}],
    }
    *path, last = place.split(".")
    target: Any = recipe
    for part in path:
        target = target[int(part) if part.isdecimal() else part]
    target[int(last) if last.isdecimal() else last] = value

    try:
        check_recipe(recipe, "r.yaml")
    except RecipeError as error:
        assert str(error).startswith("r.yaml: not a recipe that can run:\n  ")  # noqa: PT017  (some values are fine)
