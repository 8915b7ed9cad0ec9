"""LabelBench's `results/` folder (Zhang et al., 2023): its curves, and which of its runs are defective, and why.

A file is `<dataset>[_<corrupter>]/bs_<B>/embed_<E>/model_<M>/trainer_<T>/<strategy>_<seed>.pkl` and holds
`[series, indices]`: for each W&B key a list with one value a round, and the pool indices in the order they were bought.
A point evaluation (another model trained on what a proxy had bought) lies below
`<dataset>_eval/bs_<B>/proxy_<P>/model_<M>/trainer_<T>_eval_trainer_<T2>/` and its files hold `series` alone.
Strategies are called the same with and without the ending `_sampling`.

What the files do not say is not made up: no seconds (`_runtime` is the wall time of shared machines and differs tenfold
within a setting), no count of validation labels, no versions and no hardware.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelbench_plus.importers.imported import ImportedRun, ImportRefused, Reading, as_results, run_id
from labelbench_plus.inputs.plain_pickle import MAX_BYTES, PickleRefused, load_plain
from labelbench_plus.leaderboard.results import Results
from labelbench_plus.leaderboard.runs import COLUMNS, About

LABELS = "Num Labeled"
MOST = 10**12  # labels or indices; what is larger is no count
LONGEST_LICENCE = 2**17
NOT_SCORES = frozenset({LABELS, "Epoch", "i", "Label index", "_step", "_runtime", "_timestamp"})
CORRUPTERS = ("random",)  # the ending of a data set's folder that names one; `noiseless` adds none
UNKNOWN = (
    "seconds and memory: the wall time on record is of shared machines",
    "how many validation labels were used beside the budget (LabelBench's configurations stop early on them)",
    "versions and hardware",
    "whether model initialisation and data order were the same for all strategies at a seed: pairing by seed is known "
    "to hold the first labels fixed, and no more",
)
_PATH = re.compile(
    r"(?P<dataset>[^/]+)/bs_(?P<batch_size>[1-9]\d{0,8})/(?P<how>embed|proxy)_(?P<encoder>[^/]+)/model_(?P<model>[^/]+)/"
    r"trainer_(?P<trainer>[^/]+)/(?P<strategy>[^/]+)_(?P<seed>\d{1,18})\.pkl"
)


@dataclass(frozen=True)
class Place:
    """What a run is, as its path says. `kind` is "selection" or "point_eval"; `corrupter` is empty without one."""

    kind: str
    dataset: str
    corrupter: str
    batch_size: int
    embed: str
    proxy: str
    model: str
    trainer: str
    strategy: str
    seed: int

    @property
    def problem(self) -> str:
        """Data, batch size and what it is learned on, as a heading."""
        parts = [f"{self.batch_size:,} labels a round", self.encoder]
        parts += [f"chosen by {self.proxy}"] if self.proxy else []
        parts += [f"{self.corrupter} wrong labels"] if self.corrupter else []
        return f"{self.dataset} ({', '.join(parts)})"

    @property
    def encoder(self) -> str:
        """The frozen embedding, or that the model is trained whole."""
        return "fine-tuned" if self.embed in ("", "none") else self.embed

    def about(self) -> About:
        """What the board groups by. LabelBench's runs share no table with ours: its protocol is another."""
        facets = {"protocol": "LabelBench, " + ("selection" if self.kind == "selection" else "point evaluation")}
        facets |= {"encoder": self.encoder}
        facets |= {"chosen by": self.proxy} if self.proxy else {}
        facets |= {"label noise": self.corrupter} if self.corrupter else {}
        return About("classification", "labels", self.dataset, facets)


@dataclass(frozen=True)
class Facts:
    """What can be counted in a run's file, and what its defects follow from.

    Attributes
    ----------
    labels: bought after each round, as the run itself counted them (`Num Labeled`).
    indices: how many entries the list of bought indices has; None where there is no list (a point evaluation).
    repeated, missing: of them, how many repeat an earlier one, and how many are None. Of several None, all but one
        repeat the first.
    largest: the largest index; None without one.
    """

    labels: tuple[int, ...]
    indices: int | None
    repeated: int | None
    missing: int | None
    largest: int | None


def read_labelbench(folder: Path, told: Callable[[int, int], None] = lambda done, of: None) -> Reading:
    """Read every pickle below LabelBench's `results/`, or below a checkout of LabelBench that holds it.

    Parameters
    ----------
    told: called after each file with how many of how many were read.

    Raises
    ------
    ImportRefused
        No pickle is there.
    """
    root = folder / "results" if (folder / "results").is_dir() else folder
    files = sorted(root.rglob("*.pkl")) if root.is_dir() else []
    if not files:
        raise ImportRefused(
            f"{folder}: no *.pkl below it; expected LabelBench's results/ folder, with files such as "
            "cifar10/bs_1000/embed_clip_ViTB32/model_linear/trainer_flexmatch/margin_sampling_1234.pkl"
        )
    runs, refused = [], []
    for number, file in enumerate(files, start=1):
        name = file.relative_to(root).as_posix()
        try:
            runs.append(read_file(file, name))
        except (PickleRefused, OSError) as error:
            refused.append(f"{name}: {error}")
        told(number, len(files))
    return Reading(tuple(runs), tuple(refused), _licence(root))


def _licence(root: Path) -> bytes:
    """The licence in the folder of results or in the checkout around it; empty if there is none."""
    for place in (root, root.parent):
        for name in ("LICENSE", "LICENSE.txt"):
            path = place / name
            if path.is_file() and not path.is_symlink() and path.stat().st_size < LONGEST_LICENCE:
                return path.read_bytes()
    return b""


def labelbench_results(runs: Sequence[ImportedRun], metric: str) -> Results:
    """The runs as results for a board that ranks by `metric`, with what is not known of them in its notes.

    Raises
    ------
    ImportRefused
        No run has the metric.
    """
    uneven = uneven_starts(runs)
    notes = [f"LabelBench's files do not say: {fact}" for fact in UNKNOWN]
    if uneven:
        notes.append(f"strategies did not start from the same labels in {'; '.join(uneven)}")
    return as_results(runs, "labelbench", "LabelBench's results, imported", metric, not metric.endswith("loss"), notes)


def read_file(file: Path, name: str) -> ImportedRun:
    """Read one run.

    Parameters
    ----------
    name: its path below `results/`, which says what it is.

    Raises
    ------
    PickleRefused
        The path or the content is not LabelBench's; see `plain_pickle.load_plain`.
    """
    place = place_of(name)
    if file.is_symlink() or not file.is_file():
        raise PickleRefused("not a file of its own (a link)")
    with open(file, "rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    found = load_plain(content)
    if isinstance(found, dict):
        found = [found, None]
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[0], dict)):
        raise PickleRefused("expected [series, indices] or series, a dictionary of lists")
    source = {"from": name, "sha256": hashlib.sha256(content).hexdigest(), "unknown": list(UNKNOWN)}
    return as_run(place, found[0], found[1], source)


def place_of(name: str) -> Place:
    """What a path below `results/` says of its run. PickleRefused for a path of another form."""
    match = _PATH.fullmatch(name)
    if match is None or not name.isprintable():
        raise PickleRefused(
            "the path does not say what it is; expected "
            "<dataset>/bs_<B>/embed_<E> or proxy_<P>/model_<M>/trainer_<T>/<strategy>_<seed>.pkl"
        )
    part = match.groupdict()
    evaluated = part["how"] == "proxy"
    dataset = part["dataset"].removesuffix("_eval") if evaluated else part["dataset"]
    corrupter = next((each for each in CORRUPTERS if dataset.endswith(f"_{each}")), "")
    return Place(
        kind="point_eval" if evaluated else "selection",
        dataset=dataset.removesuffix(f"_{corrupter}") if corrupter else dataset,
        corrupter=corrupter,
        batch_size=int(part["batch_size"]),
        embed="" if evaluated else part["encoder"],
        proxy=part["encoder"] if evaluated else "",
        model=part["model"],
        trainer=part["trainer"],
        strategy=part["strategy"].removesuffix("_sampling"),
        seed=int(part["seed"]),
    )


def as_run(place: Place, series: Mapping[Any, Any], indices: Any, source: Mapping[str, Any]) -> ImportedRun:
    """A run from its series (one value a round and key) and the indices it bought.

    Raises
    ------
    PickleRefused
        It does not say how many labels were bought.
    """
    series = {key: _listed(values) for key, values in series.items() if isinstance(key, str)}
    indices = _listed(indices)
    if isinstance(indices, list):
        indices = [_whole(each) for each in indices]
    facts, scores, defects = count(series, indices), _scores(series), []
    lengths = {len(values) for values in series.values() if isinstance(values, list)}
    if len(lengths) > 1:
        defects.append(f"its series have between {min(lengths)} and {max(lengths)} rounds")
    defects += [*defects_of(place, facts), *_odd_scores(scores)]
    bought = None
    if indices is not None:
        first = indices[: facts.labels[0]]
        bought = {
            "entries": facts.indices,
            "sha256": _digest(indices),
            "first_round_sha256": None if None in first or not first else _digest(sorted(first)),
        }
    return ImportedRun(
        id=run_id({"importer": "labelbench", **asdict(place)}),
        problem=place.problem,
        about=place.about(),
        trainer=f"{place.model} {place.trainer}",
        strategy=place.strategy,
        seed=place.seed,
        labels=facts.labels,
        spent=tuple(map(float, facts.labels)),
        grid=tuple(float(place.batch_size * number) for number in range(1, len(facts.labels) + 1)),
        scores=scores,
        validation_labels=None,
        defects=tuple(defects),
        config=asdict(place),
        source={**source, "bought": bought},
    )


def count(series: Mapping[Any, Any], indices: Any) -> Facts:
    """Count what is in a run's file.

    Raises
    ------
    PickleRefused
        `series` has no list of label counts, or `indices` is no list of integers and None.
    """
    labels = series.get(LABELS)
    if not isinstance(labels, list) or not labels or not all(map(_is_count, labels)):
        raise PickleRefused(f"expected a list of label counts under {LABELS!r}, got {_brief(labels)}")
    if indices is None:
        return Facts(tuple(labels), None, None, None, None)
    if not isinstance(indices, list) or not all(each is None or _is_count(each) for each in indices):
        raise PickleRefused(f"expected a list of pool indices, got {_brief(indices)}")
    there = [each for each in indices if each is not None]
    return Facts(
        labels=tuple(labels),
        indices=len(indices),
        repeated=len(indices) - len(set(indices)),
        missing=len(indices) - len(there),
        largest=max(there, default=None),
    )


def defects_of(place: Place, facts: Facts) -> list[str]:
    """One sentence for each reason why a run's account of its labels cannot be right."""
    found = []
    allowed = [place.batch_size * number for number in range(1, len(facts.labels) + 1)]
    over = [number for number, (has, may) in enumerate(zip(facts.labels, allowed, strict=True)) if has > may]
    under = [number for number, (has, may) in enumerate(zip(facts.labels, allowed, strict=True)) if has < may]
    for rounds, word in ((over, "over"), (under, "under")):
        if rounds:
            first = rounds[0]
            found.append(
                f"{word} budget in {len(rounds)} of {len(allowed)} rounds, first in round {first}: "
                f"{facts.labels[first]:,} labels where {allowed[first]:,} are declared"
            )
    if facts.indices is None or facts.repeated is None or facts.missing is None:
        return found
    if facts.indices == 0:
        return [*found, f"its list of bought indices is empty, for {facts.labels[-1]:,} labels"]
    if facts.missing:
        found.append(f"{facts.missing:,} of its {facts.indices:,} bought indices are lost")
    if facts.indices != facts.labels[-1]:
        found.append(f"{facts.indices:,} bought indices are listed for {facts.labels[-1]:,} labels")
    if repeated := facts.repeated - max(facts.missing - 1, 0):
        found.append(f"{repeated:,} of its bought indices repeat earlier ones")
    return found


def uneven_starts(runs: Iterable[ImportedRun]) -> list[str]:
    """Where strategies did not start from the same first labels at a seed, as far as the files tell."""
    starts: dict[tuple[str, str, int], set[str]] = {}
    for run in runs:
        if (run.source["bought"] or {}).get("first_round_sha256"):
            place = (run.problem, run.trainer, run.seed)
            starts.setdefault(place, set()).add(run.source["bought"]["first_round_sha256"])
    return [f"{problem} × {trainer}, seed {seed}" for (problem, trainer, seed), sets in starts.items() if len(sets) > 1]


def _scores(series: Mapping[Any, Any]) -> dict[str, tuple[float, ...]]:
    """The series that are scores, under names in small letters; what is no number is NaN."""
    rounds = len(series[LABELS])
    found = {}
    for key, values in series.items():
        name = re.sub(r"\W+", "_", key.strip().lower())
        if key in NOT_SCORES or name in COLUMNS or not isinstance(values, list):
            continue
        numbers = [_number(each) for each in values[:rounds]]
        numbers += [math.nan] * (rounds - len(numbers))
        if not all(map(math.isnan, numbers)):
            found[name] = tuple(numbers)
    return found


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or (isinstance(value, int) and abs(value) > MOST):
        return math.nan
    return float(value)


def _whole(value: Any) -> Any:
    """W&B hands back some whole numbers as floats: 1105802.0 is the index 1105802."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST


def _listed(value: Any) -> Any:
    """An array of one dimension as a list; anything else unchanged."""
    return value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value


def _odd_scores(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """Shares that lie outside 0 to 1."""
    return [
        f"{name} is {value:g} in round {number}, not within 0 to 1"
        for name, values in sorted(scores.items())
        if name.endswith(("accuracy", "f1")) and not name.startswith("std_")
        for number, value in enumerate(values)
        if not math.isnan(value) and not 0 <= value <= 1
    ][:1]


def _digest(indices: list[int | None]) -> str:
    return hashlib.sha256(",".join(map(str, indices)).encode()).hexdigest()


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
