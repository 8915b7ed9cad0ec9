"""What a SLURM profile may say, and what it is called in `sbatch`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NoReturn

from annotated_types import Ge
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from labelbench_plus.launchers._secrets import tells_a_secret

AMOUNT = re.compile(r"0|\d+(\.\d+)?[KMGT]B?")
GPUS = re.compile(r"(?P<gres>gpu:)?(?:(?P<kind>[A-Za-z][\w.-]*)(?::(?P<some>\d+))?|(?P<count>\d+))")

# What this package decides itself: were it overridden, jobs would not be found again, or not go on.
OURS = {
    **dict.fromkeys(("array", "job-name", "comment", "output", "error", "open-mode"), "jobs are found again by it"),
    **dict.fromkeys(("signal", "requeue", "no-requeue"), "jobs that are cut off go on by it"),
    **dict.fromkeys(("nodes", "ntasks", "ntasks-per-node", "ntasks-per-gpu"), "a job is one process on one node"),
    **dict.fromkeys(
        ("wrap", "parsable", "quiet", "test-only", "wait", "help", "usage", "version"), "sbatch is read by it"
    ),
    **dict.fromkeys(("clusters", "cluster"), "squeue is asked about one cluster: submit from a login node of that one"),
}
FIELDS = {
    "time": "time",
    "time-min": "time",
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "exclude": "exclude",
    "cpus-per-task": "cpus",
    "mem": "memory",
    "mem-per-cpu": "memory_per_cpu",
    "mem-per-gpu": "memory_per_gpu",
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket"), "gpus"),
}
SHORT = {
    "a": "array",
    "J": "job-name",
    "o": "output",
    "e": "error",
    "t": "time",
    "p": "partition",
    "A": "account",
    "q": "qos",
    "C": "constraint",
    "x": "exclude",
    "c": "cpus-per-task",
    "G": "gpus",
    "N": "nodes",
    "n": "ntasks",
    "M": "clusters",
    "W": "wait",
    "Q": "quiet",
    "d": "dependency",
    "w": "nodelist",
    "L": "licenses",
}


def _refuse(what: str) -> NoReturn:
    raise PydanticCustomError("plugin", "{what}", {"what": what})


def _no_secret(lines: tuple[str, ...]) -> tuple[str, ...]:
    for number, line in enumerate(lines):
        if tells_a_secret(line):
            # the line itself is not repeated: messages end in logs
            _refuse(
                f"line {number + 1} holds what looks like a secret, and job scripts can be read by others: export it "
                "before you submit, or read it in the job from a file of yours, e.g. export HF_TOKEN=$(cat ~/.hf_token)"
            )
    return lines


def _memory(value: str) -> str:
    if not AMOUNT.fullmatch(value):
        _refuse(f"{value!r} is not an amount of memory: write e.g. 16G")
    return value


def _gpus(value: int | str) -> int | str:
    if isinstance(value, str) and not all(map(GPUS.fullmatch, value.split(","))):
        _refuse(f"{value!r} names no GPUs: write a number, a kind and a number (a100:2), or a gres (gpu:a100:2)")
    if isinstance(value, str) and len({each.startswith("gpu:") for each in value.split(",")}) > 1:
        _refuse(f"{value!r} mixes two forms: write a100:1,v100:1 or gpu:a100:1,gpu:v100:1")
    return value


def _joined(value: Any) -> Any:
    """A list of names as `sbatch` takes it."""
    return ",".join(value) if isinstance(value, list) and value and all(isinstance(v, str) for v in value) else value


def _options(options: dict[str, Any]) -> dict[str, str | bool]:
    """Options by their long names; a flag is true. Refuses what is set elsewhere, whichever way it is spelt."""
    found: dict[str, str | bool] = {}
    for said, value in options.items():
        bare = said.lstrip("-").replace("_", "-")
        name = SHORT.get(bare, bare)
        if not re.fullmatch(r"[a-z][a-z0-9-]+", name):
            _refuse(f"{said!r} is not an option's long name: see `man sbatch`")
        # sbatch takes the beginning of an option's name for the option
        for taken in (*OURS, *FIELDS):
            if taken.startswith(name):
                why = OURS.get(taken) or f"write it as the profile's `{FIELDS[taken]}`"
                _refuse(f"{said!r} cannot be given here ({taken} of sbatch): {why}")
        if value is False:
            continue
        text = True if value is True or value is None or value == "" else str(value)
        if isinstance(text, str) and (tells_a_secret(f"{name}={text}") or tells_a_secret(text)):
            _refuse(f"{said!r} holds what looks like a secret, and job scripts can be read by others")
        if isinstance(text, str) and re.search(r"[\r\n]", text):
            _refuse(f"{said!r}: a value is one line")
        found[name] = text
    return found


Memory = Annotated[str, AfterValidator(_memory)]
Gpus = Annotated[Annotated[int, Ge(0)] | str, AfterValidator(_gpus)]
Names = Annotated[str, BeforeValidator(_joined)]
ShellLines = Annotated[tuple[str, ...], AfterValidator(_no_secret)]
Options = Annotated[dict[str, str | int | bool | None], AfterValidator(_options)]


def number_of_gpus(gpus: int | str) -> int:
    """How many GPUs `2`, `a100:2` or `gpu:a100:2` are."""
    if isinstance(gpus, int):
        return gpus
    found = [match for each in gpus.split(",") if (match := GPUS.fullmatch(each))]
    return sum(int(match["count"] or match["some"] or 1) for match in found)


def kinds_of_gpus(gpus: int | str) -> list[str]:
    """The kinds of GPUs that are named."""
    parts = () if isinstance(gpus, int) else gpus.split(",")
    return [match["kind"] for each in parts if (match := GPUS.fullmatch(each)) and match["kind"]]


def as_sbatch(gpus: int | str) -> dict[str, str]:
    """The option that asks for GPUs; none for none."""
    if not number_of_gpus(gpus):
        return {}
    return {"gres" if str(gpus).startswith("gpu:") else "gpus-per-node": str(gpus)}


def together(options: Mapping[str, Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """Options of both: a gres that is named twice asks for both."""
    joined = {name: f"{value},{options[name]}" if name in options else value for name, value in asked.items()}
    return {**options, **joined}


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as SLURM writes them: 0-3,7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in runs)
