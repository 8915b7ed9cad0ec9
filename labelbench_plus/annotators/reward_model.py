"""A reward model as somebody's expert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from labelbench_plus.annotators import Asked, Scorer, annotators
from labelbench_plus.inputs.conversations import turns
from labelbench_plus.plugins import Infra, Outside

if TYPE_CHECKING:
    from labelbench_plus.models.reward_model import RewardModel


@annotators.register("reward_model")
@dataclass(frozen=True)
class RewardModelExpert(Scorer):
    """The logit of a sequence classifier with one label, which reads the prompt's last turn and the response.

    It stands in for an expert and costs nothing but the budget: what pleases it need not please people. Needs the extra
    `language`.

    Parameters
    ----------
    model: its name on the hub; of a folder what you call it.
    folder: where it lies, as `save_pretrained` writes it, with the tokenizer beside. What counts for a run's identity
        is the content.
    device: on which it judges.
    """

    title = "Reward model, in place of an expert"

    model: Annotated[str, Outside("the network")]
    folder: Annotated[Path | None, Infra(), Outside("files")] = None
    device: Annotated[Literal["cpu", "cuda"], Infra()] = "cpu"

    @classmethod
    def example(cls) -> None:  # which model is to be said
        return None

    def scores(self, questions: Sequence[Asked]) -> list[float]:
        if not questions:
            return []
        prompts = [turns(each.prompt)[-1].text for each in questions]
        return _judging(self._found(), self.device)(prompts, [each.responses[0] for each in questions]).tolist()

    def fingerprint(self) -> str:
        return self._found().fingerprint()

    def _found(self) -> RewardModel:
        from labelbench_plus.models.reward_model import RewardModel

        return RewardModel.named(self.model, self.folder)


@lru_cache(maxsize=1)
def _judging(model: Any, device: str) -> Callable[[Sequence[str], Sequence[str]], Any]:
    return model.load(device)
