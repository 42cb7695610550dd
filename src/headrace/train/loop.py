"""The loop: every line a phase.

A global step is one or more base batches of the stream, shared by the processes of the group and cut into
micro-batches. Gradients and losses are summed over all of them and divided once by the number of valid targets, so
neither sharing nor cutting changes what is learnt (equal to one process to 1e-6 in float32).
"""

import logging
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import torch
from torch import nn

from headrace.parallel import Group
from headrace.tokens.read_ahead import read_ahead
from headrace.trace import progress, span
from headrace.train.batch_size import BatchSize
from headrace.train.checkpoint import Checkpoints
from headrace.train.config import StageConfig
from headrace.train.feed import Feed
from headrace.train.gradient import finish_gradient
from headrace.train.memory.by_block import ByBlock
from headrace.train.memory.ceiling import Ceiling
from headrace.train.metrics import MetricLog
from headrace.train.numerics import Numerics
from headrace.train.progress import Progress
from headrace.train.replicas import check_replicas
from headrace.train.schedule import RateOfStep
from headrace.train.spikes import after_going_back, after_refusal, after_update, judge, may_be_refused
from headrace.train.state import TrainState
from headrace.train.step_sums import StepSums
from headrace.train.trainable import trainable
from headrace.train.validation import Validation

logger = logging.getLogger("headrace")

NAMED = 5
"""Documents of a batch that a warning names; the record has all."""


@dataclass(frozen=True)
class Loop:
    """What stays the same from step to step."""

    config: StageConfig
    numerics: Numerics
    group: Group
    seed: int
    feed: Feed
    validation: Validation
    checkpoints: Checkpoints
    metrics: MetricLog | None
    """None in processes that do not lead."""
    schedule: RateOfStep
    batch_size: BatchSize
    num_steps: int
    """Base batches of the stage."""
    kept_step: int | None
    """A step whose checkpoint is written in any case."""
    flops_per_token: float
    ceiling: Ceiling | None = None
    """Looks after every step at what this process holds."""
    by_block: ByBlock | None = None
    """Updates blocks while gradients come; None: all together, once the whole gradient is known."""

    def run(self, state: TrainState) -> None:
        """Trains from where `state` stands to the end of the stage, or until validation has not improved for long."""
        state.model.train()
        batches = self._batches(state)
        while state.progress.step < self.num_steps and not self._patience_ended(state):
            clock = StepClock(self._wait)
            size = self._settle_size(state)
            outcome = self.step(state, islice(batches, size))
            self._report(state, clock, outcome)
            if self.ceiling is not None:
                self.ceiling.keep()
            improved = self._validate(state)
            self._checkpoint(state, improved=improved)
        self.checkpoints.let_change()

    def close(self) -> None:
        """Returns when everything is on the disk. Raises what the writer of checkpoints raised."""
        if self.metrics is not None:
            self.metrics.close()
        self.checkpoints.close()

    def step(self, state: TrainState, batches: Iterable[Any]) -> "Outcome":
        """One global step: the gradient over all its micro-batches, in all processes, and the update made of it.

        batches: as many base batches as the progress says.
        """
        rate = self._set_learning_rate(state)
        self._seed_dropout(state)
        if self.by_block is not None:
            return self._step_by_block(state, next(iter(batches)), rate, by_block=self.by_block)
        sums = self._accumulate(state.model, batches)
        self._add_penalty(state, sums.num_targets)
        sums = sums.over_all(self.group, trainable(state.model).values())
        if not sums.num_targets:
            return self._pass_over(state, rate)
        norm = self._finish_gradient(state, sums)
        taken = self._update(state, sums, norm=norm)
        loss = sums.loss / sums.num_targets
        return Outcome(loss=loss, rate=rate, norm=norm, taken=taken, num_tokens=round(sums.num_tokens))

    def _step_by_block(self, state: TrainState, batch: Any, rate: float, *, by_block: ByBlock) -> "Outcome":
        num_targets = self.feed.objective.count(batch)
        if not num_targets:
            return self._pass_over(state, rate)
        self.checkpoints.let_change()
        with by_block.updating(num_targets, step=state.progress.step + 1) as updated:
            loss = self._accumulate(state.model, [batch]).loss / num_targets
        state.progress = after_update(None, state.progress, loss=loss, norm=updated.norm)
        if state.average:
            state.average.update(state.model, state.progress.step)
        return Outcome(loss=loss, rate=rate, norm=updated.norm, taken=True, num_tokens=batch.num_tokens)

    def _batches(self, state: TrainState) -> Iterator[Any]:
        """The base batches to come, each as it is asked for."""
        stream = self.feed.stream
        return self._wait.timed(read_ahead(stream, state.progress.step, self.num_steps, num_threads=stream.num_threads))

    def _settle_size(self, state: TrainState) -> int:
        """Base batches of the next step; a change of them is written down with its reason."""
        before = state.progress
        state.progress, reason = self.batch_size.before_step(before)
        if reason is not None and self.metrics is not None:
            told = {**self.batch_size.describe(state.progress), "factor": state.progress.batch_factor}
            told |= {"factor_before": before.batch_factor, "reason": reason}
            self.metrics.write("batch", {"step": before.step + 1, **told})
        return state.progress.batch_factor

    @cached_property
    def _wait(self) -> "WaitClock":
        return WaitClock()

    def _set_learning_rate(self, state: TrainState) -> float:
        rate = self.schedule.rate(state.progress) * self.batch_size.rate_scale(state.progress)
        state.optimizer.set_rate(rate, decay_factor=self.schedule.decay_factor(state.progress))
        return rate

    def _seed_dropout(self, state: TrainState) -> None:
        """Makes what a step leaves out depend on seed, step and process only, so that a resumed run repeats it."""
        number = (self.seed * 1_000_003 + state.progress.step) * 65_537 + self.group.rank
        torch.manual_seed(number % 2**63)

    def _accumulate(self, model: nn.Module, batches: Iterable[Any]) -> StepSums:
        """Adds the gradients of all micro-batches of this process; returns what they sum up to."""
        total, objective, sums = torch.zeros((), dtype=torch.float64), self.feed.objective, StepSums()
        for batch in batches:
            for part in objective.parts(batch, self.feed.micro_batch_rows):
                loss = objective.loss(model, part, self.numerics)
                loss.backward()
                total += loss.detach()
                if self.batch_size.is_adaptive and not sums.num_parts:
                    sums.look_at_part(trainable(model).values(), objective.count(part))
            sums.num_targets += objective.count(batch)
            sums.num_tokens += batch.num_tokens
        sums.loss = float(total)
        return sums

    def _add_penalty(self, state: TrainState, num_targets: float) -> None:
        """Adds the gradient of what an adapter is punished for, in the measure of this process's share of the step."""
        penalty = state.adapters.penalty() if state.adapters else None
        if penalty is not None:
            (penalty * num_targets).backward()

    def _finish_gradient(self, state: TrainState, sums: StepSums) -> float:
        return finish_gradient(
            trainable(state.model).values(),
            num_targets=sums.num_targets,
            loss=sums.loss / sums.num_targets,
            largest_norm=self.config.clip_gradient,
            step=state.progress.step + state.progress.batch_factor,
            may_be_refused=may_be_refused(self.config.skip_spikes, state.progress),
        )

    def _pass_over(self, state: TrainState, rate: float) -> "Outcome":
        """Leaves out a batch that has nothing to be learnt."""
        state.progress = after_refusal(state.progress)
        state.optimizer.zero_grad()
        return Outcome(loss=math.nan, rate=rate, norm=0.0, taken=False, num_tokens=0)

    def _update(self, state: TrainState, sums: StepSums, *, norm: float) -> bool:
        """Takes the step, unless it must be refused; True if it was taken."""
        spikes, before, loss = self.config.skip_spikes, state.progress, sums.loss / sums.num_targets
        self.checkpoints.let_change()
        verdict = judge(spikes, before, loss=loss, norm=norm)
        if verdict.action == "take":
            self._take(state, sums, loss=loss, norm=norm)
        else:
            self._report_refusal(before, verdict.reason)
            if verdict.action == "go_back":
                self._go_back(state)
            else:
                state.progress = after_refusal(before)
        state.optimizer.zero_grad()
        if state.average:
            state.average.update(state.model, state.progress.step, size=before.batch_factor)
        return verdict.action == "take"

    def _take(self, state: TrainState, sums: StepSums, *, loss: float, norm: float) -> None:
        before, clip = state.progress, self.config.clip_gradient
        state.optimizer.step()
        if state.adapters is not None:
            state.adapters.after_update(before.num_updates + 1)
        progress = after_update(self.config.skip_spikes, before, loss=loss, norm=norm)
        measured = sums.noise_and_signal(norm=norm, size=before.batch_factor, largest_norm=clip)
        state.progress = self.batch_size.after_update(progress, measured)

    def _report_refusal(self, before: Progress, reason: str) -> None:
        if self.metrics is None:
            return
        step, documents = before.step + before.batch_factor, self._documents(before)
        names = ", ".join(documents[:NAMED]) + (" and others" if len(documents) > NAMED else "")
        batch = f"its batch ({names})" if names else "its batch"
        logger.warning("step %d is left out: %s. Nothing was updated with %s.", step, reason, batch)
        told = {"step": step, "reason": reason, "skipped": before.num_skipped + 1, "documents": documents}
        self.metrics.write("skip", told)

    def _documents(self, before: Progress) -> list[str]:
        """What the batch of a step was made of."""
        steps = range(before.step, before.step + before.batch_factor)
        return [name for step in steps for name in self.feed.documents(step)]

    def _go_back(self, state: TrainState) -> None:
        """Takes up the weights and moments with the lowest held-out loss again, in every process."""
        if self.group.leads:
            self.checkpoints.wait()
        before, best_step = state.progress, self.group.agree(state.progress.best_step or 0)
        tensors, best = self.checkpoints.load(best_step)
        state.restore(tensors, after_going_back(before, best))
        if self.metrics is not None:
            logger.warning("going back to the weights of step %d, and on with the batches to come.", best_step)
            self.metrics.write("roll_back", {"step": state.progress.step, "to_step": best_step})

    def _report(self, state: TrainState, clock: "StepClock", outcome: "Outcome") -> None:
        if self.metrics is None or not outcome.taken:
            return
        step, seconds, unit = state.progress.step, clock.seconds, self.config.unit
        tokens_per_second = outcome.num_tokens / seconds
        share_of_peak = tokens_per_second * self.flops_per_token / (self.group.size * self.numerics.peak_gflops * 1e9)
        self.metrics.write("train", {
            "step": step,
            unit: step * self.config.batch_units,
            "loss": outcome.loss,
            "learning_rate": outcome.rate,
            "gradient_norm": outcome.norm,
            "seconds": round(seconds, 4),
            "cpu_seconds": round(clock.cpu_seconds, 4),
            "wait_seconds": round(clock.waited_seconds, 6),
            "tokens_per_second": round(tokens_per_second, 1),
            "share_of_peak": round(share_of_peak, 4),
            **self.batch_size.describe(state.progress),
        })  # fmt: skip
        done, total = step * self.config.batch_units, self.num_steps * self.config.batch_units
        progress("train", done, total, unit=unit, loss=outcome.loss, share_of_peak=share_of_peak)

    def _validate(self, state: TrainState) -> bool:
        """Measures the held-out loss if it is time to; True if it is the best so far."""
        if not self.validation.due(state.progress.step, self.num_steps, size=state.progress.batch_factor):
            return False
        loss, accuracy = self.validation.measure(state.model, self.numerics, self.group)
        before = state.progress
        improved = before.best_loss is None or loss < before.best_loss
        change = (
            {"best_loss": loss, "best_step": before.step, "num_worse": 0}
            if improved
            else {"num_worse": before.num_worse + 1}
        )
        state.progress = self.schedule.after_measurement(before.model_copy(update=change), loss)
        if self.metrics is not None:
            more = {} if math.isnan(accuracy) else {"accuracy": accuracy}
            self.metrics.write("validation", {"step": before.step, "loss": loss, **more, "improved": improved})
            if (factor := state.progress.rate_factor) != before.rate_factor:
                self.metrics.write("plateau", {"step": before.step, "rate_factor": factor})
        return improved

    def _checkpoint(self, state: TrainState, *, improved: bool) -> None:
        keep = improved or state.progress.step == self.kept_step
        is_due = self.metrics is not None and self.checkpoints.is_due(keep=keep)
        check_replicas(state.model, self.group, state.progress.step, is_due=is_due)
        if self.metrics is not None:
            self.metrics.flush()
        if is_due:
            self.checkpoints.write(state)

    def _patience_ended(self, state: TrainState) -> bool:
        patience = self.config.validation.patience
        return patience is not None and state.progress.num_worse >= patience


@dataclass(frozen=True)
class Outcome:
    """What came of a step."""

    loss: float
    """Mean over valid targets, in nats."""
    rate: float
    norm: float
    """Of the gradient, before clipping."""
    taken: bool
    """Whether anything was updated."""
    num_tokens: int
    """That were read, in all processes; of rows with their padding."""


class WaitClock:
    """How long batches have kept the loop waiting, all together."""

    seconds = 0.0

    def timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        while True:
            with span("wait_for_batch") as waited:
                batch = next(batches, None)
            if batch is None:
                return
            self.seconds += waited.seconds
            yield batch


class StepClock:
    """Wall time of a step, from the moment its batch is asked for."""

    def __init__(self, wait: WaitClock) -> None:
        self._wait, self._waited_before = wait, wait.seconds
        self._start, self._cpu_start = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    @property
    def cpu_seconds(self) -> float:
        """Processor time of this process since then, all threads together."""
        return time.process_time() - self._cpu_start

    @property
    def waited_seconds(self) -> float:
        """Time in which the batches of the step were not there yet."""
        return self._wait.seconds - self._waited_before
