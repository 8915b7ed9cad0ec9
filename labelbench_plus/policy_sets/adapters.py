"""A live language model with adapters on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, MinLen

from labelbench_plus.contracts.bases import Base
from labelbench_plus.contracts.problems import Place
from labelbench_plus.plugins import From, Infra, Outside
from labelbench_plus.policy_sets import PolicySet, policy_sets

if TYPE_CHECKING:
    import numpy as np

    from labelbench_plus.decoding.live_set import LiveSet
    from labelbench_plus.seeding import Streams

SCALED = 2.0  # standard deviation of every reward under the reference
ABOUT = "garden", "movie", "hotel", "school", "dinner", "winter", "doctor", "city", "story", "friend", "trip", "game"
PROMPTS = tuple(f"The {word} was" for word in ABOUT)


@policy_sets.register("adapters")
@dataclass(frozen=True)
class Adapters(PolicySet):
    """A language model that continues prompts, and LoRA adapters on its top layers: one learned for each reward.

    The reference is the model renormalised on tokens that are letters and , . ! ? ; and what it says is drawn afresh
    for every weighting, from the same random numbers. Values are means over those samples with the exact KL divergence
    of every step, so they are estimates; the best value there is for a weighting is one, too, from the responses that
    the reference gave. Rewards are rules (VADER's sentiment; minus the mean letters of a word; the share of sentences
    that ask), scaled under the reference, and proxies of what they are called. The slow road to what `response_bank`
    has as a table.

    Parameters
    ----------
    base: the model, with Llama's layers.
    rewards: of each objective.
    prompts: texts of equally many tokens.
    length: tokens of a response.
    responses: of the reference to each prompt, which bits are about.
    samples: responses to each prompt that a weighting is judged by.
    beta: what a nat of divergence costs, in units of reward, whose standard deviation is 2.
    rank, layers: of adapters that are learned, and from the top, of layers that have one.
    last: tokens beyond this id are not said: the rarer ones, in most vocabularies. All may be if left out.
    folders: adapters in peft's format, one for each reward, that come with the set.
    """

    title = "Live model with adapters"
    exact = False
    offers = frozenset({"distributions", "reference", "parameters"})

    base: Annotated[Base, From("bases")]
    rewards: Annotated[tuple[Literal["positive", "plain", "asking"], ...], MinLen(2)] = ("positive", "plain")
    prompts: Annotated[tuple[str, ...], MinLen(1)] = PROMPTS
    length: Annotated[int, Ge(1)] = 16
    responses: Annotated[int, Ge(2)] = 16
    samples: Annotated[int, Ge(1)] = 8
    beta: Annotated[float, Gt(0)] = 0.8
    rank: Annotated[int, Ge(1)] = 16
    layers: Annotated[int, Ge(1)] = 4
    last: Annotated[int, Ge(0)] | None = None
    folders: Annotated[tuple[Path, ...], Infra(), Outside("files")] = ()

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        tiny = {"name": "tiny_llama", "width": 8, "layers": 1, "heads": 2, "context": 32}
        few = {"length": 8, "responses": 8, "samples": 2, "rank": 2, "layers": 1}
        return {"base": tiny, "rewards": ["plain", "asking"], "prompts": ["a dog", "a cat"], **few}

    def __post_init__(self) -> None:
        if len(set(self.rewards)) < len(self.rewards):
            raise ValueError(f"rewards: expected different ones, got {list(self.rewards)}")
        if self.folders and len(self.folders) != len(self.rewards):
            raise ValueError(f"folders: expected {len(self.rewards)}, one a reward, got {len(self.folders)}")

    def objectives(self) -> tuple[str, ...]:
        return self.rewards

    def fingerprint(self) -> str:
        from labelbench_plus.content import hash_file
        from labelbench_plus.decoding.adapters import CONFIG, WEIGHTS

        parts = [hash_file(folder / name) for folder in self.folders for name in (CONFIG, WEIGHTS)]
        return " ".join([self.base.fingerprint(), *parts])

    def open(self, place: Place, streams: Streams) -> LiveSet:
        import numpy as np
        import torch

        from labelbench_plus.decoding.adapters import read_adapter
        from labelbench_plus.decoding.live_set import LiveSet, Pool
        from labelbench_plus.decoding.live_world import LiveWorld
        from labelbench_plus.decoding.proxy_rewards import PROXY_REWARDS

        raw = [PROXY_REWARDS[name] for name in self.rewards]
        raw[0]([""])  # a package that is missing is told of before a model is read
        model = self.base.load(place.device, torch.float32)
        given = tuple(read_adapter(folder, model) for folder in self.folders)
        world = LiveWorld(model, self.base.tokenizer(), self.prompts, self.length, self.layers, self.last)
        uniforms = streams.rng("responses").random((len(self.prompts) * self.responses, self.length))
        tokens = world.drawn(self.responses, uniforms)
        trunk = world.trunk(tokens)
        pool = Pool(tokens, trunk, world.all_log_probabilities(trunk, tokens))
        first = np.stack([reward(world.texts(tokens)) for reward in raw])
        mean, deviation = first.mean(axis=1, keepdims=True), first.std(axis=1, keepdims=True)
        scale = SCALED / np.where(deviation > 0, deviation, 1.0)

        def scores(texts: Sequence[str]) -> np.ndarray:
            found: np.ndarray = scale * (np.stack([reward(texts) for reward in raw]) - mean)
            return found

        return LiveSet(world, pool, scores, self.beta, self.samples, self.rank, given)
