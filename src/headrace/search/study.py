"""The study: what has been tried, what came of it, what is tried next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
import orjson
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import JsonValue

from headrace.errors import RecipeError
from headrace.recipe.tune_config import Dimension, Range, TuneConfig
from headrace.report.search_record import Measurement, SearchRecord, TrialRecord
from headrace.search.request import SearchRequest, written_values

REDUCTION = 2  # halving keeps one in so many, at measurements 2, 4, 8 ...: a stage has few of them
OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
STATES: dict[TrialState, Literal["finished", "pruned", "failed", "running"]] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}
WHERE_IT_LIES = {"name", "track", "tune"}
HOW_IT_SEARCHES = {"space", "metric", "sampler", "random_trials", "pruner", "unpruned_trials", "unpruned_measurements"}


@dataclass(frozen=True)
class Outcome:
    """What came of a trial."""

    state: Literal["finished", "pruned", "failed"]
    value: float | None = None
    error: str = ""
    seconds: float = 0.0


class Study:
    """The study of one search, in an SQLite file that other tools of Optuna open too. For one process at a time."""

    def __init__(self, request: SearchRequest) -> None:
        """Opens the study, or begins it. Raises RecipeError if it was begun for another recipe or space."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._request, self._config = request, request.config
        self._distributions = {key: distribution_of(each) for key, each in self._config.space.items()}
        path = request.folder.study_path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._study = optuna.create_study(
            storage=f"sqlite:///{path.absolute()}",
            study_name=request.recipe.name,
            direction="maximize" if request.higher_is_better else "minimize",
            pruner=pruner_of(self._config),
            load_if_exists=True,
        )
        self._check_identity()

    def _check_identity(self) -> None:
        known, identity = self._study.user_attrs.get("identity"), _identity(self._request)
        if known is None:
            # What the recipe itself says, if it may be tried, comes first: others are to be compared with it.
            if values := written_values(self._request):
                labels = {key: label_of(value) for key, value in values.items()}
                self._study.enqueue_trial(labels, skip_if_exists=True)
            self._study.set_user_attr("identity", identity)
        elif changed := list(_differences(known, identity)):
            raise RecipeError(
                f"tune: {self._request.folder.path} holds a search with other settings ({changed[0]}); their trials "
                "cannot be compared. Give this one another name (--set name=...), or remove that folder."
            )

    def next_trial(self) -> Trial | None:
        """The trial that was interrupted, or a new one; None when all are done."""
        unfinished = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        number = unfinished[0].number if unfinished else len(self._over())
        self._study.sampler = sampler_of(self._config, seed=self._request.recipe.seed, number=number)
        if unfinished:
            trial = Trial(self._study, unfinished[0]._trial_id)
            for key, distribution in self._distributions.items():  # a kill may have come between two of them
                trial._suggest(key, distribution)
            return trial
        return self._study.ask(self._distributions) if number < self._config.trials else None

    def values_of(self, trial: Trial) -> dict[str, Any]:
        """What a trial gives to the keys of the space."""
        return {key: value_of(self._config.space[key], value) for key, value in trial.params.items()}

    def twin_of(self, trial: Trial) -> TrialRecord | None:
        """An earlier trial with the same values that is over: it need not be carried out again."""
        same = [each for each in self._over() if each.params == trial.params]
        return self._record_of(same[0]) if same else None

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Notes what came of a trial, durably."""
        trial.set_user_attr("seconds", outcome.seconds)
        trial.set_user_attr("error", outcome.error)
        states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self._study.tell(trial, outcome.value, state=states[outcome.state])

    def record(self, best_recipe: str | None = None) -> SearchRecord:
        """All that is known."""
        config, request = self._config, self._request
        trials = self._study.get_trials(deepcopy=False, states=(*OVER, TrialState.RUNNING))
        finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        return SearchRecord(
            name=request.recipe.name,
            metric=config.metric,
            higher_is_better=request.higher_is_better,
            sampler=config.sampler,
            pruner=config.pruner,
            space=config.as_json()["space"],
            wanted=config.trials,
            trials=tuple(map(self._record_of, trials)),
            importance=self._importance(finished),
            best=self._study.best_trial.number if finished else None,
            best_recipe=best_recipe,
        )

    def _over(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=OVER)

    def _record_of(self, trial: FrozenTrial) -> TrialRecord:
        steps = trial.user_attrs.get("steps", [])
        return TrialRecord(
            number=trial.number,
            state=STATES[trial.state],
            parameters={key: value_of(self._config.space[key], value) for key, value in trial.params.items()},
            value=trial.value if trial.state == TrialState.COMPLETE else None,
            measurements=tuple(
                Measurement(step=steps[number - 1], value=value)
                for number, value in sorted(trial.intermediate_values.items())
            ),
            seconds=trial.user_attrs.get("seconds"),
            error=trial.user_attrs.get("error", ""),
            run=run_name(self._request.recipe.name, trial.number),
        )

    def _importance(self, finished: Sequence[FrozenTrial]) -> dict[str, float]:
        """Shares of the variance between trials, by fANOVA; it takes two trials that differ to speak of any."""
        if len({trial.value for trial in finished}) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self._request.recipe.seed % 2**32)
        return {
            key: float(share)
            for key, share in optuna.importance.get_param_importances(self._study, evaluator=evaluator).items()
        }


def run_name(name: str, number: int) -> str:
    """What the run of a trial is called."""
    return f"{name}-trial-{number:04d}"


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """A dimension in Optuna's words."""
    if not isinstance(dimension, Range):
        return CategoricalDistribution([label_of(choice) for choice in dimension])
    low, high, step = dimension.low, dimension.high, dimension.step
    if dimension.is_whole:
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=dimension.log, step=float(step) if step else None)


def label_of(value: JsonValue) -> CategoricalChoiceType:
    """A choice as Optuna keeps it: as it is, or the JSON of lists and mappings."""
    return orjson.dumps(value).decode() if isinstance(value, list | tuple | dict) else value


def value_of(dimension: Dimension, kept: Any) -> Any:
    """The value that Optuna's stands for."""
    if isinstance(dimension, Range):
        return kept
    return next(choice for choice in dimension if label_of(choice) == kept and type(label_of(choice)) is type(kept))


def sampler_of(config: TuneConfig, *, seed: int, number: int) -> optuna.samplers.BaseSampler:
    """What chooses the values of a trial. A resumed search must not begin the sequence of random numbers anew."""
    own_seed = (seed * 1_000_003 + number) % 2**32
    if config.sampler == "random":
        return optuna.samplers.RandomSampler(seed=own_seed)
    return optuna.samplers.TPESampler(seed=own_seed, n_startup_trials=config.random_trials)


def pruner_of(config: TuneConfig) -> optuna.pruners.BasePruner:
    """What gives trials up; measurements are numbered from 1."""
    first = config.unpruned_measurements + 1
    match config.pruner:
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=config.unpruned_trials, n_warmup_steps=first)
        case "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=REDUCTION)
        case "hyperband":
            return optuna.pruners.HyperbandPruner(min_resource=first, reduction_factor=REDUCTION)
        case "none":
            return optuna.pruners.NopPruner()


def _identity(request: SearchRequest) -> dict[str, Any]:
    """All that trials must have in common to be compared."""
    recipe = {key: value for key, value in request.recipe.as_json().items() if key not in WHERE_IT_LIES}
    recipe["train"] = [{**stage, "checkpoint": None} for stage in recipe["train"]]
    search = {key: value for key, value in request.config.as_json().items() if key in HOW_IT_SEARCHES}
    return orjson.loads(orjson.dumps({**recipe, "tune": search}))  # type: ignore[no-any-return]  # as it is read back


def _differences(one: Any, other: Any, key: str = "") -> Any:
    """Sentences on where two nested values differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in {**one, **other}:
            yield from _differences(one.get(name), other.get(name), f"{key}.{name}" if key else name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{key}.{number}")
    elif one != other:
        yield f"{key}: {one} there, {other} here"
