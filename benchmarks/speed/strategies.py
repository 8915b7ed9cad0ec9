"""Speed of the selection primitives beside a textbook loop and public packages.

python -m benchmarks.speed.strategies --n 2000 50000 --d 64 512 --only k_center badge --rivals --out speed.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.case import Case, SpeedSetting, all_cases
from benchmarks.speed.data import CLASSES, POOLS, speed_pool
from benchmarks.speed.frame import Measurement, environment, measure, table


def main(arguments: list[str] | None = None) -> None:
    cases = all_cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[2000, 10_000, 50_000], help="pool sizes")
    parser.add_argument("--d", type=int, nargs="+", default=[512], help="numbers of features")
    parser.add_argument("--classes", type=int, nargs="+", default=[CLASSES], help="numbers of classes")
    parser.add_argument("--pool", choices=POOLS, default="kind", help="how rows are drawn: see data.py")
    parser.add_argument("--labelled", type=int, default=500, help="size of the labelled set")
    parser.add_argument("--batch", type=int, nargs="+", default=[1000], help="rows to pick")
    parser.add_argument("--only", nargs="+", choices=sorted(cases), default=sorted(cases), help="primitives")
    parser.add_argument("--rivals", action="store_true", help="also run the public packages that are installed")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved runs of each")
    parser.add_argument("--threads", type=int, default=1, help="threads of the numerical libraries")
    parser.add_argument("--seed", type=int, default=0, help="of the pool and of the picking")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args(arguments)

    records: list[dict[str, Any]] = []
    measured: set[tuple[object, ...]] = set()
    for n, d, classes in itertools.product(options.n, options.d, options.classes):
        pool = POOLS[options.pool](n, d, classes, options.labelled, options.seed)
        for batch, name in itertools.product(sorted({min(batch, n) for batch in options.batch}), options.only):
            case = cases[name]
            axes = {"d": d, "K": classes, "B": batch}
            point = (name, n, *(value for axis, value in axes.items() if axis in case.axes))
            if n > case.largest or point in measured:
                continue
            measured.add(point)
            print(f"{name}, N = {n}, d = {d}, K = {classes}, B = {batch}", file=sys.stderr, flush=True)
            found = run(case, SpeedSetting(pool, batch, options.seed), options.repeats, options.threads, options.rivals)
            records += [
                {"case": name, "n": n, "d": d, "classes": classes, "batch": batch, "labelled": options.labelled}
                | {"quality_name": case.quality_name}
                | record
                for record in found
            ]
    print(report(records))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(
            json.dumps({"environment": environment(options.threads), "records": records}, indent=1) + "\n"
        )


def run(case: Case, setting: SpeedSetting, repeats: int, threads: int, rivals: bool) -> list[dict[str, Any]]:
    """Measure one case on one setting; a rival that is missing, fails or is too slow for it is left out, aloud."""
    # A first call on a small pool, so that imports and set-up are not measured.
    small = SpeedSetting(speed_pool(300, 16, 5, 10), 5)
    case.ours(small)
    calls: dict[str, Callable[[SpeedSetting], Any]] = {"ours": case.ours}
    rows = len(setting.pool.features)
    if case.textbook and rows <= case.textbook_largest and rows * setting.batch <= case.textbook_work:
        case.textbook(small)
        calls["textbook"] = case.textbook
    for name, rival in case.rivals.items() if rivals else []:
        if not rival.fits(setting):
            print(f"  {name}: skipped, too much for it", file=sys.stderr)
            continue
        try:
            rival.run(small)
        except Exception as error:  # whatever a foreign package raises
            print(f"  {name}: skipped, {type(error).__name__}: {error}", file=sys.stderr)
        else:
            calls[name] = rival.run
    callables = {name: partial(call, setting) for name, call in calls.items()}
    found = measure(
        callables, repeats=repeats, threads=threads, quality=lambda picks: case.quality(setting, np.asarray(picks))
    )
    compared = case.same_picks and "textbook" in found
    reference = np.asarray(found["textbook"].results[0]) if compared else None
    return [_record(entry, found["ours"], reference) for entry in found.values()]


def _record(entry: Measurement, ours: Measurement, reference: np.ndarray | None) -> dict[str, Any]:
    return {
        "method": entry.name,
        "cpu_seconds": entry.cpu_seconds,
        "wall_seconds": entry.wall_seconds,
        "cpu_over_ours": entry.cpu / ours.cpu,
        "peak_bytes": entry.peak_bytes,
        "quality": entry.quality,
        "picks_of_textbook": None if reference is None else _agreement(np.asarray(entry.results[0]), reference),
    }


def _agreement(picks: np.ndarray, reference: np.ndarray) -> str:
    """How far picks are those of the textbook, which rounds to single precision and so orders near ties anyhow."""
    if np.array_equal(picks, reference):
        return "same"
    common = len(np.intersect1d(picks, reference))
    return "same set" if common == len(reference) else f"{common} in common"


def report(records: list[dict[str, Any]]) -> str:
    """The figures as text: CPU seconds as median (least – most), and how many times ours each one takes."""
    header = [
        "case",
        "N",
        "d",
        "K",
        "B",
        "method",
        "CPU s",
        "(min – max)",
        "wall s",
        "× ours",
        "peak MB",
        "quality",
        "picks",
    ]
    rows = []
    for record in records:
        cpu, wall = record["cpu_seconds"], record["wall_seconds"]
        rows.append(
            [
                record["case"],
                *(str(record[axis]) for axis in ("n", "d", "classes", "batch")),
                record["method"],
                f"{np.median(cpu):.3f}",
                f"({min(cpu):.3f} – {max(cpu):.3f})",
                f"{np.median(wall):.3f}",
                f"{record['cpu_over_ours']:.1f}",
                "" if record["peak_bytes"] is None else f"{record['peak_bytes'] / 1e6:.0f}",
                "" if record["quality"] is None else f"{record['quality']:.6g}",
                record["picks_of_textbook"] or "",
            ]
        )
    named = sorted({(record["case"], record["quality_name"]) for record in records})
    return "\n".join([table(header, rows), "", *(f"quality of {case}: {name}" for case, name in named)])


if __name__ == "__main__":
    main()
