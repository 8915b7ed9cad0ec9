"""Who writes: transformers in this process, or vLLM in another, where a GPU writes at scale."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.random import Generator

from labelbench_plus.language import decoding as writing
from labelbench_plus.language import vllm_worker
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.decoding import Decoding, Generations
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.models.weights import library

Backend = Literal["transformers", "vllm"]

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, that vLLM makes room for
MEMORY = 0.9  # of a GPU's free memory that vLLM may take: the base lies there too
TOLD = 4000  # characters of what a failed process said


class Writer(Protocol):
    """Continues prompts; see `language.decoding.generate`."""

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        decoding: Decoding,
        generators: Sequence[Generator] | None,
        end: int | None,
    ) -> Generations: ...


@contextmanager
def writer(model: LanguageModel, backend: Backend) -> Iterator[Writer]:
    """A model as somebody who writes, for as long as it lasts.

    "vllm" needs the package vllm and a GPU, and is not the same to the bit as "transformers", nor promised to be the
    same on another machine or version. It reads the base and the adapter from folders, in a process of its own.

    Raises
    ------
    FileNotFoundError
        vllm is not installed.
    ValueError
        It cannot write with this model: one with weights of its own, or with an adapter of too high a rank.
    """
    form = model.format
    if backend == "vllm":
        with TemporaryDirectory(prefix="vllm.") as folder, _by_vllm(model, Path(folder)) as write:
            yield write
        return

    def by_transformers(
        prompts: Sequence[Sequence[int]],
        decoding: Decoding,
        generators: Sequence[Generator] | None,
        end: int | None,
    ) -> Generations:
        longest = max(map(len, prompts), default=0) + decoding.max_new_tokens
        if longest > model.base.context:
            raise ValueError(
                f"a prompt and what is written may have {longest} tokens together, but the base reads "
                f"{model.base.context}: lower prompt_tokens or answer_tokens"
            )
        with model.computing() as computed:
            return writing.generate(computed, form, prompts, decoding, generators, end=end)

    yield by_transformers


@contextmanager
def _by_vllm(model: LanguageModel, folder: Path) -> Iterator[Writer]:
    if model.learned is not None and not isinstance(model.learned, Adapter):
        raise ValueError("backend: vllm writes with a base and an adapter; choose tune: lora, or backend: transformers")
    if importlib.util.find_spec("vllm") is None:  # not imported: it settles much for its process
        library("vllm", "vllm")
    form, base, adapter = model.format, model.base, None
    options: dict[str, Any] = {"model": str(base.plugin.path()), "dtype": base.precision}
    if isinstance(model.learned, Adapter):
        model.learned.save(folder, options["model"])
        adapter = str(folder)
        options |= {"enable_lora": True, "max_lora_rank": _rank_for(model.learned.rank)}
    environment = {**os.environ, "VLLM_WORKER_MULTIPROC_METHOD": "spawn", "VLLM_NO_USAGE_STATS": "1"}
    if base.device.type == "cuda":
        torch.cuda.empty_cache()
        free, whole = torch.cuda.mem_get_info(base.device)
        options["gpu_memory_utilization"] = round(MEMORY * free / whole, 3)  # by itself it asks for nearly the whole
        environment["CUDA_VISIBLE_DEVICES"] = _visible(base.device.index or 0)
    ours, theirs = Pipe()
    command = [sys.executable, "-m", vllm_worker.__name__, str(theirs.fileno())]
    log = folder / "log"
    with open(log, "wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, env=environment, pass_fds=[theirs.fileno()]
        )
    theirs.close()

    def write(
        prompts: Sequence[Sequence[int]],
        decoding: Decoding,
        generators: Sequence[Generator] | None,
        end: int | None,
    ) -> Generations:
        last = form.end if end is None else end
        sampling = {
            "max_tokens": decoding.max_new_tokens,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "stop": list(decoding.stop),
            "stop_token_ids": [last],
            "ignore_eos": True,  # what ends a turn need not be what ends the base's texts
        }
        seeds = [None] * len(prompts) if generators is None else [int(each.integers(2**31)) for each in generators]
        try:
            ours.send({"prompts": [list(prompt) for prompt in prompts], "sampling": sampling, "seeds": seeds})
            rows = ours.recv()
        except (EOFError, OSError) as error:
            told = log.read_text(errors="replace")[-TOLD:]
            raise RuntimeError(f"vLLM's process failed ({process.wait()}): …{told}") from error
        return Generations(
            tuple(_before_stop(form.text([id for id in ids if id != last]), decoding) for ids, _, _ in rows),
            np.array([reason == "stop" for _, reason, _ in rows], dtype=bool),
            np.array([len(ids) for ids, _, _ in rows], dtype=np.int64),
            np.array([by in decoding.stop for _, _, by in rows], dtype=bool),
        )

    try:
        ours.send({"options": options, "adapter": adapter})
        yield write
    except BaseException:
        process.kill()
        raise
    finally:
        ours.close()  # which it takes for the end
        process.wait()


def _rank_for(rank: int) -> int:
    """What `max_lora_rank` may be, the smallest that suffices."""
    if rank > RANKS[-1]:
        raise ValueError(f"backend: vllm reads adapters of a rank up to {RANKS[-1]}, got rank: {rank}")
    return next(each for each in RANKS if each >= rank)


def _visible(place: int) -> str:
    """The name of one of the GPUs that this process sees."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return names.split(",")[place] if names else str(place)


def _before_stop(text: str, decoding: Decoding) -> str:
    places = [text.index(stop) for stop in decoding.stop if stop in text]
    return text[: min(places)] if places else text
