"""How many demonstrations a generator is shown: one of several numbers, by what comes of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labelbench_plus.language.adapters import learned_of, state_of
from labelbench_plus.language.model import LanguageModel
from labelbench_plus.language.synthesis import worth
from labelbench_plus.trainers.language._stages import Stage, reached

if TYPE_CHECKING:
    from labelbench_plus.inputs.conversations import Demonstration
    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.language._tuning import Keeps


def taught_with_the_best(
    trainer: Any, shares: Sequence[float], data: InstructionData, streams: Streams, keeper: Keeps
) -> LanguageModel:
    """The student of a `Nomad`'s generator that was shown the best share, from where `keeper` left off.

    Shares are tried from the smallest on, and the first of equals is taken; of those that come to as many
    demonstrations, the smallest is tried alone. Notes are those of the chosen one, with its `generator_share`, and what
    each was judged by: `worth_0.25`, or `validation_loss_0.25`.
    """
    came_to: dict[str, Any] = reached(keeper)[1] or {"judged": {}, "best": None}
    for share in _different(trainer, shares, data)[len(came_to["judged"]) :]:
        stage, one = Stage(keeper, "sizes", came_to), trainer.with_share(share)
        if trainer.uses_validation:
            found, value = _student(one, data, streams, stage)
        else:
            found, value = _writing(one, data, streams, stage)
        judged, best = {**came_to["judged"], share: value}, came_to["best"]
        if best is None or _rank(trainer, value) > _rank(trainer, judged[best["share"]]):
            best = {**found, "share": share}
        came_to = {"judged": judged, "best": best}
        Stage(keeper, "sizes", came_to).keep({})  # the next one begins with nothing
    best, rows = came_to["best"], came_to["best"]["rows"]
    one = trainer.with_share(best["share"])
    synthesis = one.synthesis(data, streams, rows)
    if best["learned"] is None:
        model = one.student(data, streams, Stage(keeper, "sizes", came_to), synthesis, best["notes"])
        assert model.learned is not None, "it learned"
        best = {"learned": state_of(model.learned), "notes": model.notes}
    lora = (trainer.rank, trainer.alpha) if trainer.tune == "lora" else None
    name = "validation_loss" if trainer.uses_validation else "worth"
    judged = {f"{name}_{share:g}": value for share, value in came_to["judged"].items()}
    notes = {**best["notes"], **judged, "generator_share": one.generator_share}
    keeper.keep({"learned": best["learned"], "notes": notes, "rows": rows})
    return LanguageModel(data.base, data.template, learned_of(data.base, best["learned"], lora), notes, synthesis)


def _different(trainer: Any, shares: Sequence[float], data: InstructionData) -> list[float]:
    """From the smallest on, those that come to more demonstrations than the one before."""
    return list({trainer.set_size(share, data): share for share in sorted(shares, reverse=True)}.values())[::-1]


def _rank(trainer: Any, value: float) -> float:
    """Higher is better; what is no number is worst."""
    if math.isnan(value):
        return -math.inf
    return -value if trainer.uses_validation else value


def _writing(one: Any, data: InstructionData, streams: Streams, stage: Stage) -> tuple[dict[str, Any], float]:
    """What a generator that is shown one share writes, and its worth."""
    synthesis, notes = one.written(data, streams, stage)
    assert synthesis is not None, "several shares go with something to write"
    value = worth(synthesis, LanguageModel(data.base, data.template), data.pool, streams)
    return {"learned": None, "notes": notes, "rows": synthesis.plain()}, value


def _student(one: Any, data: InstructionData, streams: Streams, stage: Stage) -> tuple[dict[str, Any], float]:
    """The student of such a generator, and its loss on the validation demonstrations."""
    assert data.validation is not None, "declared by `uses_validation`"
    model = one.train(data, streams, stage)
    assert model.learned is not None and model.synthesis is not None, "something was bought, and something written"
    found = {"learned": state_of(model.learned), "notes": dict(model.notes), "rows": model.synthesis.plain()}
    return found, validation_loss(model, data.validation)


def validation_loss(model: LanguageModel, demonstrations: Sequence[Demonstration]) -> float:
    """The mean over demonstrations of minus the log probability of a token of the answer, in nats."""
    asked, said = [each.prompt for each in demonstrations], [each.response for each in demonstrations]
    losses = -model.log_probabilities(asked, said).cpu().numpy() / model.response_tokens(said)
    return float(losses.mean())
