"""Capabilities: what views can show beyond what all of them show. Problems, data and trainers offer them, strategies
need them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol


@dataclass(frozen=True)
class Capability:
    """Something a view can show: what is read, when it exists, what reading it costs.

    Attributes
    ----------
    name: what strategies put into `needs`, problems, data sets and trainers into `provides`.
    shape: of what is read, in words: "(n, d) float32". n are the candidates, m what was bought.
    when: whether it exists in a first round, which has no model.
    cost: what reading it costs, in words.
    doc: what it is, in one sentence.
    asked_with: the argument of the model's method of the same name: what the problem has its models read of some
        items, or nothing.
    attributes: of the view; if left out, `name`, and what is asked with items has `labelled_NAME` of what was bought.
    hidden: whether it shows what was not bought: only for the package's own bounds (`knows_truth`).
    """

    name: str
    shape: str
    when: Literal["always", "with a model"]
    cost: str
    doc: str
    asked_with: Literal["items", "nothing"] = "items"
    attributes: tuple[str, ...] = ()
    hidden: bool = False

    def __post_init__(self) -> None:
        if not self.attributes:
            both = (self.name, f"labelled_{self.name}") if self.asked_with == "items" else (self.name,)
            object.__setattr__(self, "attributes", both)


class Offers(Protocol):
    """A problem or trainer, reduced to what it lets views show."""

    task: ClassVar[str]
    provides: ClassVar[frozenset[str]]
    declares: ClassVar[tuple[Capability, ...]]


FREE, FORWARD, MEMBERS = "nothing", "a forward pass over the items", "a forward pass a member over the items"
WELL_KNOWN: Mapping[str, Capability] = MappingProxyType(
    {
        capability.name: capability
        for capability in (
            Capability("features", "(n, d) float32", "always", "copying", "frozen features of the items"),
            Capability("labels", "(m, ...) long", "always", FREE, "classes or label sets bought, -1: none", "nothing"),
            Capability("num_classes", "int", "always", FREE, "how many classes there are", "nothing"),
            Capability("embeddings", "(n, h) float", "with a model", FORWARD, "the last hidden representation"),
            Capability("probabilities", "(n, K) float", "with a model", FORWARD, "class probabilities"),
            Capability(
                "member_probabilities", "(M, n, K) float", "with a model", MEMBERS, "those of M models, all plausible"
            ),
            Capability("label_probabilities", "(n, K) float", "with a model", FORWARD, "how probable each label is"),
            Capability("predictions", "(n,) float", "with a model", FORWARD, "the numbers that the model expects"),
            Capability("variance", "(n,) float", "with a model", FORWARD, "the variance of its predictions"),
            Capability("members", "(M, n) float", "with a model", MEMBERS, "predictions of M models, all plausible"),
            Capability("tasks", "(n,)", "always", FREE, "the task each item belongs to, public"),
            Capability(
                "token_uncertainty",
                "(n, 3) float64",
                "always",
                FREE,
                "how unsure a language model was of its least sure token: by entropy, least confidence and margin",
            ),
            Capability(
                "mean_token_uncertainty",
                "(n, 3) float64",
                "always",
                FREE,
                "how unsure a language model was of all tokens of its answer: by mean entropy, minus the answer's log "
                "probability, and one minus the mean margin",
            ),
            Capability(
                "truth", "(n, ...)", "always", FREE, "what the oracle would answer", attributes=("truth",), hidden=True
            ),
        )
    }
)

HIDDEN = frozenset(name for name, capability in WELL_KNOWN.items() if capability.hidden)

OF_TASK: Mapping[str, frozenset[str]] = MappingProxyType(
    {task: frozenset({"labels", "num_classes"}) for task in ("classification", "multilabel")}
)
"""What the views of every problem of a task show, so that a problem need not declare it."""


class Needs(frozenset[str]):
    """What a strategy needs, and which of it the trainer offers. A problem passes it on to its view.

    Attributes
    ----------
    offered: those of them that the trainer offers.
    """

    offered: Mapping[str, Capability]

    def __new__(cls, needs: Iterable[str], trainer: Offers | None) -> Needs:
        made = super().__new__(cls, needs)
        offered = offered_by_trainer(trainer) if trainer is not None else {}
        made.offered = MappingProxyType({name: offered[name] for name in made if name in offered})
        return made


def offered_by_problem(problem: Offers) -> dict[str, Capability]:
    """What its views show without a model, by name."""
    return _declared(problem, problem.provides | OF_TASK.get(problem.task, frozenset()), "always")


def offered_by_trainer(trainer: Offers) -> dict[str, Capability]:
    """What views show of its models, by name."""
    return _declared(trainer, trainer.provides, "with a model")


def _declared(plugin: Offers, names: frozenset[str], when: Literal["always", "with a model"]) -> dict[str, Capability]:
    own = {capability.name: capability for capability in plugin.declares}
    unknown = {name: Capability(name, "", when, "", "") for name in names}
    return {name: {**unknown, **WELL_KNOWN, **own}[name] for name in sorted(names)}


def in_words(kind: str, cls: type[Any]) -> str:
    """What a class of strategies needs, or one of problems, data sets or trainers offers; empty for other kinds."""
    if kind not in ("strategies", "problems", "datasets", "trainers"):
        return ""
    word, names = ("needs", cls.needs) if kind == "strategies" else ("offers", cls.provides)
    if not isinstance(names, frozenset):
        return f"what it {word} depends on its hyperparameters"
    implied = OF_TASK.get(cls.task, frozenset()) if kind == "problems" else frozenset()
    return f"{word} {', '.join(sorted(names | implied)) or 'nothing'}"


def providers_of_model(
    needs: frozenset[str],
    model: Any | None,
    inputs: Callable[[Any], Any] | None = None,
    candidates: Any = None,
    labelled: Any = None,
) -> dict[str, tuple[str, Callable[[], Any]]]:
    """The functions behind what a view shows of a model of any kind, limited to what is needed.

    A capability is the model's method of that name. Its declaration says what it is called with; a name without a
    declaration is called with items where there are any. A problem that shows something of its own under the same name
    adds it after these.

    Parameters
    ----------
    needs: as the problem was given them: what of a model its trainer does not offer is not shown. Of plain names
        whatever the model has a method for is.
    model: None in a first round, in which nothing is provided.
    inputs: what the problem has a model read of items (k,) of the pool; None if it is not asked about items.
    candidates, labelled: (n,) and (m,), the items; nobody else may write to them.
    """
    offered: Mapping[str, Capability] = getattr(needs, "offered", {})
    providers: dict[str, tuple[str, Callable[[], Any]]] = {}
    for name in sorted(needs) if model is not None else ():
        if name not in offered and (isinstance(needs, Needs) or not callable(getattr(model, name, None))):
            continue
        declared = offered.get(name) or WELL_KNOWN.get(name)
        if inputs is None or (declared is not None and declared.asked_with == "nothing"):
            providers[name] = (name, partial(_said, model, name))
            continue
        providers[name] = (name, partial(_said_of, model, name, inputs, candidates))
        providers[f"labelled_{name}"] = (name, partial(_said_of, model, name, inputs, labelled))
    return providers


def _said(model: Any, name: str) -> Any:
    value = _method(model, name)()
    return value.clone() if hasattr(value, "clone") else value  # the model may go on using its own


def _said_of(model: Any, name: str, inputs: Callable[[Any], Any], items: Any) -> Any:
    return _method(model, name)(inputs(items))


def _method(model: Any, name: str) -> Callable[..., Any]:
    method = getattr(model, name, None)
    if not callable(method):
        raise TypeError(f"its trainer provides {name!r}, but {type(model).__name__} has no method of that name")
    return method
