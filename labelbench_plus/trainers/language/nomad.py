"""A model that is trained to write data, and a student that learns from what it wrote."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from labelbench_plus.plugins import Since
from labelbench_plus.reference import Reference
from labelbench_plus.trainers import Checkpoint, trainers
from labelbench_plus.trainers.language._language_trainer import LanguageTrainer

if TYPE_CHECKING:
    from labelbench_plus.inputs.conversations import Demonstration
    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.language.synthetic import Synthesis, Synthetic
    from labelbench_plus.seeding import Streams
    from labelbench_plus.trainers.language._tuning import Keeps


Share = Annotated[float, Interval(gt=0, le=1)]


@trainers.register("nomad")
@dataclass(frozen=True)
class Nomad(LanguageTrainer):
    """Teach a generator on what was bought, have it write more, and teach a student, from the base, on both.

    After Chen et al. (2024): the generator learns the tokens of prompts as well as those of answers, and how many
    demonstrations it is shown is a hyperparameter. It continues what precedes a user's turn, and answers what it wrote.
    Whatever is unfinished, blank, or repeats a demonstration or an earlier prompt is dropped. None of it is charged.
    The student learns as `sft` does: with `synthetic: 0` it is bit-identical to `sft` in as many steps. With nothing
    bought, the model is the base. Needs the extra `language`.

    Notes: those of `sft` for the student; `generator_loss`; `prompt_loss` and `answer_loss`, the generator's mean loss
    on each part of what it was shown; how many were `drawn`, `parsed` and `kept`, and `copies`; `written_tokens`.
    Of several `generator_share`s they are those of the chosen one, with its `generator_share`, and what each was judged
    by: `worth_0.25`, or `validation_loss_0.25`.

    Parameters
    ----------
    mask: whether the generator learns answers alone, as a student does: the baseline of the paper.
    generator_steps: of the generator; 0 prompts the base as it is, without training.
    generator_share: of the demonstrations that the generator is shown, drawn at random. Of several, one is chosen: each
        has a generator of its own, of as many steps, shown more of the same order.
    synthetic: prompts that are drawn, whatever becomes of them.
    prompt_tokens, answer_tokens: the most that each may have.
    temperature, top_p: of prompts. Answers are greedy.
    filter: "none"; "middle" keeps the half whose similarity to prompts of the pool (which are free) is in the middle;
        "consistent" keeps those whose answer, drawn at temperature 1, says what the greedy one says.
    student_steps: of the student, whatever it learns from.
    student_epochs: in place of `student_steps`, which is then null: so many passes, counted as `epochs_over` says.
    epochs_over: what a pass goes over. "bought": what was bought, so that the student takes the steps that `sft`
        takes in as many `epochs`, and sees what was bought less often. "all": what was written too, so that it sees
        each demonstration as often as `sft` does, in more steps.
    size_by: how one of several `generator_share`s is chosen, of equals the smallest. "prompts": by the mean of
        relevance × novelty over all that was drawn, 0 for what is not kept, relevance to prompts of the pool, which are
        free (`language.synthesis.worth`); the rule is ours. "validation": by the loss of a student of each on
        validation demonstrations, which are shown beside the budget.
    duplicates: which are dropped: "exact" ones, or "near" ones too, that share most of their characters. Different
        prompts of one pattern ("What is 6 x 0?", "What is 6 x 7?") count as near.
    backend: who writes: "transformers", or "vllm" on a GPU, which is not the same to the bit.
    """

    title = "NOMAD"
    reference = Reference(
        ("Chen", "Zhu", "Du", "Jamieson", "Liu"),
        2024,
        "Rethinking data synthesis: a teacher model training recipe with interpretation",
        arxiv="2410.20362",
    )
    task = "instruction"
    provides = frozenset({"embeddings"})

    mask: bool = False
    generator_steps: Annotated[int, Ge(0)] = 48
    generator_share: Share | Annotated[tuple[Share, ...], MinLen(2)] = 1.0
    synthetic: Annotated[int, Ge(0)] = 128
    prompt_tokens: Annotated[int, Ge(2)] = 32
    answer_tokens: Annotated[int, Ge(2)] = 16
    temperature: Annotated[float, Ge(0)] = 1.0
    top_p: Annotated[float, Interval(gt=0, le=1)] = 0.95
    filter: Literal["none", "middle", "consistent"] = "none"
    student_steps: Annotated[int, Gt(0)] | None = 64
    backend: Literal["transformers", "vllm"] = "transformers"
    student_epochs: Annotated[int | None, Ge(1), Since("0.1")] = None
    epochs_over: Annotated[Literal["bought", "all"], Since("0.1")] = "bought"
    size_by: Annotated[Literal["prompts", "validation"], Since("0.1")] = "prompts"
    duplicates: Annotated[Literal["exact", "near"], Since("0.1")] = "exact"

    @classmethod
    def example(cls) -> dict[str, Any]:
        small = {"generator_steps": 4, "synthetic": 6, "prompt_tokens": 12, "answer_tokens": 4, "student_steps": 4}
        return {**small, "rank": 2}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backend == "vllm" and self.tune == "full":
            raise ValueError("backend: vllm writes with a base and an adapter, so it goes with tune: lora")
        if (self.student_steps is None) == (self.student_epochs is None):
            raise ValueError(
                "the student takes student_steps, or student_epochs beside student_steps: null; "
                f"got {self.student_steps} and {self.student_epochs}"
            )
        if self.epochs_over == "all" and self.student_epochs is None:
            raise ValueError("epochs_over says what student_epochs go over, of which there are none")
        if not isinstance(self.generator_share, tuple):
            if self.size_by == "validation":
                raise ValueError("size_by: validation chooses one of several generator_share, and there is one")
        elif not (self.generator_steps and self.synthetic):
            raise ValueError(
                "one of several generator_share is chosen by what a taught generator writes: generator_steps and "
                f"synthetic must be above 0, got {self.generator_steps} and {self.synthetic}"
            )

    @property
    def uses_validation(self) -> bool:  # type: ignore[override]
        return self.size_by == "validation"

    def train(self, data: InstructionData, streams: Streams, keeper: Keeps) -> LanguageModel:
        from labelbench_plus.language.model import LanguageModel
        from labelbench_plus.trainers.language._generator_sizes import taught_with_the_best

        if not (*data.seed, *data.bought):
            return LanguageModel(data.base, data.template)
        if isinstance(self.generator_share, tuple):
            return taught_with_the_best(self, self.generator_share, data, streams, keeper)
        synthesis, notes = self.written(data, streams, keeper)
        return self.student(data, streams, keeper, synthesis, notes)

    def restore(self, data: Any, streams: Streams, checkpoint: Checkpoint) -> LanguageModel | None:
        if (model := super().restore(data, streams, checkpoint)) is None:
            return None
        state = self._keeper(data, streams, checkpoint).kept() or {}
        share = self.generator_share
        one = self.with_share(model.notes["generator_share"]) if isinstance(share, tuple) else self
        return replace(model, synthesis=one.synthesis(data, streams, state["rows"]))

    def with_share(self, share: float) -> Nomad:
        """The same, where this share of the demonstrations is the generator's."""
        return replace(self, generator_share=share, size_by="prompts")

    def set_size(self, share: float, data: InstructionData) -> int:
        """How many demonstrations such a share of them is."""
        return math.ceil(share * (len(data.seed) + len(data.bought)))

    def _shown(self, data: InstructionData, streams: Streams) -> tuple[Demonstration, ...]:
        """What the generator is shown."""
        every = (*data.seed, *data.bought)
        assert not isinstance(self.generator_share, tuple), "one is chosen by now"
        size = self.set_size(self.generator_share, data)
        return tuple(every[place] for place in sorted(streams.rng("generator_set").permutation(len(every))[:size]))

    def synthesis(self, data: InstructionData, streams: Streams, rows: list[list[str]]) -> Synthesis | None:
        """What was written, from its rows; None if nothing was to be."""
        from labelbench_plus.inputs.conversations import turns
        from labelbench_plus.language.synthetic import Synthesis, Synthetic

        if not self.synthetic:
            return None
        shown = tuple(turns(each.prompt)[-1].text for each in self._shown(data, streams))
        return Synthesis(shown, tuple(Synthetic(*row) for row in rows))  # type: ignore[arg-type]

    def written(
        self, data: InstructionData, streams: Streams, keeper: Keeps
    ) -> tuple[Synthesis | None, dict[str, float]]:
        """What a generator wrote, and numbers about it."""
        from labelbench_plus.inputs.conversations import turns
        from labelbench_plus.language.adapters import learned_of
        from labelbench_plus.language.model import LanguageModel
        from labelbench_plus.language.synthesis import Sampling, middle_half, without_near_copies, write
        from labelbench_plus.language.synthetic import Synthesis
        from labelbench_plus.language.writers import writer
        from labelbench_plus.trainers.language._stages import Stage, reached

        reached_stage, came_to = reached(keeper)
        if reached_stage == "student":
            return self.synthesis(data, streams, came_to["rows"]), came_to["notes"]
        if (nothing := self.synthesis(data, streams, [])) is None:
            return None, {}
        base = LanguageModel(data.base, data.template)
        base.format.closing()  # refused before any training
        if reached_stage != "writing":
            came_to = self._generator(data, streams, keeper)
            Stage(keeper, "writing", came_to).keep({"rows": []})  # the generator is not taught again
        lora = (self.rank, self.alpha) if self.tune == "lora" else None
        learned = None if came_to["learned"] is None else learned_of(data.base, came_to["learned"], lora)
        stage = Stage(keeper, "writing", came_to)
        begun = self.synthesis(data, streams, (stage.kept() or {}).get("rows", [])) or nothing

        def after_piece(rows: list[Synthetic]) -> None:
            if stage.due():
                stage.keep({"rows": Synthesis((), tuple(rows)).plain()})

        sampling = Sampling(
            self.synthetic,
            self.prompt_tokens,
            self.answer_tokens,
            self.temperature,
            self.top_p,
            self.filter == "consistent",
        )
        bought = [turns(each.prompt)[-1].text for each in (*data.seed, *data.bought)]
        with writer(LanguageModel(data.base, data.template, learned), self.backend) as written:
            rows = write(written, base.format, sampling, bought, streams, begun.rows, after_piece)
        if self.duplicates == "near":
            rows = without_near_copies(rows, bought)
        if self.filter == "middle":
            rows = middle_half(rows, base, data.pool, streams)
        return replace(nothing, rows=tuple(rows)), came_to["notes"] | _counts(rows, base)

    def _generator(self, data: InstructionData, streams: Streams, keeper: Keeps) -> dict[str, Any]:
        """What a generator's training came to: `learned`, its state or None, and `notes`."""
        from labelbench_plus.language.examples import examples, plan_of
        from labelbench_plus.language.model import LanguageModel
        from labelbench_plus.trainers.language._sft import part_losses, taught
        from labelbench_plus.trainers.language._stages import Stage
        from labelbench_plus.trainers.language._tuning import Tuning

        if not self.generator_steps:
            return {"learned": None, "notes": {}}
        form = LanguageModel(data.base, data.template).format
        found = examples(form, self._shown(data, streams), min(self.max_tokens, data.base.context))
        order = streams.rng("data_order")
        steps = plan_of([len(each.ids) for each in found], self.batch, self.generator_steps, order)
        stage = Stage(keeper, "generator", {})
        tuning = Tuning(self, data.base, data.template, streams, stage, len(steps))
        last = min(len(steps), -(-len(found) // self.batch))
        taught(self, tuning, found, steps, "answers" if self.mask else "all", last)
        model = tuning.done()
        prompt_loss, answer_loss = part_losses(model, found)
        notes = {
            "generator_loss": tuning.notes["loss"],
            "prompt_loss": prompt_loss,
            "answer_loss": answer_loss,
            "generator_tokens": float(sum(len(found[row].ids) for rows in steps for row in rows)),
        }
        return {"learned": tuning.learned(), "notes": notes}

    def _student_steps(self, bought: int, found: int) -> int:
        """How many steps a student takes that learns from so many demonstrations, of which so many were bought."""
        if self.student_epochs is None:
            assert self.student_steps is not None, "one of the two is given"
            return self.student_steps
        return self.student_epochs * math.ceil((bought if self.epochs_over == "bought" else found) / self.batch)

    def student(
        self,
        data: InstructionData,
        streams: Streams,
        keeper: Keeps,
        synthesis: Synthesis | None,
        notes: dict[str, float],
    ) -> LanguageModel:
        """Who learns from what was bought and what was written, and is kept."""
        from labelbench_plus.language.examples import examples, plan_of
        from labelbench_plus.language.model import LanguageModel
        from labelbench_plus.trainers.language._sft import taught
        from labelbench_plus.trainers.language._stages import Stage
        from labelbench_plus.trainers.language._tuning import Tuning

        form = LanguageModel(data.base, data.template).format
        more = () if synthesis is None else synthesis.kept
        found = examples(form, (*data.seed, *data.bought, *more), min(self.max_tokens, data.base.context))
        order = streams.rng("data_order")
        own = len(found) - len(more)
        steps = plan_of([len(each.ids) for each in found], self.batch, self._student_steps(own, len(found)), order)
        plain = [] if synthesis is None else synthesis.plain()
        tuning = Tuning(
            self,
            data.base,
            data.template,
            streams,
            Stage(keeper, "student", {"rows": plain, "notes": notes}),
            len(steps),
        )
        taught(self, tuning, found, steps, "answers", min(len(steps), -(-len(found) // self.batch)))
        tuning.notes.update(
            notes,
            steps=len(steps),
            train_tokens=sum(len(found[row].ids) for step in steps for row in step),
            supervised_tokens=sum(len(found[row].ids) - found[row].prompt for step in steps for row in step),
            cut=sum(each.ids[-1] != form.end for each in found),
        )
        model = tuning.done()
        keeper.keep({"learned": tuning.learned(), "notes": dict(model.notes), "rows": plain})
        return replace(model, synthesis=synthesis)


def _counts(rows: list[Synthetic], base: LanguageModel) -> dict[str, float]:
    fates = [row.fate for row in rows]
    written = [text for row in rows for text in (row.prompt, row.answer) if text]
    return {
        "drawn": float(len(rows)),
        "parsed": float(sum(row.parsed for row in rows)),
        "copies": float(fates.count("copy")),
        "kept": float(fates.count("kept")),
        "written_tokens": float(base.response_tokens(written).sum()),
    }
