"""Which prompts are worth an answer: instruction tuning of a language model, whose answers are bought."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import MinLen

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Annotator, annotators
from labelbench_plus.contracts.bases import Base
from labelbench_plus.contracts.capabilities import FREE, HIDDEN, Capability, providers_of_model
from labelbench_plus.contracts.evaluations import Evaluation, evaluations
from labelbench_plus.contracts.prompts import SEED_LINE, PromptData, PromptSource, loaded
from labelbench_plus.inputs.conversations import Demonstration
from labelbench_plus.language.annotated import AnnotatedOracle
from labelbench_plus.language.options import Decoding
from labelbench_plus.language.prompt_pool import PromptPool
from labelbench_plus.language.sft_lines import sft_record
from labelbench_plus.language.sitting import ModelSitting
from labelbench_plus.language.templates import Template
from labelbench_plus.plugins import From, Since, label
from labelbench_plus.problems import Guard, Place, Problem, Scored, Series, ShownScore, problems
from labelbench_plus.seeding import Streams
from labelbench_plus.view import ItemView, Providers

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.language.data import InstructionData
    from labelbench_plus.language.model import LanguageModel

COLUMNS = frozenset(
    {"features", "mean_token_uncertainty", "num_classes", "prompt_tokens", "tasks", "token_uncertainty"}
)
TASKS = Capability(
    "num_classes", "int", "always", FREE, "how many tasks the pool's prompts are of, at least 2", asked_with="nothing"
)
TOKENS = Capability("prompt_tokens", "(n,) long", "always", FREE, "how many tokens a prompt has with its template")
ANSWERED = Capability(
    "answer_likelihood",
    "(n, 2) float64",
    "always",
    "a forward pass over prompts and answers",
    "tokens of what the oracle would answer, and minus its log probability per token by the base, for bounds",
    attributes=("answer_likelihood",),
    hidden=True,
)
PULLED = Capability(
    "answer_gradients",
    "(n, p) float32",
    "always",
    "a forward and a backward pass over prompts and answers",
    "gradients of the base's loss on what the oracle would answer, sketched, for bounds",
    attributes=("answer_gradients",),
    hidden=True,
)
WANTED = Capability(
    "target_gradients",
    "(t, p) float32",
    "always",
    "a forward and a backward pass over the seed demonstrations",
    "those of the t seed demonstrations",
    attributes=("target_gradients",),
)


def _built(names: tuple[str, ...]) -> tuple[Evaluation, ...]:
    return tuple(map(evaluations.build, names))


@problems.register("instruction_tuning")
@dataclass(frozen=True)
class InstructionTuning(Problem):
    """Learn to answer prompts from a few answers, which a strategy buys among a pool of prompts.

    What strategies see is the base's: its states of prompts as features (shifted to mean zero, scaled to length one),
    and how unsure it is of the answers it would write itself, which are greedy. None of that is billed. The trained
    model's states are `embeddings`. Prompts are public, and so are the names of their tasks.

    Scores: those of the evaluations, of which the first one's ranks; `tasks_covered`, how many of the pool's tasks were
    bought of, seed demonstrations not counted; and what the model's greedy answers to the test set are like:
    `validity` (they ended and are not blank), `distinct_1` and `distinct_2`, `response_tokens`, and `base_kl`, how far
    it went from the base. A strategy that ranks above the baseline with less than half of its validity or distinctness
    collapses, and boards say so.

    Parameters
    ----------
    prompts: the source of prompts and their answers. Every trainer gets its seed demonstrations, which are shown beside
        the budget.
    base: the language model that is tuned.
    template: what is put around prompts and answers.
    decoding: how answers to the test set are written, and the base's own to the pool; greedily.
    evaluations: scores on the test set; the first one's ranks.
    annotator: who answers; the data themselves by default.
    """

    title = "Instruction tuning"
    query = "pool"
    task = "instruction"
    unit = "responses"
    declares = (ANSWERED, PULLED, TASKS, TOKENS, WANTED)
    precedence = COLUMNS

    prompts: Annotated[PromptSource, From("prompts")]
    base: Annotated[Base, From("bases")]
    template: Template = field(default_factory=Template)
    decoding: Decoding = field(default_factory=partial(Decoding, max_new_tokens=16))
    evaluations: Annotated[tuple[Annotated[Evaluation, From("evaluations")], ...], MinLen(1)] = field(
        default_factory=partial(_built, ("likelihood", "exact_match"))
    )
    annotator: Annotated[Annotator, From("annotators"), Since("0.1")] = field(
        default_factory=partial(annotators.build, "stored")
    )

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        return {
            "prompts": {"name": "skills", "pool": 60, "test": 1, "demonstrations": 2},
            "base": {"name": "tiny_llama", "width": 16, "layers": 1, "heads": 2, "context": 128},
            "template": {"chat": "plain"},
            "decoding": {"max_new_tokens": 4},
        }

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        targets = {WANTED.name} if self.prompts.beside().get(SEED_LINE) else set()
        told = set() if self.annotator.paid else {"truth", ANSWERED.name, PULLED.name}
        return COLUMNS | targets | told

    def fingerprint(self) -> str:
        parts = [self.prompts.fingerprint(), self.base.fingerprint(), self.annotator.fingerprint()]
        parts += [said for evaluation in self.evaluations if (said := evaluation.fingerprint())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def capacity(self) -> float:
        return self.prompts.capacity()

    def max_price(self) -> float:
        return self.prompts.max_price()

    def validation_labels(self) -> int:
        return self.prompts.validation_labels()

    def primary_metric(self) -> tuple[str, bool]:
        return self.evaluations[0].primary_metric()

    def shown_scores(self) -> tuple[ShownScore, ...]:
        others = [shown for evaluation in self.evaluations[1:] for shown in evaluation.shown_scores()]
        about = [("tasks_covered", True), ("validity", True), ("distinct_2", True), ("response_tokens", False)]
        far = ShownScore("base_kl", False, "how far from the base, no fault in itself")
        return (*others, *(ShownScore(*each) for each in about), far)

    def series(self) -> tuple[Series, ...]:
        return tuple(series for evaluation in self.evaluations for series in evaluation.series())

    def guards(self) -> tuple[Guard, ...]:
        # Beside the baseline's, not the base's: an untuned base may ramble on, and then has nothing to keep.
        return Guard("validity"), Guard("distinct_2")

    def dataset_name(self) -> str:
        return self.prompts.dataset_name()

    def facets(self) -> dict[str, str]:
        return {"base": label(self.base), "template": self.template.chat, "expert": label(self.annotator)}

    def open(self, place: Place, streams: Streams) -> InstructionInstance:
        instance = self.open_to_check(place, streams)
        instance.check()
        return instance

    def open_to_check(self, place: Place, streams: Streams) -> InstructionInstance:
        return InstructionInstance(self, loaded(self.prompts), place)


class InstructionInstance:
    """The prompts, with their answers behind the oracle. The base is opened when it is first needed."""

    def __init__(self, problem: InstructionTuning, data: PromptData, place: Place) -> None:
        said = [prompt.said for prompt in data.pool]
        self._problem, self._device, self._prices = problem, place.device, data.prices
        self.oracle = AnnotatedOracle(
            np.array(data.pool_answers, dtype=object), self._prices, problem.annotator, said, place.desk()
        )
        self._seed, self._validation, self._test = data.seed, data.validation, data.test
        self._tasks = np.searchsorted(data.tasks, [prompt.task for prompt in data.pool])
        self._pool = PromptPool(said, problem.base, problem.template, problem.decoding, place.cache, place.device)

    def check(self) -> None:
        """Refuse, before any work, a test set that cannot be scored and prompts that are too long."""
        for evaluation in self._problem.evaluations:
            evaluation.check(self._test)
        self._pool.tokens  # noqa: B018 it is kept
        self._pool.model.prompt_tokens([item.prompt.said for item in self._test])

    def view(self, needs: frozenset[str], ledger: Ledger, model: LanguageModel | None, money: float) -> ItemView:
        import torch

        device, can_be_bought = self._device, self.oracle.candidates(ledger)
        candidates = torch.as_tensor(can_be_bought, device=device)
        labelled = torch.as_tensor(ledger.answered_items, dtype=torch.long, device=device)
        told = self.oracle.reveal(can_be_bought)[0] if needs & {ANSWERED.name, PULLED.name, *HIDDEN} else None
        return ItemView(
            needs,
            _providers(needs, self._pool, self._tasks, candidates.clone(), labelled.clone(), model, told, self._seed),
            candidates,
            labelled,
            ledger.answered_answers.astype(object),
            prices=torch.as_tensor(self._prices[can_be_bought], device=device),
            money=money,
            purchases=[torch.tensor(purchase.items, device=device) for purchase in ledger.purchases],
        )

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> InstructionData:
        from labelbench_plus.language.data import InstructionData

        return InstructionData(
            self._pool.base,
            self._problem.template,
            self._bought(ledger),
            self._seed,
            self._pool.prompts,
            self._validation if with_validation else None,
        )

    def sft_records(self, ledger: Ledger) -> Sequence[Mapping[str, Any]]:
        """What was bought and the seed demonstrations, as prompts and completions. No model is opened."""
        parts = {"bought": self._bought(ledger), "seed": self._seed}
        template = self._problem.template
        return [
            {**sft_record(example, template), "origin": part}
            for part, examples in parts.items()
            for example in examples
        ]

    def synthetic_records(self, table: Mapping[str, Sequence[str]]) -> Sequence[Mapping[str, Any]]:
        """What a model was taught on that nobody bought, from the details of a round. No model is opened."""
        rows = zip(table["prompt"], table["answer"], table["fate"], strict=True)
        return [
            {**sft_record(Demonstration(prompt, answer), self._problem.template), "origin": "synthetic", "row": row}
            for row, (prompt, answer, fate) in enumerate(rows)
            if fate == "kept"
        ]

    def _bought(self, ledger: Ledger) -> tuple[Demonstration, ...]:
        items, answers = ledger.answered_items.tolist(), ledger.answered_answers.tolist()
        prompts = self._pool.prompts
        return tuple(Demonstration(prompts[item], answer) for item, answer in zip(items, answers, strict=True))

    def evaluate(self, model: LanguageModel) -> Scored:
        sitting = ModelSitting(model, self._test, self._problem.decoding, self._problem.prompts)
        found = [evaluation.score(sitting) for evaluation in self._problem.evaluations]
        scores = {name: value for each in found for name, value in each.scores.items()}
        details = {name: table for each in found for name, table in each.details.items()}
        if model.synthesis is not None:
            details["synthetic"] = model.synthesis.as_table()
        notes = {"generated_tokens": float(sitting.written.tokens.sum())}
        return Scored({**scores, **sitting.quality()}, details, notes)

    def score_bought(self, ledger: Ledger) -> dict[str, float]:
        """How many tasks there is an answer of among what was bought."""
        return {"tasks_covered": float(len(np.unique(self._tasks[ledger.answered_items])))}


def _providers(
    needs: frozenset[str],
    pool: PromptPool,
    tasks: np.ndarray,
    candidates: Tensor,
    labelled: Tensor,
    model: LanguageModel | None,
    told: np.ndarray | None,
    seed: tuple[Demonstration, ...],
) -> Providers:
    """The functions behind a view. A free function: its closures reach prompts, models and what everybody is handed.

    `told` is what the oracle would answer, for bounds alone.
    """
    columns: dict[str, Callable[[], np.ndarray]] = {
        "features": lambda: pool.features,
        "token_uncertainty": lambda: pool.token_uncertainty,
        "mean_token_uncertainty": lambda: pool.mean_token_uncertainty,
        "prompt_tokens": lambda: pool.tokens,
        "tasks": lambda: tasks,
    }
    found: dict[str, tuple[str, Callable[[], Any]]] = {
        **providers_of_model(needs, model, pool.at, candidates, labelled),
        "num_classes": ("num_classes", lambda: max(2, int(tasks.max()) + 1)),
        WANTED.name: (WANTED.name, lambda: _gradients(pool, seed, candidates)),
    }
    for name, whole in columns.items():
        found[name] = (name, partial(_rows, whole, candidates))
        found[f"labelled_{name}"] = (name, partial(_rows, whole, labelled))
    if told is not None:
        found["truth"] = ("truth", lambda: told)
        found[ANSWERED.name] = (ANSWERED.name, lambda: _likelihood(pool, candidates, told))
        asked = tuple(map(Demonstration, pool.at(candidates), told.tolist()))
        found[PULLED.name] = (PULLED.name, lambda: _gradients(pool, asked, candidates))
    return found


def _rows(whole: Callable[[], np.ndarray], items: Tensor) -> Tensor:
    import torch

    return torch.as_tensor(whole()[items.cpu().numpy()], device=items.device)


def _gradients(pool: PromptPool, demonstrations: Sequence[Demonstration], items: Tensor) -> Tensor:
    """(n, p) float32: what the base would learn from each, on the device of items."""
    from labelbench_plus.language.gradients import answer_gradients

    return answer_gradients(pool.model, demonstrations).to(items.device)


def _likelihood(pool: PromptPool, items: Tensor, answers: np.ndarray) -> Tensor:
    """(n, 2) float64: tokens of answers (n,), and minus the log probability per token by the base."""
    import torch

    tokens = torch.as_tensor(pool.model.response_tokens(answers.tolist()))
    losses = -pool.model.log_probabilities(pool.at(items), answers.tolist()).cpu() / tokens
    return torch.stack([tokens.double(), losses], dim=1).to(items.device)
