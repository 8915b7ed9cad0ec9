"""A live language model with adapters on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, MinLen

from labelbench_plus.contracts.bases import Base
from labelbench_plus.contracts.problems import Place
from labelbench_plus.contracts.prompts import PromptSource, loaded
from labelbench_plus.plugins import From, Infra, Outside, Since
from labelbench_plus.policy_sets import PolicySet, policy_sets

if TYPE_CHECKING:
    import numpy as np

    from labelbench_plus.decoding.live_set import LiveSet
    from labelbench_plus.models.reward_model import RewardModel
    from labelbench_plus.seeding import Streams

NAMED = re.compile(r"[\w./-]*[\w.-]")
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
    that ask), and proxies of what they are called, or models' outputs; both are scaled under the reference. The slow
    road to what `response_bank` has as a table. What the reference says is drawn once and kept in the cache.

    Parameters
    ----------
    base: the model, with Llama's layers.
    rewards: rules, one an objective.
    prompts: texts.
    length: tokens of a response.
    responses: of the reference to each prompt, which bits are about.
    samples: responses to each prompt that a weighting is judged by.
    beta: what a nat of divergence costs, in units of reward, whose standard deviation is 2.
    rank, layers: of adapters that are learned, and from the top, of layers that have one.
    last: tokens beyond this id are not said: the rarer ones, in most vocabularies. All may be if left out.
    folders: adapters in peft's format, one for each reward, that come with the set.
    source: where prompts come from, instead: what is in its pool, each a text that is said as it is, after what the
        base's tokenizer puts before a text.
    longest: tokens of a prompt of the source; those with more are left out. None are if left out.
    reward_models: further rewards, each a sequence classifier of transformers with one label, which reads a prompt and
        a response: its name on the hub, or where there are folders, what you call it. Objectives are called by what
        follows the last slash.
    reward_folders: of each of them, as `save_pretrained` writes it, with the tokenizer beside the model. What counts
        for a run's identity is the content.
    greedy: whether a weighting is judged by the likeliest token at every step, once a prompt, rather than by samples.
        KL is then that along these responses, and the value no estimate: the best and the reference stay what they are.
    """

    title = "Live model with adapters"
    exact = False
    offers = frozenset({"distributions", "reference", "parameters"})

    base: Annotated[Base, From("bases")]
    rewards: tuple[Literal["positive", "plain", "asking"], ...] = ("positive", "plain")
    prompts: Annotated[tuple[str, ...], MinLen(1)] = PROMPTS
    length: Annotated[int, Ge(1)] = 16
    responses: Annotated[int, Ge(2)] = 16
    samples: Annotated[int, Ge(1)] = 8
    beta: Annotated[float, Gt(0)] = 0.8
    rank: Annotated[int, Ge(1)] = 16
    layers: Annotated[int, Ge(1)] = 4
    last: Annotated[int, Ge(0)] | None = None
    folders: Annotated[tuple[Path, ...], Infra(), Outside("files")] = ()
    source: Annotated[PromptSource | None, From("prompts"), Since("0.1")] = None
    longest: Annotated[int | None, Ge(1), Since("0.1")] = None
    reward_models: Annotated[tuple[str, ...], Outside("the network"), Since("0.1")] = ()
    reward_folders: Annotated[tuple[Path, ...], Infra(), Outside("files"), Since("0.1")] = ()
    greedy: Annotated[bool, Since("0.1")] = False

    @classmethod
    def example(cls) -> Mapping[str, Any]:
        tiny = {"name": "tiny_llama", "width": 8, "layers": 1, "heads": 2, "context": 32}
        few = {"length": 8, "responses": 8, "samples": 2, "rank": 2, "layers": 1}
        return {"base": tiny, "rewards": ["plain", "asking"], "prompts": ["a dog", "a cat"], **few}

    def __post_init__(self) -> None:
        names = self.objectives()
        if len(names) < 2:
            raise ValueError(f"rewards, reward_models: expected two or more together, got {list(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"rewards: expected different ones, got {list(names)}")
        if self.folders and len(self.folders) != len(names):
            raise ValueError(f"folders: expected {len(names)}, one per reward, got {len(self.folders)}")
        if self.reward_folders and len(self.reward_folders) != len(self.reward_models):
            raise ValueError(
                f"reward_folders: expected {len(self.reward_models)}, one per model, got {len(self.reward_folders)}"
            )
        if bad := [name for name in self.reward_models if not NAMED.fullmatch(name)]:
            raise ValueError(
                f"reward_models: expected a name of letters, digits, '.', '_', '-' and '/', got {bad[0]!r}"
            )
        if self.source is None and self.longest is not None:
            raise ValueError("longest: leaves out prompts of a source; name one")
        if self.source is not None and self.prompts != PROMPTS:
            raise ValueError("prompts: expected either texts or a source, got both")
        if self.greedy and self.samples != 1:
            raise ValueError(
                f"greedy: there is one likeliest response per prompt, so samples must be 1, got {self.samples}"
            )

    def objectives(self) -> tuple[str, ...]:
        return (*self.rewards, *(name.rpartition("/")[2] for name in self.reward_models))

    def fingerprint(self) -> str:
        from labelbench_plus.content import hash_file
        from labelbench_plus.decoding.adapters import CONFIG, WEIGHTS

        parts = [hash_file(folder / name) for folder in self.folders for name in (CONFIG, WEIGHTS)]
        parts += [self.source.fingerprint()] if self.source is not None else []
        parts += [model.fingerprint() for model in self._reward_models()]
        return " ".join([self.base.fingerprint(), *parts])

    def open(self, place: Place, streams: Streams) -> LiveSet:
        import numpy as np
        import torch

        from labelbench_plus.decoding.adapters import read_adapter
        from labelbench_plus.decoding.live_pool import drawn_pool
        from labelbench_plus.decoding.live_set import LiveSet
        from labelbench_plus.decoding.live_world import LiveWorld
        from labelbench_plus.decoding.proxy_rewards import PROXY_REWARDS

        rules = [PROXY_REWARDS[name] for name in self.rewards]
        for rule in rules[:1]:
            rule([""])  # a package that is missing is told of before a model is read
        tokenizer = self.base.tokenizer()
        asked = self._asked(tokenizer)
        models = [model.load(place.device) for model in self._reward_models()]
        model = self.base.load(place.device, torch.float32)
        given = tuple(read_adapter(folder, model) for folder in self.folders)
        begun = self.source is not None
        world = LiveWorld(model, tokenizer, asked, self.length, self.layers, self.last, begun=begun)
        uniforms = streams.rng("responses").random((len(asked) * self.responses, self.length))
        made_of = {"base": self.base.fingerprint(), "layers": self.layers, "last": self.last}
        pool = drawn_pool(world, self.responses, uniforms, place.cache, made_of)

        def raw(prompts: np.ndarray, texts: Sequence[str]) -> np.ndarray:
            said_to = [asked[prompt] for prompt in prompts]
            return np.stack([*(rule(texts) for rule in rules), *(reward(said_to, texts) for reward in models)])

        first = raw(np.repeat(np.arange(len(asked)), self.responses), world.texts(pool.tokens))
        mean, deviation = first.mean(axis=1, keepdims=True), first.std(axis=1, keepdims=True)
        scale = SCALED / np.where(deviation > 0, deviation, 1.0)

        def scores(prompts: np.ndarray, texts: Sequence[str]) -> np.ndarray:
            found: np.ndarray = scale * (raw(prompts, texts) - mean)
            return found

        return LiveSet(world, pool, scores, self.beta, self.samples, self.rank, given, self.greedy)

    def _reward_models(self) -> list[RewardModel]:
        from labelbench_plus.models.reward_model import RewardModel

        folders = self.reward_folders or (None,) * len(self.reward_models)
        return [RewardModel.named(*each) for each in zip(self.reward_models, folders, strict=True)]

    def _asked(self, tokenizer: Any) -> tuple[str, ...]:
        """The prompts' texts."""
        if self.source is None:
            return self.prompts
        said = [prompt.said for prompt in loaded(self.source).pool]
        if turns := [each for each in said if not isinstance(each, str)]:
            raise ValueError(f"source: expected prompts that are texts, got a conversation of {len(turns[0])} turns")
        texts = tuple(str(each) for each in said)
        lengths = [len(tokenizer(text)["input_ids"]) for text in texts]
        kept = tuple(text for text, n in zip(texts, lengths, strict=True) if n <= (self.longest or n))
        if not kept:
            raise ValueError(f"longest: all {len(texts)} prompts of the source have more than {self.longest} tokens")
        return kept
