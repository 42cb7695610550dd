"""Other rules tried on documents that a run has measured."""

from collections.abc import Mapping, Sequence

import orjson

from headrace.corpus.decide.rules import columns_of
from headrace.corpus.decide.shards import Shards
from headrace.corpus.decide.what_if import WhatIf, what_if
from headrace.corpus.presets import PRESETS, Rule
from headrace.errors import InputError, RecipeError
from headrace.store import Artefact


def try_rules(
    curated: Artefact, *, presets: Sequence[str], rules: Sequence[str], without: Sequence[str], num_examples: int
) -> WhatIf:
    """What rules would do to the documents behind a curated corpus.

    presets: names of the rules to start from; none: those of the recipe. rules: further conditions. without: reasons
    to leave out. Raises RecipeError for an unknown name or a rule that cannot be evaluated.
    """
    sources = orjson.loads((curated.path / "sources.json").read_bytes())
    chosen = {name: _choose(source, presets, rules, without) for name, source in sources.items()}
    known = {rule.reason for listed in chosen.values() for rule in listed}
    _check_known(sources, without, known)
    shards = Shards.of(_measured(curated, sources))
    for source, listed in chosen.items():
        _check_measured(shards, source, {column for rule in listed for column in columns_of(rule)})
    return what_if(shards, chosen, num_examples=num_examples)


def _choose(
    source: Mapping[str, list[dict[str, object]]], presets: Sequence[str], rules: Sequence[str], without: Sequence[str]
) -> tuple[Rule, ...]:
    if unknown := [name for name in presets if name not in PRESETS]:
        raise RecipeError(f'no preset is called "{unknown[0]}"; there are {", ".join(PRESETS)}.')
    start = [rule for name in presets for rule in PRESETS[name]] or [Rule.model_validate(r) for r in source["rules"]]
    return tuple(rule for rule in (*start, *(Rule(rule=text) for text in rules)) if rule.reason not in without)


def _check_known(
    sources: Mapping[str, Mapping[str, list[dict[str, object]]]], without: Sequence[str], known: set[str]
) -> None:
    there = {Rule.model_validate(rule).reason for source in sources.values() for rule in source["rules"]}
    there |= {rule.reason for listed in PRESETS.values() for rule in listed}
    if unknown := [name for name in without if name not in there]:
        raise RecipeError(f'no rule is called "{unknown[0]}"; there are {", ".join(sorted(known))}.')


def _check_measured(shards: Shards, source: str, columns: set[str]) -> None:
    """Raises RecipeError for a column that the run did not measure."""
    first = next((shard for shard in shards if shard.source == source and len(shard)), None)
    if first is None or not columns:
        return
    scores = first.read_scores(sorted(columns))
    if missing := [name for name in scores.columns if scores[name].null_count() == scores.height]:
        raise RecipeError(
            f"source {source}: {missing[0]} was not measured in this run. Write `measure: all` (and `quality` or "
            "`redact` for their columns) in the recipe's corpus section and run it again."
        )


def _measured(curated: Artefact, sources: Mapping[str, Mapping[str, object]]) -> dict[str, Artefact]:
    found = {name: Artefact(curated.path.parent / str(source["measured"])) for name, source in sources.items()}
    if missing := [name for name, artefact in found.items() if not artefact.path.is_dir()]:
        raise InputError(f"the measured documents of source {missing[0]} are no longer there. Run the recipe again.")
    return found
