"""Preference tuning made ready to run: candidates, the expert behind the oracle, and the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.annotators import Annotator, Asked
from labelbench_plus.contracts.capabilities import providers_of_model
from labelbench_plus.contracts.prompts import PromptData
from labelbench_plus.contracts.scores import Scored
from labelbench_plus.language.candidates import Response, draw
from labelbench_plus.language.comparables import (
    Block,
    Centred,
    DrawnBlock,
    evaluation_features,
    instruction_features,
    paired_states,
    response_features,
)
from labelbench_plus.language.judged import Judged, judged, questions, verdicts
from labelbench_plus.language.seed_policy import SeedPolicy
from labelbench_plus.problems import Place
from labelbench_plus.problems._generated_pool import GeneratedPoolOracle
from labelbench_plus.seeding import Streams
from labelbench_plus.view import ItemView, Providers

if TYPE_CHECKING:
    from torch import Tensor

    from labelbench_plus.language.model import LanguageModel
    from labelbench_plus.language.preference_data import PreferenceData
    from labelbench_plus.language.preference_test import PreferenceTest


class Expert:
    """An annotator, and what the data say to prompts, which it alone is told."""

    def __init__(self, annotator: Annotator, references: Mapping[Any, str]) -> None:
        self.annotator, self._references = annotator, references

    def references(self, asked: Sequence[Asked]) -> list[str | None]:
        return [self._references.get(each.prompt) for each in asked]

    def judged(self, asked: Sequence[Asked]) -> list[Judged]:
        """What it says outside any budget, of questions of one kind."""
        if not asked:
            return []
        told = [replace(each, reference=said) for each, said in zip(asked, self.references(asked), strict=True)]
        kind = self.annotator.kinds[asked[0].wants]
        return verdicts(asked, *_in_order(kind, kind.held(self.annotator.ask(told, None))))


def _in_order(kind: Any, held: tuple[np.ndarray, np.ndarray | None]) -> tuple[np.ndarray, Any, np.ndarray | None]:
    return held[0], kind, held[1]


class PreferenceInstance:
    """The candidates of a seed, and the expert behind the oracle. Models are opened when they are first needed.

    A block that the last model drew is kept until the next one is asked for: a memo, as it can be drawn again.

    Parameters
    ----------
    problem: a `PreferenceTuning`.
    """

    def __init__(self, problem: Any, data: PromptData, place: Place, streams: Streams) -> None:
        self._problem, self._data, self._streams, self._place = problem, data, streams, place
        said = [prompt.said for prompt in data.pool]
        self._tasks = np.searchsorted(data.tasks, [prompt.task for prompt in data.pool])
        self._expert = Expert(problem.annotator, dict(zip(said, data.pool_answers, strict=True)))
        self._policy = SeedPolicy(
            problem.base, problem.template, problem.policy, data.seed, streams, place.cache, place.device
        )
        self._pool = self._drawn("candidates", said, self._policy)
        self._others = self._of_others(said)
        self._block: Block = self._pool
        self._given = np.sort(
            streams.rng("seed preferences").choice(self._pool.shape.size, problem.seed_pairs, replace=False)
        )
        self.oracle = GeneratedPoolOracle(
            problem.annotator,
            problem.label,
            self._pool.shape.size,
            lambda items: self._asked(items),
            self._expert.references,
            beyond=0 if self._others is None else self._others.shape.size,
            given=self._given,
            refresh=problem.refresh,
            desk=place.desk(),
        )

    def _drawn(self, name: str, said: Sequence[Any], writer: SeedPolicy, count: int | None = None) -> DrawnBlock:
        problem = self._problem
        return DrawnBlock(
            name,
            said,
            count or problem.responses,
            problem.label,
            problem.decoding,
            self._policy,
            self._streams.rng,
            self._place.cache,
            writer,
        )

    def _of_others(self, said: Sequence[Any]) -> Block | None:
        problem, policy = self._problem, self._policy
        if problem.others == "answers":
            answers = [[Response(text, bool(text.strip()))] for text in self._data.pool_answers]
            return Block(said, 1, problem.label, lambda: answers, lambda: policy.model)
        if problem.instruction is not None:
            return self._drawn("others", said, policy.told(problem.instruction))
        return None

    def check(self) -> None:
        """Refuse, before any work, prompts that are too long, and prices that would mean something else here."""
        from labelbench_plus.language.base import open_base
        from labelbench_plus.language.model import LanguageModel

        if (self._data.prices != 1).any():
            raise ValueError("the prompts' prices are those of answers; here judgements are sold, for one unit each")
        untuned = LanguageModel(open_base(self._problem.base, self._place.device), self._problem.template)
        longest = untuned.prompt_tokens([*self._pool.prompts, *(item.prompt.said for item in self._data.test)]).max()
        beyond = self._problem.decoding.max_new_tokens + 1
        if longest + beyond > untuned.base.context:
            raise ValueError(
                f"prompt and response may have {longest + beyond} tokens together, but the base reads "
                f"{untuned.base.context}: lower max_new_tokens of the decoding, or max_tokens of the template"
            )

    def _asked(self, items: np.ndarray) -> list[Asked]:
        """Questions about items that are on sale."""
        size = self._pool.shape.size
        if self._problem.refresh:
            return self._block.asked(items % size)
        ours = items < size
        found: list[Asked | None] = [None] * len(items)
        for block, here, shift in ((self._pool, ours, 0), (self._others, ~ours, size)):
            if block is not None and here.any():
                for place, asked in zip(np.flatnonzero(here), block.asked(items[here] - shift), strict=True):
                    found[place] = asked
        return [each for each in found if each is not None]

    def view(self, needs: frozenset[str], ledger: Ledger, model: LanguageModel | None, money: float) -> ItemView:
        import torch

        number = len(ledger.purchases)
        if self._problem.refresh:
            self._block = self._refreshed(number, model)
        ids = self.oracle.candidates(ledger)
        device = self._place.device
        candidates, labelled = (torch.as_tensor(each, device=device) for each in (ids, ledger.items))
        here = Here(self._block, ids % self._pool.shape.size, questions(ledger), self._policy, self._tasks)
        beyond = self.oracle.beyond(ledger) if self._others is not None else None
        return ItemView(
            needs,
            _providers(needs, here, model, beyond, device),
            candidates,
            labelled.long(),
            torch.as_tensor(ledger.answers.astype(np.float64), device=device),
            prices=torch.ones(len(ids), dtype=torch.float64, device=device),
            money=money,
            purchases=[torch.tensor(purchase.items, device=device) for purchase in ledger.purchases],
        )

    def _refreshed(self, number: int, model: LanguageModel | None) -> Block:
        """This round's candidates: those of the policy of the seed in the first one, then the last model's."""
        if number == 0:
            return self._pool
        policy, problem, prompts = self._policy, self._problem, self._pool.prompts
        stream = self._streams.round(number).rng

        def drawn() -> list[list[Response]]:
            return draw(model or policy.model, prompts, problem.responses, problem.decoding, stream)

        return Block(prompts, problem.responses, problem.label, drawn, lambda: policy.model)

    def training_data(self, ledger: Ledger, *, with_validation: bool) -> PreferenceData:
        from labelbench_plus.language.preference_data import PreferenceData

        return PreferenceData(
            self._policy.base,
            self._problem.template,
            self._problem.label,
            judged(ledger.purchases),
            self._pool,
            self._problem.decoding,
            self._seed,
            self._data.seed,
            self._truth if self._problem.tells_all else None,
        )

    @cached_property
    def _seed(self) -> tuple[Judged, ...]:
        return tuple(self._expert.judged(self._pool.asked(self._given))) if len(self._given) else ()

    def _truth(self) -> list[Judged]:
        return self._expert.judged([self._pool.single(row) for row in range(len(self._pool.responses))])

    @cached_property
    def _test(self) -> PreferenceTest:
        from labelbench_plus.language.preference_test import PreferenceTest

        said = [item.prompt.said for item in self._data.test]
        reference = self._drawn("test candidates", said, self._policy)
        problem = self._problem
        return PreferenceTest(self._data.test, reference, problem.scorer, problem.decoding, self._streams)

    def evaluate(self, model: Any) -> Scored:
        return self._test.score(model)

    def score_bought(self, ledger: Ledger) -> dict[str, float]:
        """What was bought was like: how many prompts it was about, and how much of it was a tie."""
        asked = questions(ledger)
        ties = [each.verdict == 0 for each in judged(ledger.purchases) if len(each.responses) == 2]
        return {
            "prompts_covered": float(len({each.prompt for each in asked})),
            "ties_bought": float(np.mean(ties)) if ties else 0.0,
        }


@dataclass(frozen=True, eq=False)
class Here:
    """The candidates of a round and what was bought before, as strategies see them. No judgement lies here."""

    block: Block
    items: np.ndarray
    bought: Sequence[Asked]
    policy: SeedPolicy
    tasks: np.ndarray

    @cached_property
    def states(self) -> np.ndarray:
        return self.block.states_at(self.items)

    @cached_property
    def bought_states(self) -> np.ndarray:
        found = paired_states(self.policy.model, self.bought)
        return found if len(found) else self.states[:0]

    def of_states(self, features: Callable[[np.ndarray], np.ndarray], *, of_bought: bool) -> np.ndarray:
        every = features(self.states)
        return Centred(every)(features(self.bought_states) if of_bought else every)

    def evaluated(self, *, of_bought: bool) -> np.ndarray:
        every = evaluation_features(self.policy.model, self.block.asked(self.items))
        return Centred(every)(evaluation_features(self.policy.model, self.bought) if of_bought else every)

    def prompts(self, *, of_bought: bool) -> np.ndarray:
        if not of_bought:
            return self.block.shape.prompt_of(self.items)
        numbers = {prompt: number for number, prompt in enumerate(self.block.prompts)}
        return np.array([numbers[each.prompt] for each in self.bought], dtype=np.int64)

    def pairs(self, *, of_bought: bool) -> np.ndarray:
        places = np.array(self.block.shape.places)
        if of_bought:  # which they were is not written down, and nobody needs it
            return np.tile(places[:1], (len(self.bought), 1))
        return places[self.items % len(places)]

    def valid(self, *, of_bought: bool) -> np.ndarray:
        if of_bought:
            return np.array([all(map(str.strip, each.responses)) for each in self.bought], dtype=bool)
        return self.block.valid(self.items)


def _providers(
    needs: frozenset[str], here: Here, model: LanguageModel | None, beyond: np.ndarray | None, device: str
) -> Providers:
    """The functions behind a view. A free function: its closures reach responses and models, and of judgements none."""
    import torch

    def questions_about(which: Tensor) -> Sequence[Asked]:
        return here.block.asked(here.items) if which is ours else here.bought

    ours, theirs = torch.zeros(0), torch.zeros(0)
    columns: dict[str, Callable[..., np.ndarray]] = {
        "features": partial(here.of_states, response_features),
        "instruction_features": partial(here.of_states, instruction_features),
        "evaluation_features": here.evaluated,
        "prompt_of": here.prompts,
        "tasks": lambda *, of_bought: here.tasks[here.prompts(of_bought=of_bought)],
        "valid": here.valid,
    }
    if here.block.shape.wants == "pair":
        columns["pairs"] = here.pairs
    found: dict[str, tuple[str, Callable[[], Any]]] = {
        **providers_of_model(needs, model, questions_about, ours, theirs),
        "num_classes": ("num_classes", lambda: max(2, int(here.tasks.max()) + 1)),
    }
    for name, column in columns.items():
        for attribute, of_bought in ((name, False), (f"labelled_{name}", True)):
            found[attribute] = (name, partial(_tensor, column, of_bought, device))
    if beyond is not None:
        found["off_policy"] = ("off_policy", lambda: torch.as_tensor(beyond, device=device))
    return found


def _tensor(column: Callable[..., np.ndarray], of_bought: bool, device: str) -> Tensor:
    import torch

    return torch.as_tensor(np.ascontiguousarray(column(of_bought=of_bought)), device=device)
