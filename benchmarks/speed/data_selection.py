"""Speed of the scores of data selection beside their defining formulas, and memory of a whole selection.

python -m benchmarks.speed.data_selection                                # scores, N = 20,000, d = 512 and 768
python -m benchmarks.speed.data_selection --rows 100000 1000000 --batch 32768 --out speed.json      # the grid
python -m benchmarks.speed.data_selection --only norm_sim_2 --rows 100000 --d 768 --targets 20000   # one cell
python -m benchmarks.speed.data_selection --rows 0 --pipeline 1000000    # two stages on a million rows, on disk

Every cell (a score at one size) is measured in a process of its own: ours beside a plain implementation of the defining
formula, on the same input, in turn, so that a change in the load hits both. What takes too long on all rows is measured
on the first of them (column "rows"), which a rate allows as every row costs the same. Single precision from
half-precision vectors on both sides.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.frame import environment, limited_threads, measure, table
from labelbench_plus.algorithms.blocks.row_blocks import BLOCK_ROWS
from labelbench_plus.algorithms.blocks.second_moment import gram
from labelbench_plus.algorithms.neg_clip_loss import neg_clip_loss
from labelbench_plus.algorithms.norm_sim import TARGET_BLOCK, norm_sim
from labelbench_plus.algorithms.variance_alignment import variance_alignment

SCORES = ("vas", "norm_sim_2", "norm_sim_inf", "neg_clip_loss")
SHARE_OF_SURVIVORS = 0.3
FORMULA_FLOP = 4e11  # of products in what is measured of a score that looks at all targets: some seconds
VAS_FORMULA_ROWS = 100_000  # the formula holds them all at once, twice, in single precision
PLAIN_CHUNK = 3000  # rows of the plain formulas' similarity matrix, as in the authors' program


@dataclass(frozen=True)
class Input:
    """Vectors of a measurement, unit rows in half precision."""

    images: Tensor
    texts: Tensor
    targets: Tensor


def made(rows: int, width: int, targets: int, *, texts: bool = False) -> Input:
    """Unit vectors with a common part, so that similarities are about as spread as real ones; texts if asked for."""
    rng = torch.Generator().manual_seed(0)

    def unit(count: int) -> Tensor:
        found = torch.empty(count, width, dtype=torch.float16)
        for part in range(0, count, 8192):
            values = torch.randn(min(8192, count - part), width, generator=rng) + 0.4
            found[part : part + 8192] = torch.nn.functional.normalize(values, dim=1).half()
        return found

    return Input(unit(rows), unit(rows if texts else 0), unit(targets))


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
    targets = data.targets[:TARGET_BLOCK].float()
    block = data.images[:BLOCK_ROWS].float()
    tile = torch.empty(len(block), len(targets))
    for _ in range(0, rows * len(data.targets) // len(targets), BLOCK_ROWS):
        torch.mm(block, targets.T, out=tile)
    return tile[:, 0]


@dataclass(frozen=True)
class Cell:
    """One score at one size: N rows of d columns, M targets, or for negCLIPLoss a batch of B."""

    score: str
    rows: int
    d: int
    targets: int
    batch: int


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """The cells asked for. What does not depend on a size has one cell for all of its values."""
    for name, width in itertools.product(options.only, options.d):
        if name == "neg_clip_loss":
            yield Cell(name, options.batch, width, 0, options.batch)
        else:
            for rows, targets in itertools.product(filter(None, options.rows), options.targets):
                yield Cell(name, rows, width, targets, 0)


def measured(cell: Cell, repeats: int) -> list[dict[str, Any]]:
    """Measure ours and the formula in this process."""
    rows, width, targets = cell.rows, cell.d, cell.targets
    per_pair = 2.0 * width * max(targets, 1)
    some = min(rows, max(2000, int(FORMULA_FLOP / per_pair)))
    calls: dict[str, tuple[Callable[[], Tensor], int, float | None]]  # the call, its rows, FLOP a row where comparable
    if cell.score == "neg_clip_loss":
        data = made(rows, width, 1, texts=True)
        flop, whole = 2.0 * width * rows, [[np.arange(rows)]]
        calls = {
            "ours": (lambda: neg_clip_loss(data.images, data.texts, whole), rows, flop),
            "formula": (lambda: plain_neg_clip_loss(data, rows), rows, flop),
        }
    elif cell.score == "norm_sim_inf":
        count = min(some, int(SHARE_OF_SURVIVORS * rows))
        data = made(count, width, targets)
        calls = {
            "ours": (lambda: norm_sim(data.images, data.targets), count, per_pair),
            "formula": (lambda: plain_norm_sim(data, count, torch.inf), count, per_pair),
            "bare product": (lambda: bare_product(data, count), count, per_pair),
        }
    elif cell.score == "norm_sim_2":
        data = made(rows, width, targets)
        calls = {
            "ours": (lambda: norm_sim(data.images, data.targets, 2), rows, None),
            "formula": (lambda: plain_norm_sim(data, some, 2), some, per_pair),
        }
    else:
        data = made(rows, width, targets)
        few = min(rows, VAS_FORMULA_ROWS)
        calls = {
            "ours": (lambda: variance_alignment(data.images, gram(data.targets) / targets), rows, None),
            "formula": (lambda: plain_variance_alignment(data, few), few, 2.0 * width * width),
        }
    found = measure({method: call for method, (call, _, _) in calls.items()}, repeats=repeats)
    ours, theirs = found["ours"].results[0], found["formula"].results[0]
    common = min(len(ours), len(theirs))
    difference = (ours[:common] - theirs[:common]).abs() / theirs[:common].abs().clamp(min=1e-3)
    own = found["ours"].cpu / calls["ours"][1]
    return [
        {
            **asdict(cell),
            "method": method,
            "measured_rows": count,
            "cpu_seconds": found[method].cpu_seconds,
            "rows_per_second": count / found[method].cpu,
            "gflops": None if flop is None else flop * count / found[method].cpu / 1e9,
            "times_ours": found[method].cpu / count / own,
            "peak_bytes": found[method].peak_bytes,
            "largest_difference": float(difference.max()) if method == "ours" else None,
        }
        for method, (_, count, flop) in calls.items()
    ]


def apart(cell: Cell, repeats: int, threads: int) -> list[dict[str, Any]]:
    """`measured` in a process of its own."""
    print(cell, file=sys.stderr, flush=True)
    command = [sys.executable, "-m", __spec__.name, "--cell", json.dumps(asdict(cell))]
    command += ["--repeats", str(repeats), "--threads", str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


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
from labelbench_plus.pairs.spec import Selection
from labelbench_plus.pairs.workspace import Workspace, plan
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
    parser.add_argument("--only", nargs="+", choices=SCORES, default=SCORES, help="which scores")
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000], help="N; no scores with 0")
    parser.add_argument("--d", type=int, nargs="+", default=[512, 768], help="columns")
    parser.add_argument("--targets", type=int, nargs="+", default=[5000, 20_000], help="M")
    parser.add_argument("--batch", type=int, default=4096, help="B of negCLIPLoss; the formula takes 12 B² bytes")
    parser.add_argument("--pipeline", type=int, help="rows of a whole selection on disk")
    parser.add_argument("--pipeline-batch", type=int, default=4096, help="B of negCLIPLoss in it")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    parser.add_argument("--cell", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.cell is not None:
        with limited_threads(options.threads):
            print(json.dumps(measured(Cell(**options.cell), options.repeats)))
        return
    asked = cells(options) if any(options.rows) else ()
    records = [record for cell in asked for record in apart(cell, options.repeats, options.threads)]
    whole = (
        pipeline(options.pipeline, max(options.d), max(options.targets), options.pipeline_batch)
        if options.pipeline
        else None
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
    header = ["score", "method", "N", "rows", "d", "M", "CPU s", "rows/s", "GFLOP/s", "× ours", "peak MB", "difference"]
    lines = [
        [
            record["score"],
            record["method"],
            *(str(record[name]) for name in ("rows", "measured_rows", "d", "targets")),
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
