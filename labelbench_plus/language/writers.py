"""Who writes: transformers in this process, or vLLM where a GPU writes at scale."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol

import numpy as np
from numpy.random import Generator

from labelbench_plus.language import decoding as writing
from labelbench_plus.language.adapters import Adapter
from labelbench_plus.language.decoding import Decoding, Generations
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.models.weights import library

Backend = Literal["transformers", "vllm"]


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
    same on another machine or version. It reads the base and the adapter from folders.

    Raises
    ------
    FileNotFoundError
        vllm is not installed.
    ValueError
        It cannot write with this model: one with weights of its own.
    """
    form = model.format
    if backend == "vllm":
        with TemporaryDirectory() as folder:
            yield _by_vllm(model, Path(folder))
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


def _by_vllm(model: LanguageModel, folder: Path) -> Writer:
    if model.learned is not None and not isinstance(model.learned, Adapter):
        raise ValueError("backend: vllm writes with a base and an adapter; choose tune: lora, or backend: transformers")
    vllm: Any = library("vllm", "vllm")
    form, adapter = model.format, None
    options: dict[str, Any] = {"model": str(model.base.plugin.path()), "dtype": model.base.precision}
    if isinstance(model.learned, Adapter):
        model.learned.save(folder, options["model"])
        adapter = importlib.import_module("vllm.lora.request").LoRARequest("generator", 1, str(folder))
        options |= {"enable_lora": True, "max_lora_rank": max(8, model.learned.rank)}
    engine = vllm.LLM(**options)

    def write(
        prompts: Sequence[Sequence[int]],
        decoding: Decoding,
        generators: Sequence[Generator] | None,
        end: int | None,
    ) -> Generations:
        last = form.end if end is None else end
        seeds = [None] * len(prompts) if generators is None else [int(each.integers(2**31)) for each in generators]
        sampling = [
            vllm.SamplingParams(
                max_tokens=decoding.max_new_tokens,
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                stop=list(decoding.stop) or None,
                stop_token_ids=[last],
                seed=seed,
            )
            for seed in seeds
        ]
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        said = [answer.outputs[0] for answer in engine.generate(asked, sampling, lora_request=adapter, use_tqdm=False)]
        by_text = np.array([each.stop_reason in decoding.stop for each in said], dtype=bool)
        return Generations(
            tuple(_before_stop(form.text([id for id in each.token_ids if id != last]), decoding) for each in said),
            np.array([each.finish_reason == "stop" for each in said], dtype=bool),
            np.array([len(each.token_ids) for each in said], dtype=np.int64),
            by_text,
        )

    return write


def _before_stop(text: str, decoding: Decoding) -> str:
    places = [text.index(stop) for stop in decoding.stop if stop in text]
    return text[: min(places)] if places else text
