"""What a strategy sees in a round: what it declared to need, computed when first read, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Providers = Mapping[str, tuple[str, Callable[[], Any]]]
"""For each attribute, the capability it belongs to and the function that computes it."""


class CapabilityError(Exception):
    """A strategy read something it did not declare."""


class UnknownAttributeError(CapabilityError, AttributeError):
    """A strategy read a name that nothing provides."""


class View:
    """A gate in front of lazily computed values: what problem and trainer provide, for strategies that declare it.

    What it returns is its own: arrays are read-only copies, and tensors never those of inference mode, whose changes
    could not be detected.

    Parameters
    ----------
    needs: the capabilities that the strategy declared.
    providers: what can be computed: a tensor that nothing else holds, an array, or a plain value.
    """

    served_to_all: ClassVar[frozenset[str]] = frozenset()
    """Provided attributes that need not be declared."""

    def __init__(self, needs: frozenset[str], providers: Providers) -> None:
        self._needs, self._providers = frozenset(needs), providers
        self._computed: dict[str, tuple[Any, int]] = {}
        self.notes: dict[str, float] = {}

    def note(self, name: str, value: float) -> None:
        """Keep a number about the choice, such as a certificate, with the round's costs.

        It is not part of the result: nothing that is compared or ranked depends on it.
        """
        self.notes[name] = float(value)

    def __getattr__(self, attribute: str) -> Any:
        """What problem or trainer provide under a name of their own."""
        if attribute.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {attribute!r}")
        try:
            return self._read(attribute)
        except CapabilityError as error:
            if attribute in self._providers:
                raise
            raise UnknownAttributeError(str(error)) from None

    def _read(self, attribute: str, capability: str | None = None) -> Any:
        """The value of an attribute, which belongs to `capability` if nothing provides it.

        Raises
        ------
        CapabilityError
            The strategy did not declare it, or nothing provides it.
        RuntimeError
            Its provider does not have it.
        """
        capability, compute = self._providers.get(attribute, (capability or attribute, None))
        if capability not in self._needs and not (compute is not None and attribute in self.served_to_all):
            declared = ", ".join(sorted(self._needs)) or "nothing"
            raise CapabilityError(
                f"view.{attribute} was read, but the strategy declares that it needs {declared}; "
                f"add {capability!r} to its `needs`"
            )
        if compute is None:
            raise CapabilityError(f"view.{attribute} was read, but neither the problem nor the trainer provides it")
        if attribute not in self._computed:
            try:
                value = _private(compute())
            except AttributeError as error:  # or Python takes the view for one without such an attribute
                raise RuntimeError(f"view.{attribute} cannot be computed: {error}") from error
            self._computed[attribute] = (value, _version(value))
        return self._computed[attribute][0]

    def _show(self, **values: Any) -> None:
        """Add attributes that every strategy sees from the start, and watch them."""
        for name, value in values.items():
            mine = _private(value)
            setattr(self, name, mine)
            self._computed[name] = (mine, _version(mine))

    def changed(self) -> list[str]:
        """Names of the tensors that were changed in place after they were returned."""
        return [name for name, (value, version) in self._computed.items() if _version(value) != version]


def _private(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_private, value))
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.setflags(write=False)
        return value
    return value.clone() if hasattr(value, "is_inference") and value.is_inference() else value


def _version(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(map(_version, value))
    return int(getattr(value, "_version", 0))  # read-only arrays have no count of writes, nor need one


class ItemView(View):
    """Items of any kind as a strategy sees them in one round.

    See `View` for what is private to it and how it is watched. Beyond the attributes here, a view has whatever the
    problem declares (columns of its data: the task of an item, how unsure a language model was of it) and whatever the
    trainer declares, under their names.

    Attributes
    ----------
    candidates: (n,) long, pool indices that can be bought, ascending. Row i of every (n, ...) value is about
        `candidates[i]`; a strategy returns entries of `candidates`.
    labelled: (m,) long, pool indices bought so far, in order of purchase.
    answers: (m, ...) the answers to `labelled`: a tensor of classes or numbers, an array of texts.
    prices: (n,) float64, the most that each candidate's answer can cost. All ones unless the problem sets prices.
    money: the budget of this round.
    purchases: the items (k,) long bought in each earlier round; None if the problem does not provide them.
    round: the number of this round, from 0; None if the problem does not provide it.
    """

    candidates: Tensor
    labelled: Tensor
    answers: Tensor | np.ndarray
    prices: Tensor
    purchases: tuple[Tensor, ...] | None

    def __init__(
        self,
        needs: frozenset[str],
        providers: Providers,
        candidates: Tensor,
        labelled: Tensor,
        answers: Tensor | np.ndarray,
        prices: Tensor,
        money: float,
        purchases: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__(needs, providers)
        self._show(candidates=candidates, labelled=labelled, answers=answers, prices=prices)
        self._show(purchases=None if purchases is None else tuple(purchases))
        self.money, self.round = money, None if purchases is None else len(purchases)

    @property
    def features(self) -> Tensor:
        """(n, d) frozen features of the candidates. Needs "features"."""
        return self._read("features")

    @property
    def labelled_features(self) -> Tensor:
        """(m, d) frozen features of what was bought. Needs "features"."""
        return self._read("labelled_features", "features")

    @property
    def embeddings(self) -> Tensor:
        """(n, h) the current model's last hidden representation of the candidates. Needs "embeddings"."""
        return self._read("embeddings")

    @property
    def labelled_embeddings(self) -> Tensor:
        """(m, h) the same of what was bought. Needs "embeddings"."""
        return self._read("labelled_embeddings", "embeddings")

    @property
    def predictions(self) -> Tensor:
        """(n,) the number that the current model predicts for each candidate. Needs "predictions"."""
        return self._read("predictions")

    @property
    def labelled_predictions(self) -> Tensor:
        """(m,) the same of what was bought. Needs "predictions"."""
        return self._read("labelled_predictions", "predictions")

    @property
    def variance(self) -> Tensor:
        """(n,) the current model's variance of its prediction of each candidate. Needs "variance"."""
        return self._read("variance")

    @property
    def members(self) -> Tensor:
        """(M, n) predictions of the candidates by M plausible models. Needs "members"."""
        return self._read("members")

    @property
    def truth(self) -> Any:
        """(n, ...) what the oracle would answer for each candidate, for bounds. Needs "truth"."""
        return self._read("truth")


class PoolView(ItemView):
    """A pool of items with classes as a strategy sees it in one round.

    Attributes
    ----------
    candidates, labelled, prices, money: see `ItemView`; `answers` are `labels`.
    """

    served_to_all = frozenset({"labels"})

    def __init__(
        self,
        needs: frozenset[str],
        providers: Providers,
        candidates: Tensor,
        labelled: Tensor,
        labels: Tensor,
        prices: Tensor,
        num_classes: int | None = None,
        money: float | None = None,
        purchases: Sequence[Tensor] | None = None,
    ) -> None:
        if money is None:
            raise TypeError("PoolView() needs `money`: the budget of this round")
        own: dict[str, tuple[str, Callable[[], Any]]] = {"labels": ("labels", lambda: labels)}
        if num_classes is not None:
            own["num_classes"] = ("num_classes", lambda: num_classes)
        super().__init__(needs, {**providers, **own}, candidates, labelled, labels, prices, money, purchases)

    @property
    def labels(self) -> Tensor:
        """(m,) long, the labels bought for `labelled`. Needs "labels".

        Items of no class, where a problem has them, are labelled -1. In a multi-label problem (m, K) long, 0 or 1.
        """
        return self._read("labels")

    @property
    def num_classes(self) -> int:
        """K. Needs "num_classes"."""
        return self._read("num_classes")

    @property
    def probabilities(self) -> Tensor:
        """(n, K) the current model's class probabilities of the candidates. Needs "probabilities"."""
        return self._read("probabilities")

    @property
    def labelled_probabilities(self) -> Tensor:
        """(m, K) the same of what was bought. Needs "probabilities"."""
        return self._read("labelled_probabilities", "probabilities")

    @property
    def label_probabilities(self) -> Tensor:
        """(n, K) in a multi-label problem: the probability of each label for each candidate, in 0..1.

        Rows need not sum to one. Needs "label_probabilities".
        """
        return self._read("label_probabilities")

    @property
    def member_probabilities(self) -> Tensor:
        """(M, n, K) class probabilities of the candidates under M plausible models.

        Members of an ensemble or passes with dropout, whatever the trainer offers. Needs "member_probabilities".
        """
        return self._read("member_probabilities")
