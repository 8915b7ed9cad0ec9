"""Bring your own data: one .npz file with the three splits."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import numpy as np

from labelbench_plus.answers import FLOATS
from labelbench_plus.content import state_of
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._files import fingerprint
from labelbench_plus.datasets._labels import only_elsewhere
from labelbench_plus.plugins import Infra, Outside

PARTS = ("pool", "validation", "test")
REQUIRED = tuple(f"{part}_{what}" for part in PARTS for what in ("inputs", "labels"))
TOKENS = tuple(f"pool_token_{what}" for what in ("lengths", "entropy", "first", "second"))
COLUMN = "pool_column_"
OPTIONAL = ("class_names", "pool_prices", *TOKENS)


@datasets.register("arrays")
@dataclass(frozen=True)
class Arrays(Dataset):
    """Your own examples, from a file made with `numpy.savez`.

    It holds `pool_inputs`, `pool_labels`, `validation_inputs`, `validation_labels`, `test_inputs` and `test_labels`.
    Inputs are uint8 images (n, height, width) or (n, height, width, 3) whose values span 0..255, or finite floats
    (n, d). Labels are classes, integers (n,) in 0..K-1, or real values, finite floats (n,) of one type in all parts,
    for the problem `regression`. Ties between examples go to the lower pool index: shuffle a pool that is sorted by
    label.

    It may hold `class_names` (K,), without which every class has to occur somewhere; `pool_prices` (n,), what each
    label costs; and, for texts that a language model has read, `pool_token_lengths` (n,) with `pool_token_entropy`,
    `pool_token_first` and `pool_token_second`, one entry a token (`algorithms.token_uncertainty.token_statistics`).
    Any `pool_column_NAME` (n, ...) of numbers or strings is public: strategies that need NAME read it as `view.NAME`.

    Parameters
    ----------
    path: the file. What counts for a run's identity is its content, not where it lies.

    Example
    -------
    dataset: {name: arrays, path: embeddings.npz}
    """

    title = "Your own arrays"

    path: Annotated[Path, Infra(), Outside("files")]

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        path = self.path.expanduser()
        if not zipfile.is_zipfile(path):  # what is wrong with it, `load` says
            return frozenset()
        with zipfile.ZipFile(path) as file:
            names = {name.removesuffix(".npy") for name in file.namelist()}
        columns = {name.removeprefix(COLUMN) for name in names if name.startswith(COLUMN)}
        return frozenset(columns | ({"token_uncertainty"} if TOKENS[0] in names else set()))

    def load(self) -> LabelledData:
        """Read and check the file.

        Raises
        ------
        FileNotFoundError
            The file does not exist.
        ValueError
            It is not as described above; the message lists everything that is wrong.
        """
        content = _read(self.path.expanduser())
        if problems := _problems(content):
            raise ValueError(f"{self.path}: " + "; ".join(problems))
        pool, validation, test = (
            Split(content[f"{part}_inputs"], _labels(content[f"{part}_labels"])) for part in PARTS
        )
        if pool.labels.dtype.kind == "f":
            names: tuple[str, ...] = ()
        elif "class_names" in content:
            names = tuple(map(str, content["class_names"]))
        else:
            classes = 1 + max(int(split.labels.max()) for split in (pool, validation, test))
            names = tuple(map(str, range(classes)))
        prices = content.get("pool_prices")
        columns = {name.removeprefix(COLUMN): column for name, column in content.items() if name.startswith(COLUMN)}
        if TOKENS[0] in content:
            columns["token_uncertainty"] = _token_uncertainty(content)
        return LabelledData(
            pool,
            validation,
            test,
            names,
            pool_prices=None if prices is None else prices.astype(np.float64),
            columns=columns,
        )

    def state(self) -> tuple[int, ...]:
        return state_of(self.path.expanduser())

    def fingerprint(self) -> str:
        return fingerprint(self)


def _labels(stored: np.ndarray) -> np.ndarray:
    """Classes as int64, real values as they are."""
    return stored if stored.dtype.kind == "f" else stored.astype(np.int64)


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a file of plain arrays made by numpy.savez, or damaged ({error})") from error


def _problems(content: dict[str, np.ndarray]) -> list[str]:
    """Everything that is wrong with the file's content, in words."""
    problems = []
    if missing := [name for name in REQUIRED if name not in content]:
        problems.append(f"missing: {', '.join(missing)}")
    known = {*REQUIRED, *OPTIONAL}
    if unknown := sorted(name for name in content if name not in known and not name.startswith(COLUMN)):
        problems.append(f"unknown: {', '.join(unknown)} (known: {', '.join((*REQUIRED, *OPTIONAL))}, {COLUMN}NAME)")
    for part in PARTS:
        inputs, labels = content.get(f"{part}_inputs"), content.get(f"{part}_labels")
        if inputs is not None:
            problems += _problems_of_inputs(f"{part}_inputs", inputs, content.get("pool_inputs"))
        if labels is not None and (labels.ndim != 1 or not (labels.dtype.kind in "iu" or labels.dtype.name in FLOATS)):
            what = f"integers (n,), or {', '.join(FLOATS)} where they are real values"
            problems.append(f"{part}_labels must be {what}, got {labels.dtype} {labels.shape}")
        elif labels is not None and inputs is not None and inputs.ndim and len(inputs) != len(labels):
            problems.append(f"{part} has {len(inputs)} inputs and {len(labels)} labels")
    problems += _problems_of_prices(content) + _problems_of_tokens(content)
    return problems or (_problems_of_values(content) if _is_real(content) else _problems_of_classes(content))


def _is_real(content: dict[str, np.ndarray]) -> bool:
    return any(content[f"{part}_labels"].dtype.kind == "f" for part in PARTS)


def _problems_of_values(content: dict[str, np.ndarray]) -> list[str]:
    labels = {part: content[f"{part}_labels"] for part in PARTS}
    if len({each.dtype for each in labels.values()}) > 1:
        found = ", ".join(f"{each.dtype} in {part}" for part, each in labels.items())
        return [f"labels must be of one type, all integers for classes or all floats for real values, got {found}"]
    problems = ["class_names: real values have none"] if "class_names" in content else []
    for part, values in labels.items():
        if len(wrong := np.flatnonzero(~np.isfinite(values))):
            problems.append(f"{part}_labels must be finite, item {wrong[0]} is {values[wrong[0]]}")
    return problems


def _problems_of_prices(content: dict[str, np.ndarray]) -> list[str]:
    prices, labels = content.get("pool_prices"), content.get("pool_labels")
    if prices is None or labels is None:
        return []
    if prices.shape != labels.shape or prices.dtype.kind not in "iuf":
        return [f"pool_prices must be numbers {labels.shape}, one per pool item, got {prices.dtype} {prices.shape}"]
    wrong = np.flatnonzero(~(np.isfinite(prices) & (prices > 0)))
    return [f"pool_prices must be positive, item {wrong[0]} costs {prices[wrong[0]]}"] if len(wrong) else []


def _problems_of_tokens(content: dict[str, np.ndarray]) -> list[str]:
    given = [name for name in TOKENS if name in content]
    if not given or "pool_labels" not in content:
        return []
    if len(given) < len(TOKENS):
        return [f"{', '.join(given)}: needs {', '.join(name for name in TOKENS if name not in content)} as well"]
    if content[TOKENS[0]].shape != content["pool_labels"].shape:
        items = content["pool_labels"].shape
        return [f"{TOKENS[0]} must be {items}, one length a pool item, got {content[TOKENS[0]].shape}"]
    try:
        _token_uncertainty(content)
    except (TypeError, ValueError, RuntimeError) as error:
        return [f"pool_token_*: {error}"]
    return []


def _token_uncertainty(content: dict[str, np.ndarray]) -> np.ndarray:
    import torch

    from labelbench_plus.algorithms.token_uncertainty import Measure, TokenStatistics, max_uncertainty

    lengths, entropy, first, second = (torch.from_numpy(content[name]) for name in TOKENS)
    statistics = TokenStatistics(entropy.double(), first.double(), second.double())
    columns = [max_uncertainty(statistics, lengths, measure=measure) for measure in get_args(Measure)]
    return torch.stack(columns, dim=1).numpy()


def _problems_of_inputs(name: str, inputs: np.ndarray, of_pool: np.ndarray | None) -> list[str]:
    images = inputs.dtype == np.uint8 and (inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[3] == 3))
    vectors = inputs.dtype.kind == "f" and inputs.ndim == 2
    if not images and not vectors:
        return [
            f"{name} must be uint8 images (n, height, width) or (n, height, width, 3), or floats (n, d), "
            f"got {inputs.dtype} {inputs.shape}"
        ]
    if inputs.size == 0:
        return [f"{name} is empty: {inputs.shape}"]
    if vectors and not np.isfinite(inputs).all():
        row = int(np.flatnonzero(~np.isfinite(inputs).all(axis=1))[0])
        return [f"{name} must be finite, row {row} is not"]
    if of_pool is None or (inputs.dtype.kind, inputs.shape[1:]) == (of_pool.dtype.kind, of_pool.shape[1:]):
        return []
    theirs = f"{of_pool.dtype} {of_pool.shape[1:]}"
    return [f"{name} are {inputs.dtype} {inputs.shape[1:]} each, those of the pool {theirs}"]


def _problems_of_classes(content: dict[str, np.ndarray]) -> list[str]:
    present = np.unique(np.concatenate([np.unique(content[f"{part}_labels"]) for part in PARTS]))
    elsewhere = {part: content[f"{part}_labels"] for part in PARTS[1:]}
    unlearned = only_elsewhere(content["pool_labels"], elsewhere, ())
    if "class_names" not in content:
        if present[0] != 0 or present[-1] != len(present) - 1:
            found = f"{present[0]}..{present[-1]}, {len(present)} different"
            return [f"labels must be 0..K-1 with every class present, got {found}; or give class_names"]
        return [unlearned] if unlearned else []
    names = content["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        return [f"class_names must be strings (K,), got {names.dtype} {names.shape}"]
    problems = [unlearned] if unlearned else []
    if len(set(names.tolist())) != len(names):
        problems.append("class_names has repetitions")
    if present[0] < 0 or present[-1] >= len(names):
        problems.append(f"labels must be 0..{len(names) - 1} as there are {len(names)} class_names, got "
                        f"{present[0]}..{present[-1]}")  # fmt: skip
    return problems
