"""What a strategy is shown in a round: what it declared to need, computed when first read, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class CapabilityError(Exception):
    """A strategy read something it did not declare."""


class View:
    """A gate in front of lazily computed tensors.

    Parameters
    ----------
    needs: the capabilities the strategy declared.
    providers: for each attribute, the capability it belongs to and the function that computes it: a tensor, or an
        array that cannot be written to.
    """

    def __init__(self, needs: frozenset[str], providers: Mapping[str, tuple[str, Callable[[], Any]]]) -> None:
        self._needs, self._providers = needs, providers
        self._computed: dict[str, tuple[Any, int]] = {}
        self.notes: dict[str, float] = {}

    def note(self, name: str, value: float) -> None:
        """Keep a number about the choice made, a certificate say, beside the round's costs.

        It is no part of the result: nothing that is compared or ranked depends on it.
        """
        self.notes[name] = float(value)

    def _read(self, attribute: str) -> Any:
        capability, compute = self._providers.get(attribute, (attribute, None))
        if capability not in self._needs:
            declared = ", ".join(sorted(self._needs)) or "nothing"
            raise CapabilityError(
                f"view.{attribute} was read, but the strategy declares that it needs {declared}; "
                f"add {capability!r} to its `needs`"
            )
        if compute is None:
            raise CapabilityError(f"view.{attribute} was read, but neither the problem nor the trainer provides it")
        if attribute not in self._computed:
            value = compute()
            self._computed[attribute] = (value, _version(value))
        return self._computed[attribute][0]

    def changed(self) -> list[str]:
        """Names of the tensors that were written to in place since they were handed out."""
        return [name for name, (value, version) in self._computed.items() if _version(value) != version]


def _version(value: Any) -> int:
    return int(getattr(value, "_version", 0))  # read-only arrays have no count of writes, nor need one


class PoolView(View):
    """A pool as a strategy sees it in one round.

    All tensors are private copies: writing to them reaches nobody else, and is reported as a breach of contract.

    Attributes
    ----------
    candidates: (n,) long, pool indices that can be bought, ascending. Row i of every (n, ...) tensor is about
        `candidates[i]`; a strategy returns entries of `candidates`.
    labelled: (m,) long, pool indices bought so far, in order of purchase.
    labels: (m,) long, the labels bought for `labelled`.
        Where a problem has items of no class, these are labelled -1. Of a multi-label problem (m, K) long, 0 or 1.
    num_classes: K.
    prices: (n,) float64, what each candidate's label costs. All ones unless the problem prices its items.
    money: what may be spent in this round.
    """

    def __init__(
        self,
        needs: frozenset[str],
        providers: Mapping[str, tuple[str, Callable[[], Any]]],
        candidates: Tensor,
        labelled: Tensor,
        labels: Tensor,
        prices: Tensor,
        num_classes: int,
        money: float,
    ) -> None:
        own = {"candidates": candidates, "labelled": labelled, "labels": labels, "prices": prices}
        super().__init__(needs, providers)
        self._computed.update({name: (tensor, _version(tensor)) for name, tensor in own.items()})
        self.candidates, self.labelled, self.labels = candidates, labelled, labels
        self.prices, self.num_classes, self.money = prices, num_classes, money

    @property
    def features(self) -> Tensor:
        """(n, d) frozen features of the candidates. Needs "features"."""
        return self._read("features")

    @property
    def labelled_features(self) -> Tensor:
        """(m, d) frozen features of what was bought. Needs "features"."""
        return self._read("labelled_features")

    @property
    def token_uncertainty(self) -> Tensor:
        """(n, 3) float64: how unsure a language model was of its least sure token of each candidate.

        By entropy, least confidence and margin, from data that come with it. Needs "token_uncertainty".
        """
        return self._read("token_uncertainty")

    @property
    def embeddings(self) -> Tensor:
        """(n, h) the current model's last hidden representation of the candidates. Needs "embeddings"."""
        return self._read("embeddings")

    @property
    def labelled_embeddings(self) -> Tensor:
        """(m, h) the same of what was bought. Needs "embeddings"."""
        return self._read("labelled_embeddings")

    @property
    def probabilities(self) -> Tensor:
        """(n, K) the current model's class probabilities of the candidates. Needs "probabilities"."""
        return self._read("probabilities")

    @property
    def label_probabilities(self) -> Tensor:
        """(n, K) of a multi-label problem: how probable each label is of each candidate, in 0..1.

        Rows need not sum to one. Needs "label_probabilities".
        """
        return self._read("label_probabilities")

    @property
    def labelled_probabilities(self) -> Tensor:
        """(m, K) the same of what was bought. Needs "probabilities"."""
        return self._read("labelled_probabilities")

    @property
    def member_probabilities(self) -> Tensor:
        """(M, n, K) class probabilities of the candidates under M models that are all plausible.

        Members of an ensemble, or passes with dropout: whatever the trainer offers. Needs "member_probabilities".
        """
        return self._read("member_probabilities")
