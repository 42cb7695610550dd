"""How much of each group a mixture takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.corpus.mix.config import ROUNDING, Cap, MixConfig
from headrace.errors import RecipeError

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Amounts:
    """What G groups give, in the measure of the mixture."""

    wanted: Numbers
    limits: Numbers
    """The most there is of each group: its cap, or `max_repeats` times all of it."""

    limited_by: tuple[str, ...]
    """Which of the two it was, where it cut the group's share; else ""."""


def share_out(
    names: Sequence[str], sizes: Numbers, config: MixConfig, *, mean_bytes: Numbers, mean_documents: Numbers
) -> Amounts:
    """What each group gives of `config.total`.

    sizes: (G,) each group's own size in the measure. mean_bytes, mean_documents: (G,) bytes and documents that a unit
    of the measure stands for. Raises RecipeError for targets that cannot be reached.
    """
    for name in {**(config.targets or {}), **config.caps}:
        if name not in names and name != "*":
            raise RecipeError(f"mix: no document has {config.by} = {name}; there are {', '.join(names)}.")
    caps = [_cap_size(config.caps.get(name, config.caps.get("*"))) for name in names]
    capped = np.array(
        [
            min(documents / per_document, most_bytes / per_byte, epochs * size)
            for (documents, most_bytes, epochs), per_document, per_byte, size in zip(
                caps, mean_documents, mean_bytes, sizes, strict=True
            )
        ]
    )
    limits = np.minimum(capped, config.max_repeats * sizes)
    if config.targets is None and config.alpha is None:
        total = float(sizes.sum()) if config.total is None else float(config.total)
        wanted = sizes * total / sizes.sum()
        taken = np.minimum(wanted, limits)
    else:
        total = float(config.total or sizes.sum())
        wanted, is_fixed = _shares(names, sizes, config)
        wanted *= total
        _check_targets(names, wanted, config, limits=limits, is_fixed=is_fixed)
        taken = fill(wanted, limits, is_fixed=is_fixed)
    is_short = (taken < wanted * (1 - ROUNDING)) & (wanted > limits * (1 + ROUNDING))
    kinds = np.where(capped < config.max_repeats * sizes, "cap", "max_repeats")
    return Amounts(taken, limits, tuple(np.where(is_short, kinds, "").tolist()))


def fill(wanted: Numbers, limits: Numbers, *, is_fixed: npt.NDArray[np.bool_]) -> Numbers:
    """What is wanted, within limits; what a limit takes away goes to the other groups in proportion.

    Fixed groups get what they want. The sum is that of `wanted` unless all limits together are less.
    """
    taken, is_open, left = np.where(is_fixed, wanted, 0.0), ~is_fixed & (wanted > 0), float(wanted[~is_fixed].sum())
    while is_open.any():
        offered = wanted * (left / wanted[is_open].sum())
        is_full = is_open & (offered >= limits)
        if not is_full.any():
            taken[is_open] = offered[is_open]
            break
        taken[is_full] = limits[is_full]
        left -= float(limits[is_full].sum())
        is_open &= ~is_full
    return taken


def _cap_size(cap: Cap | None) -> tuple[float, float, float]:
    limits = (cap.max_documents, cap.max_bytes, cap.max_epochs) if cap else (None, None, None)
    documents, most_bytes, epochs = (np.inf if limit is None else float(limit) for limit in limits)
    return documents, most_bytes, epochs


def _shares(names: Sequence[str], sizes: Numbers, config: MixConfig) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Each group's share of the whole, and whether the user gave it."""
    targets = config.targets or {}
    shares = np.array([targets.get(name, 0.0) for name in names])
    is_fixed = np.array([name in targets for name in names], np.bool_)
    left = 1 - sum(targets.values())
    others = [name for name in names if name not in targets]
    if left <= ROUNDING and others:
        raise RecipeError(f"mix: the targets leave nothing for {', '.join(others)}; give them a share, 0 included.")
    if left > ROUNDING and not others:
        raise RecipeError(f"mix: the targets make only {1 - left:.1%}, and every group is named; want 100%.")
    weights = np.where(is_fixed, 0.0, np.power(sizes, 1.0 if config.alpha is None else config.alpha))
    return shares + left * weights / max(float(weights.sum()), 1e-300), is_fixed


def _check_targets(
    names: Sequence[str],
    wanted: Numbers,
    config: MixConfig,
    *,
    limits: Numbers,
    is_fixed: npt.NDArray[np.bool_],
) -> None:
    """Refuses targets that need more of a group than there is, and says how large the mixture can be."""
    total = float(wanted.sum())
    lacking = np.flatnonzero(is_fixed & (wanted > limits * (1 + ROUNDING)))
    if not len(lacking):
        return
    worst = lacking[np.argmin(limits[lacking] / wanted[lacking])]
    best = total * float(limits[worst] / wanted[worst])
    raise RecipeError(
        f"mix: {names[worst]} is to be {wanted[worst] / total:.1%} of {total:,.0f} {config.measure}, but its limit is "
        f"{limits[worst]:,.0f} {config.measure} (max_repeats {config.max_repeats:g}, or its cap). With these targets "
        f"the best possible is total: {int(best)}; or raise the limit, or lower the target."
    )
