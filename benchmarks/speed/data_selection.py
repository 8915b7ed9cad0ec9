"""Speed of the scores of data selection beside their defining formulas, and memory of a whole selection.

python -m benchmarks.speed.data_selection                                # scores, N = 20,000, d = 512 and 768
python -m benchmarks.speed.data_selection --rows 100000 --targets 5000 20000 --batch 32768 --out speed.json
python -m benchmarks.speed.data_selection --pipeline 1000000             # two stages on a million rows, on disk

Every score is measured beside a plain implementation of its formula, in one process, on the same input, in turn. What
takes the plain formula too long on all rows is measured on the first of them (column "rows"), which a rate allows as
every row costs the same. Single precision from half-precision vectors on both sides.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.frame import environment, limited_threads, measure, table
from labelbench_plus.algorithms.neg_clip_loss import neg_clip_loss
from labelbench_plus.algorithms.norm_sim import norm_sim
from labelbench_plus.algorithms.second_moment import gram
from labelbench_plus.algorithms.variance_alignment import variance_alignment

SHARE_OF_SURVIVORS = 0.3
PLAIN_CHUNK = 3000  # rows of the plain formulas' similarity matrix, as in the authors' program


@dataclass(frozen=True)
class Input:
    """Vectors of a measurement, unit rows in half precision."""

    images: Tensor
    texts: Tensor
    targets: Tensor


def made(rows: int, width: int, targets: int, seed: int = 0) -> Input:
    """Unit vectors with a common part, so that similarities are about as spread as real ones."""
    rng = torch.Generator().manual_seed(seed)

    def unit(count: int) -> Tensor:
        found = torch.empty(count, width, dtype=torch.float16)
        for part in range(0, count, 8192):
            values = torch.randn(min(8192, count - part), width, generator=rng) + 0.4
            found[part : part + 8192] = torch.nn.functional.normalize(values, dim=1).half()
        return found

    return Input(unit(rows), unit(rows), unit(targets))


def plain_variance_alignment(data: Input, rows: int) -> Tensor:
    targets = data.targets.float()
    moment = targets.T @ targets / len(targets)
    images = data.images[:rows].float()
    return ((images @ moment) * images).sum(dim=1)


def plain_norm_sim(data: Input, rows: int, p: float) -> Tensor:
    targets = data.targets.float()
    parts = data.images[:rows].split(PLAIN_CHUNK)
    return torch.cat([torch.linalg.vector_norm(part.float() @ targets.T, ord=p, dim=1) for part in parts])


def plain_neg_clip_loss(data: Input, rows: int, temperature: float = 0.01) -> Tensor:
    images, texts = data.images[:rows].float(), data.texts[:rows].float()
    similarity = images @ texts.T
    scaled = similarity / temperature
    weights = scaled.exp()
    loss = weights.sum(dim=1).log() + weights.sum(dim=0).log()
    return similarity.diagonal() - temperature / 2 * loss


def bare_product(data: Input, rows: int) -> Tensor:
    """The floor of every score that looks at all pairs: products alone, in tiles that stay in cache, nothing done."""
    targets = data.targets[:4096].float()
    tile = torch.empty(512, len(targets))
    block = data.images[:512].float()
    for _ in range(0, rows * len(data.targets) // len(targets), 512):
        torch.mm(block, targets.T, out=tile)
    return tile[:, 0]


def scores(rows: int, width: int, targets: int, batch: int, repeats: int) -> list[dict[str, Any]]:
    """Measure every score once ours and once plain, at one size."""
    data = made(max(rows, batch), width, targets)
    survivors = int(SHARE_OF_SURVIVORS * rows)
    few = min(rows, max(2000, 4_000_000_000_000 // (2 * targets * width) // 100))
    whole = [[np.arange(batch)]]
    pairs: dict[str, tuple[Callable[[], Tensor], int, Callable[[], Tensor], int, float]] = {
        # ours, its rows, the formula, its rows, FLOP a row of ours
        "VAS": (
            lambda: variance_alignment(data.images[:rows], gram(data.targets) / targets),
            rows,
            lambda: plain_variance_alignment(data, rows),
            rows,
            2.0 * width * width,
        ),
        "NormSim_2": (
            lambda: norm_sim(data.images[:rows], data.targets, 2),
            rows,
            lambda: plain_norm_sim(data, few, 2),
            few,
            2.0 * width * width,
        ),
        "NormSim_inf": (
            lambda: norm_sim(data.images[:survivors][:few], data.targets),
            min(few, survivors),
            lambda: plain_norm_sim(data, few, torch.inf),
            few,
            2.0 * width * targets,
        ),
        "bare product": (
            lambda: bare_product(data, few),
            few,
            lambda: bare_product(data, few),
            few,
            2.0 * width * targets,
        ),
        "negCLIPLoss": (
            lambda: neg_clip_loss(data.images[:batch], data.texts[:batch], whole),
            batch,
            lambda: plain_neg_clip_loss(data, batch),
            batch,
            2.0 * width * batch,
        ),
    }
    records = []
    for name, (ours, our_rows, formula, their_rows, flop) in pairs.items():
        print(f"{name}, N = {rows}, d = {width}, M = {targets}, B = {batch}", file=sys.stderr, flush=True)
        calls = {"ours": ours} if name == "bare product" else {"ours": ours, "formula": formula}
        found = measure(calls, repeats=repeats)
        per_row = {
            method: entry.cpu / (our_rows if method == "ours" else their_rows) for method, entry in found.items()
        }
        worst = None
        if "formula" in found:
            mine, theirs = found["ours"].results[0], found["formula"].results[0]
            common = min(len(mine), len(theirs))
            worst = float(((mine[:common] - theirs[:common]).abs() / theirs[:common].abs().clamp(min=1e-3)).max())
        for method, entry in found.items():
            count = our_rows if method == "ours" else their_rows
            records.append(
                {
                    "score": name,
                    "method": method,
                    "rows": count,
                    "d": width,
                    "targets": targets,
                    "batch": batch,
                    "cpu_seconds": entry.cpu_seconds,
                    "rows_per_second": count / entry.cpu,
                    "gflops": flop * count / entry.cpu / 1e9 if method == "ours" else None,
                    "times_ours": per_row[method] / per_row["ours"],
                    "peak_bytes": entry.peak_bytes,
                    "largest_difference": worst,
                }
            )
    return records


def pipeline(rows: int, width: int, targets: int, batch: int) -> dict[str, Any]:
    """A two-stage selection from arrays on disk, in a process of its own; its peak of resident memory."""
    with tempfile.TemporaryDirectory(prefix="lbp-speed-") as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        for side in ("images", "texts"):
            mapped = np.lib.format.open_memmap(folder / f"{side}.npy", "w+", np.float16, (rows, width))
            for start in range(0, rows, 8192):
                values = rng.standard_normal((min(8192, rows - start), width), dtype=np.float32) + 0.4
                mapped[start : start + 8192] = values / np.linalg.norm(values, axis=1, keepdims=True)
            mapped.flush()
        np.save(folder / "targets.npy", made(1, width, targets).targets.numpy())
        code = PIPELINE.format(folder=name, rows=-(-rows // 4), batch=batch)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"rows": rows, "d": width, "targets": targets, "batch": batch, **found}


PIPELINE = """
import json, os, time
os.environ["OMP_NUM_THREADS"] = "1"
import torch
torch.set_num_threads(1)
from pathlib import Path
from labelbench_plus.data_selection.spec import Selection
from labelbench_plus.data_selection.workspace import Workspace, plan
folder = Path("{folder}")
pool = {{"name": "pair_arrays", "images": str(folder / "images.npy"), "texts": str(folder / "texts.npy"),
         "targets": [str(folder / "targets.npy")], "shard_rows": {rows}}}
loss = {{"name": "neg_clip_loss", "batch": {batch}, "draws": 1}}
stages = {{"name": "two_stage", "fraction": 0.3,
           "first": {{"name": "two_stage", "first": "vas", "second": loss, "fraction": 1.0}}, "second": "norm_sim"}}
def peak():  # ru_maxrss would begin with what the parent held
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before = peak()
workspace = Workspace(plan(Selection.model_validate({{"pool": pool, "strategy": stages, "fraction": 0.2}}), folder))
seconds = {{}}
for phase in workspace.phases():
    for task in phase:
        start = time.process_time()
        workspace.carry_out(task)
        name = f"{{task.kind}} {{workspace.stages[task.stage].scorer.name}}" if task.kind != "write" else "write"
        seconds[name] = seconds.get(name, 0) + time.process_time() - start
print(json.dumps({{"cpu_seconds": seconds, "peak_bytes": peak(),
                   "peak_bytes_before": before}}))
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000], help="N; none with 0")
    parser.add_argument("--d", type=int, nargs="+", default=[512, 768], help="columns")
    parser.add_argument("--targets", type=int, nargs="+", default=[5000, 20_000], help="M")
    parser.add_argument("--batch", type=int, default=4096, help="B of negCLIPLoss; the formula takes 12 B² bytes")
    parser.add_argument("--pipeline", type=int, help="rows of a whole selection on disk")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args(arguments)
    records: list[dict[str, Any]] = []
    with limited_threads(options.threads):
        for rows in filter(None, options.rows):
            for width in options.d:
                for targets in options.targets:
                    records += scores(rows, width, targets, options.batch, options.repeats)
    whole = (
        pipeline(options.pipeline, max(options.d), max(options.targets), options.batch) if options.pipeline else None
    )
    if records:
        print(report(records))
    if whole:
        print(json.dumps(whole, indent=1))
    if options.out is not None:
        content = {"environment": environment(options.threads), "scores": records, "pipeline": whole}
        options.out.write_text(json.dumps(content, indent=1) + "\n")


def report(records: list[dict[str, Any]]) -> str:
    """The figures as text."""
    header = ["score", "method", "rows", "d", "M", "B", "CPU s", "rows/s", "GFLOP/s", "× ours", "peak MB", "difference"]
    lines = [
        [
            record["score"],
            record["method"],
            *(str(record[name]) for name in ("rows", "d", "targets", "batch")),
            f"{np.median(record['cpu_seconds']):.2f}",
            f"{record['rows_per_second']:,.0f}",
            "" if record["gflops"] is None else f"{record['gflops']:.0f}",
            f"{record['times_ours']:.1f}",
            "" if record["peak_bytes"] is None else f"{record['peak_bytes'] / 1e6:.0f}",
            "" if record["largest_difference"] is None else f"{record['largest_difference']:.1e}",
        ]
        for record in records
    ]
    return table(header, lines)


if __name__ == "__main__":
    main()
