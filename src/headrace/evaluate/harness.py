"""Any headrace model under lm-evaluation-harness: its tasks, its prompts, its scores.

The model is asked what the harness asks transformers' models, and cuts texts into tokens as they do.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from headrace.errors import InputError
from headrace.models.opened import OpenedModel
from headrace.serve.continuing import Written, continue_prompts
from headrace.serve.sampling import SamplingConfig
from headrace.serve.scoring import Scored, need_decoder, prefix_token, score_tokens

PROMPTS_AT_ONCE = 16
LONGEST_ANSWER = 256  # in tokens, where a task does not say; the harness's own default

Encoded = tuple[Any, list[int], list[int]]
"""A pair of texts, or nothing, and the tokens of context and continuation."""


class HarnessModel(TemplateLM):
    """A model as the harness wants it."""

    def __init__(self, opened: OpenedModel, *, seed: int = 0) -> None:
        """seed: of answers that a task wants drawn. Raises InputError for a model that does not continue text."""
        super().__init__()
        self._model, self._words = need_decoder(opened), opened.need_tokenizer()
        self._beginning, self._prefix = opened.begin_tokens, prefix_token(opened)
        self._ends = opened.facts.end_tokens or (self._prefix,)
        self.max_length, self._seed = opened.facts.max_positions, seed

    @property
    def eot_token_id(self) -> int:
        return self._ends[0]

    @property
    def prefix_token_id(self) -> int:
        return self._prefix

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """The tokens of a text, behind those that every text begins with if it does not show them itself."""
        begins = bool(self._beginning) and add_special_tokens is not False
        if begins and add_special_tokens is None:
            begins = not string.startswith(self._words.decode([self._prefix], skip_special_tokens=False))
        tokens: list[int] = self._words.encode(string, add_special_tokens=False).ids
        return [*self._beginning, *tokens] if begins else tokens

    def _loglikelihood_tokens(self, requests: Sequence[Encoded], **_: Any) -> list[Scored]:
        pairs = [(context, continuation) for _, context, continuation in requests]
        return score_tokens(self._model, pairs, max_positions=self.max_length)

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Of whole texts, each cut into windows that overlap by one token."""
        windows = [
            (number, make_disjoint_window(window))
            for number, request in enumerate(requests)
            for window in get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self._prefix,
                max_seq_len=self.max_length,
                context_len=1,
            )
        ]
        totals = [0.0] * len(requests)
        scores = self._loglikelihood_tokens([(None, *window) for _, window in windows])
        for (number, _), scored in zip(windows, scores, strict=True):
            totals[number] += scored.log_likelihood
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Continuations, each up to the first of its request's stops."""
        answers = [""] * len(requests)
        order = sorted(range(len(requests)), key=lambda number: repr(requests[number].args[1]))
        for wanted, numbers in _in_runs(order, requests):
            contexts = {number: self.tok_encode(requests[number].args[0]) for number in numbers}
            numbers.sort(key=lambda number: len(contexts[number]))
            for start in range(0, len(numbers), PROMPTS_AT_ONCE):
                part = numbers[start : start + PROMPTS_AT_ONCE]
                found = self._answer([contexts[number] for number in part], wanted)
                for number, answer in zip(part, found, strict=True):
                    answers[number] = answer
        return answers

    def _answer(self, contexts: list[list[int]], wanted: dict[str, Any]) -> list[str]:
        settings = normalize_gen_kwargs(wanted, LONGEST_ANSWER)
        stops, room = [stop for stop in settings["until"] if stop], self.max_length - settings["max_gen_toks"]
        if room <= 0:
            raise InputError(
                f"a task wants answers of {settings['max_gen_toks']} tokens, but the model sees {self.max_length}. "
                "Give the task a smaller max_gen_toks."
            )
        config = SamplingConfig(
            max_tokens=settings["max_gen_toks"],
            temperature=float(settings.get("temperature", 1.0)) if settings["do_sample"] else 0.0,
            top_k=settings.get("top_k", 50) or None,
            top_p=settings.get("top_p", 1.0),
        )
        found: list[list[int]] = [[] for _ in contexts]
        # A stop has at most as many tokens as bytes; a few more finish the characters at its edges.
        reach = max((len(stop.encode()) for stop in stops), default=0) + 4

        def is_last(written: Written) -> bool:
            end = self._words.decode([*found[written.prompt][1 - reach :], written.token])
            return any(stop in end for stop in stops)

        for prompt, token in continue_prompts(
            self._model,
            [context[-room:] or [self._prefix] for context in contexts],
            config,
            seeds=[self._seed] * len(contexts),
            ends=self._ends,
            max_positions=self.max_length,
            is_last=is_last,
        ):
            found[prompt].append(token)
        return [postprocess_generated_text(self._words.decode(tokens), stops, None) for tokens in found]


def run_harness(
    opened: OpenedModel,
    tasks: Sequence[str],
    *,
    num_fewshot: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """What the harness finds: figures by name, by task.

    tasks: names of the harness's tasks, YAML files of tasks, or folders of such files. limit: examples of each task.
    Raises InputError if there is no such task.
    """
    folders = [Path(task) for task in tasks if Path(task).is_dir()]
    plain = [task for task in tasks if not Path(task).is_dir()]
    local = TaskManager(include_path=folders, include_defaults=False) if folders else None
    names = [*plain, *(local.all_subtasks if local else ())]
    manager = TaskManager(include_path=folders or None, include_defaults=any(_is_name(task) for task in plain))
    if unknown := [name for name in plain if _is_name(name) and not manager.match_tasks([name])]:
        raise InputError(f"{unknown[0]}: no such task. Give a name of the harness, a YAML file or a folder of them.")
    if not names:
        raise InputError(f"{', '.join(map(str, folders))}: no task in there. Put a task's YAML file into it.")
    found = simple_evaluate(
        HarnessModel(opened, seed=seed),
        tasks=names,
        num_fewshot=num_fewshot,
        limit=limit,
        task_manager=manager,
        log_samples=False,
        random_seed=seed,
        numpy_random_seed=seed,
        torch_random_seed=seed,
        fewshot_random_seed=seed,
    )
    assert found is not None, "there is one process, and it has the results"
    return dict(found["results"])


def _is_name(task: str) -> bool:
    return not task.endswith((".yaml", ".yml"))


def _in_runs(order: Iterable[int], requests: list[Instance]) -> list[tuple[dict[str, Any], list[int]]]:
    """Requests with the same settings, together."""
    runs: list[tuple[dict[str, Any], list[int]]] = []
    for number in order:
        settings = requests[number].args[1]
        if runs and runs[-1][0] == settings:
            runs[-1][1].append(number)
        else:
            runs.append((settings, [number]))
    return runs
