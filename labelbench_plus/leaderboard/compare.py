"""Is A better than B, by how much, how sure: setting by setting, and over data sets."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelbench_plus.leaderboard.formatting import (
    amount,
    decimals_for,
    number,
    p_equals,
    percent,
    saving,
)
from labelbench_plus.leaderboard.setting import BoardSetting
from labelbench_plus.leaderboard.statistics import (
    ALPHA,
    FEW_SEEDS,
    Estimate,
    Fits,
    Saving,
    label_saving,
    mean_over_datasets,
    paired_differences,
    probability_of_improvement,
    seeds_to_separate,
    t_interval,
)
from labelbench_plus.leaderboard.tracks import Track, TrackBoard, gains_by_dataset
from labelbench_plus.shown import printable


@dataclass(frozen=True)
class Comparison:
    """A against B in one setting; above zero A is better.

    `area`, `final`: paired differences in AUBC and in the final value. `p`: of the paired t-test of `area`, asked
    alone; `adjusted`: after Holm's adjustment over all pairs of the setting. `wins`: share of seeds at which A is
    better.
    """

    setting: str
    area: Estimate
    final: Estimate
    p: float
    adjusted: float
    wins: Estimate

    @property
    def sure(self) -> bool:
        """Whether this pair, asked alone, differs significantly."""
        return self.p <= ALPHA


def compare_in(setting: BoardSetting, a: str, b: str) -> Comparison | None:
    """Compare A with B in one setting; None where they have no common seed."""
    if a not in setting.areas or b not in setting.areas:
        return None
    gains = setting.paired_gains(a, b)
    if not len(gains):
        return None
    sign = 1 if setting.higher_is_better else -1
    i, j = setting.tests.names.index(a), setting.tests.names.index(b)
    return Comparison(
        setting=setting.name,
        area=t_interval(gains),
        final=t_interval(sign * paired_differences(setting.finals[a], setting.finals[b])),
        p=float(setting.tests.p[i, j]),
        adjusted=float(setting.tests.adjusted[i, j]),
        wins=probability_of_improvement([gains], np.random.default_rng(0)),
    )


def compare_over(settings: Sequence[BoardSetting], a: str, b: str) -> tuple[Estimate, int] | None:
    """Mean gain in AUBC of A over B over data sets, and how many these are; None unless there are at least two."""
    gains = gains_by_dataset(settings, a, b)
    if len(gains) < 2:
        return None
    return mean_over_datasets(list(gains.values()), np.random.default_rng(0)), len(gains)


def saved_against(setting: BoardSetting, a: str, b: str) -> Saving | None:
    """The budget that A saves in reaching the final level of B, None where undefined."""
    if len(setting.budgets) < 2 or setting.budgets[0] < 0:
        return None
    runs = setting.runs.runs
    seeds = sorted(runs[a].keys() & runs[b].keys())
    ours, theirs = (np.stack([runs[name][seed].values for seed in seeds]) for name in (a, b))
    draws = zlib.crc32(f"{setting.name}\n{a}\n{b}".encode())
    fits, fits_of_b = (Fits(setting.budgets, curves, setting.higher_is_better, draws) for curves in (ours, theirs))
    return label_saving(fits, fits_of_b, float(theirs[:, -1].mean()))


def verdict(comparison: Comparison, seeds_needed: float, a: str, b: str, metric: str) -> str:
    """The answer in one sentence; `seeds_needed` would make the difference visible, if it is what it looks like."""
    area = comparison.area
    if math.isnan(comparison.p):
        seen = f"{area.n} common seed{'s' if area.n > 1 else ''} ({number(area.mean, 4, signed=True)} in AUBC"
        flat = area.n >= FEW_SEEDS
        why = ", the same at each: no variance, so no test)" if flat else f", a test takes {FEW_SEEDS})"
        return f"{seen}{why}: too little to compare {a} with {b}."
    decimals = decimals_for([area])
    by = f"{number(abs(area.mean), decimals)} {metric} averaged over the budget"
    low, high = sorted((abs(area.low), abs(area.high)))
    if comparison.sure:
        word = "better" if area.mean > 0 else "worse"
        interval = f"{number(low, decimals)} to {number(high, decimals)}"
        told = f"{a} is {word} than {b} by {by} (95 %: {interval}; n = {area.n}, {p_equals(comparison.p)})"
        if comparison.adjusted > ALPHA:
            return (
                f"Yes, if this pair was your question before you saw results: {told}. No, if you picked it from the "
                f"board: among all its pairs {p_equals(comparison.adjusted)}."
            )
        return f"Yes: {told}."
    interval = f"{number(area.low, decimals, signed=True)} to {number(area.high, decimals, signed=True)}"
    seeds = (
        f"about {amount(seeds_needed)} seeds would show a difference of this size"
        if math.isfinite(seeds_needed)
        else "no feasible number of seeds would show it"
    )
    return (
        f"Not clear: {a} − {b} is {number(area.mean, decimals, signed=True)} (95 %: {interval}; n = {area.n}, "
        f"{p_equals(comparison.p)}); {seeds}."
    )


def report(tracks: Sequence[TrackBoard], a: str, b: str) -> str:
    """The whole answer as text for a terminal, ending in a newline; says so where A and B never meet."""
    blocks = []
    for of_track in tracks:
        found = [(board, s, comparison) for board, s in of_track.members if (comparison := compare_in(s, a, b))]
        if not found:
            continue
        track = of_track.track
        better = "higher" if track.higher_is_better else "lower"
        lines = [printable(f"{track.name}  ({track.metric}, {better} is better; above zero {a} is better)")]
        for board, setting, comparison in found:
            seeds = seeds_to_separate(setting.paired_gains(a, b))
            lines += ["", f"  {printable(board.meta.title)}", f"  {printable(comparison.setting)}"]
            lines.append(f"    {printable(verdict(comparison, seeds, a, b, track.metric))}")
            lines.append(f"    {printable(_details(comparison, saved_against(setting, a, b), b, track))}")
        if over := compare_over([setting for _, setting in of_track.members], a, b):
            mean, datasets = over
            decimals = decimals_for([mean])
            interval = f"{number(mean.low, decimals, signed=True)} to {number(mean.high, decimals, signed=True)}"
            centre = number(mean.mean, decimals, signed=True)
            unit = "" if of_track.measure == track.metric else f" in {of_track.measure}"
            lines += ["", f"  Over {datasets} data sets: {centre}{unit} (95 %: {interval})."]
        blocks.append("\n".join(lines))
    if not blocks:
        known = sorted({name for of_track in tracks for name in of_track.order})
        return printable(f"{a} and {b} have no setting with a common seed; there are: {', '.join(known)}") + "\n"
    return "\n\n".join(blocks) + "\n"


def _details(comparison: Comparison, saved: Saving | None, b: str, track: Track) -> str:
    decimals = decimals_for([comparison.final])
    final = number(comparison.final.mean, decimals, signed=True)
    if math.isfinite(comparison.final.half_width):
        final += f" ± {number(comparison.final.half_width, decimals)}"
    parts = [
        f"better at {percent(comparison.wins.mean)} of seeds "
        f"({percent(comparison.wins.low)} to {percent(comparison.wins.high)})",
        f"final {track.metric} {final}",
    ]
    if not math.isnan(comparison.adjusted):
        parts.append(f"among all pairs of the setting {p_equals(comparison.adjusted)}")
    if saved is not None:
        word = "needs" if saved.censored else "saves"
        parts.append(f"{word} {saving(saved)} of the {track.unit} to end where {b} ends")
    return "; ".join(parts)
