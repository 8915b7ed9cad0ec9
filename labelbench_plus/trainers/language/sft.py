"""Supervised fine-tuning of a language model on answers that were bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge

from labelbench_plus.trainers import trainers
from labelbench_plus.trainers.language._language_trainer import LanguageTrainer

if TYPE_CHECKING:
    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers._kept import Keeper


@trainers.register("sft")
@dataclass(frozen=True)
class Sft(LanguageTrainer):
    """Cross-entropy on the tokens of answers, from the base, on seed demonstrations and everything bought.

    A step's loss is the mean over its supervised tokens. Every epoch reads each demonstration once, in a new order,
    batched with others of similar length. With nothing to learn from, the model is the base. Needs the extra
    `language`.

    Notes: `train_tokens` read and `supervised_tokens` learned, over all epochs; `steps`; `cut` answers; `loss`, the
    mean of the last epoch's steps.

    Parameters
    ----------
    epochs: passes over the demonstrations.
    supervised: the tokens that are learned: "answers" (with the one that ends each), or "all", prompts too.
    """

    title = "Supervised fine-tuning"
    task = "instruction"
    provides = frozenset({"embeddings"})

    epochs: Annotated[int, Ge(1)] = 4
    supervised: Literal["answers", "all"] = "answers"

    def train(self, data: InstructionData, streams: Streams, keeper: Keeper) -> LanguageModel:
        from labelbench_plus.language.examples import examples, plan
        from labelbench_plus.language.model import LanguageModel
        from labelbench_plus.trainers.language._sft import taught
        from labelbench_plus.trainers.language._tuning import Tuning

        shown = (*data.seed, *data.bought)
        if not shown:
            return LanguageModel(data.base, data.template)
        form = LanguageModel(data.base, data.template).format
        found = examples(form, shown, min(self.max_tokens, data.base.context))
        steps = plan([len(each.ids) for each in found], self.batch, self.epochs, streams.rng("data_order"))
        tuning = Tuning(self, data.base, data.template, streams, keeper, len(steps))
        taught(self, tuning, found, steps, self.supervised, len(steps) // self.epochs)
        learned = sum(len(each.ids) - each.first(self.supervised) for each in found)
        tuning.notes.update(
            steps=len(steps),
            train_tokens=self.epochs * sum(len(each.ids) for each in found),
            supervised_tokens=self.epochs * learned,
            cut=sum(each.ids[-1] != form.end for each in found),
        )
        return tuning.done()
