"""Tasks of the language model evaluation harness, by name."""

from __future__ import annotations

import importlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, MinLen

from labelbench_plus.contracts.scores import Scored, UnusableScore
from labelbench_plus.evaluations import Evaluation, Sitting, evaluations
from labelbench_plus.plugins import Infra, Outside

if TYPE_CHECKING:
    from labelbench_plus.language.model import LanguageModel


@evaluations.register("lm_eval")
@dataclass(frozen=True)
class LmEval(Evaluation):
    """Tasks of EleutherAI's lm-evaluation-harness ("mmlu", "gsm8k"); their mean is `lm_eval`.

    Needs the extra `lm-eval`. They are scored on the harness's own data, which come from the hub, its cache, or files
    beside a task's YAML; the problem's test set is not read, and prompts are the harness's.

    Parameters
    ----------
    tasks: their names.
    folder: with tasks of your own. The harness's own are then not there, and nothing is asked of a network.
    metric: of each task, as the harness calls it ("acc", "exact_match"), with a filter behind a comma if it is not
        "none".
    few_shot: examples before each question; a task's own number if left out.
    limit: questions of a task; all if left out.
    batch: prompts that are read together.
    """

    title = "lm-evaluation-harness"

    tasks: Annotated[tuple[str, ...], MinLen(1), Outside("the network")]
    folder: Annotated[Path | None, Infra(), Outside("files")] = None
    metric: str = "acc"
    few_shot: Annotated[int, Ge(0)] | None = None
    limit: Annotated[int, Ge(1)] | None = None
    batch: Annotated[int, Ge(1)] = 8

    @classmethod
    def example(cls) -> None:  # which tasks is to be said
        return None

    def primary_metric(self) -> tuple[str, bool]:
        return "lm_eval", True

    def score(self, sitting: Sitting) -> Scored:
        """Raises ModuleNotFoundError without the harness, UnusableScore where a task lacks the metric."""
        found = self._asked(sitting.model)
        key = self.metric if "," in self.metric else f"{self.metric},none"
        missing = [task for task in self.tasks if key not in found[task]]
        if missing:
            there = ", ".join(name for name, value in found[missing[0]].items() if isinstance(value, float))
            raise UnusableScore(f"lm_eval task {missing[0]!r} has no metric {self.metric!r}; it has {there}")
        scores = {f"lm_eval.{task}": float(found[task][key]) for task in self.tasks}
        return Scored({"lm_eval": sum(scores.values()) / len(scores), **scores})

    def _asked(self, model: LanguageModel) -> Mapping[str, Mapping[str, Any]]:
        """What the harness says, by task."""
        try:
            harness = importlib.import_module("lm_eval")
            tasks = importlib.import_module("lm_eval.tasks")
            wrapper = importlib.import_module("lm_eval.models.huggingface").HFLM
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"evaluation 'lm_eval' needs the package {error.name}: pip install 'labelbench-plus[lm-eval]'"
            ) from error
        before = random.getstate()
        own = {"include_path": str(self.folder.expanduser()), "include_defaults": False} if self.folder else {}
        try:
            with model.computing() as computed:
                said = harness.simple_evaluate(
                    model=wrapper(pretrained=computed, tokenizer=model.base.tokenizer, batch_size=self.batch),
                    tasks=list(self.tasks),
                    task_manager=tasks.TaskManager(**own),
                    num_fewshot=self.few_shot,
                    limit=self.limit,
                    bootstrap_iters=0,
                    log_samples=False,
                    random_seed=None,  # nobody seeds the process's generators here
                    numpy_random_seed=None,
                    torch_random_seed=None,
                )
        finally:
            random.setstate(before)
        results: Mapping[str, Mapping[str, Any]] = said["results"]
        return results
