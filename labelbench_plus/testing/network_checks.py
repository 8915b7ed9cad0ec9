"""What is asked of a network."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from labelbench_plus.contracts.classifier import Classifier
from labelbench_plus.contracts.networks import Network, Task
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, fresh
from labelbench_plus.testing.witness import watched

CLASSES, BATCH, WIDTH = 4, 8, 6
SIDE = 32  # of images, where a network has no size of its own
STEPS, LEARNING_RATE = 12, 0.003


@dataclass
class Built:
    """One network and the ways to build it."""

    plugin: Network

    @property
    def shape(self) -> tuple[int, ...]:
        side = self.plugin.image_size() or SIDE
        return (3, side, side) if self.plugin.reads == "images" else (WIDTH,)

    def build(self, classes: int = CLASSES, seed: int = 0) -> Classifier:
        names = tuple(f"class {k}" for k in range(classes))
        task = Task(self.shape, classes, names, ("a photo of a {}.",))
        try:
            with watched():
                return fresh(self.plugin).build(task, torch.Generator().manual_seed(seed))
        except FileNotFoundError as error:
            if not str(error):
                raise Failure("builds", "FileNotFoundError without a message: list every way to get it") from error
            raise Skip(f"its weights are not on this machine: {error}") from error

    @property
    def inputs(self) -> Tensor:
        """(8, ...), two of each class, which a classifier can tell apart."""
        generator = torch.Generator().manual_seed(1)
        labels = torch.arange(BATCH) % CLASSES
        centers = torch.rand(CLASSES, *self.shape, generator=generator)
        return (centers[labels] + 0.05 * torch.rand(BATCH, *self.shape, generator=generator)).clamp(0, 1)

    def ordinary(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.build().state_dict().items()}


CHECKS: Checks[Built] = Checks(Built)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring and `reads`",
    "follow `lbp new network NAME`",
)
def _declaration(built: Built) -> None:
    network = built.plugin
    check_declaration(network, "networks")
    if getattr(network, "reads", None) not in ("features", "images"):
        raise Failure("declaration", f"reads must be 'features' or 'images', got {getattr(network, 'reads', None)!r}")
    if not isinstance(network.fingerprint(), str):
        raise Failure("declaration", "fingerprint() must be a string: the hash of its weights, or nothing")


@CHECKS.add("builds", "it can be built", "read the traceback of `build`", essential=True)
def _builds(built: Built) -> str:
    classifier = built.build()
    if not isinstance(classifier, Classifier):
        raise Failure("builds", f"expected a Classifier, got {type(classifier).__name__}")
    return f"{sum(parameter.numel() for parameter in classifier.parameters()):,} weights"


@CHECKS.add(
    "logits",
    "it gives finite float32 logits, one row an input and one column a class, of 2 and of 100 classes too",
    "embeddings are (n, h), whatever the backbone does; the head is a linear layer to task.num_classes",
)
@torch.no_grad()
def _logits(built: Built) -> None:
    for classes in (CLASSES, 2, 100):
        classifier = built.build(classes).eval()
        embeddings, logits = classifier.backbone(built.inputs), classifier(built.inputs)
        if embeddings.ndim != 2 or logits.shape != (BATCH, classes) or logits.dtype != torch.float32:
            what = f"embeddings {tuple(embeddings.shape)}, logits {logits.dtype} {tuple(logits.shape)}"
            raise Failure("logits", f"of {BATCH} inputs and {classes} classes: {what}")
        if not bool(torch.isfinite(logits).all() and torch.isfinite(embeddings).all()):
            raise Failure("logits", "they hold NaN or infinity")


@CHECKS.add(
    "row_by_row",
    "once it is trained, what it says of an input does not depend on which others are asked about",
    "no statistics of the batch in eval(): nn.BatchNorm keeps its own",
)
@torch.no_grad()
def _row_by_row(built: Built) -> None:
    classifier = built.build().eval()
    whole, some = classifier.backbone(built.inputs)[2:4], classifier.backbone(built.inputs[2:4])
    if not torch.allclose(whole, some, rtol=1e-3, atol=1e-5):
        raise Failure("row_by_row", f"two inputs alone differ by {float((whole - some).abs().max()):.2g}")


@CHECKS.add("mutation", "it leaves its inputs as they were", "methods that end in _ write in place")
@torch.no_grad()
def _mutation(built: Built) -> None:
    inputs = built.inputs
    built.build().eval()(inputs)
    if not torch.equal(inputs, built.inputs):
        raise Failure("mutation", "the inputs are not what they were")


@CHECKS.add(
    "trains",
    "gradients reach every weight that is to be trained, and lower the loss",
    "weights that are frozen have requires_grad = False; nothing in forward() may detach or round",
)
def _trains(built: Built) -> str:
    classifier = built.build().train()
    labels = torch.arange(BATCH) % CLASSES
    trained = {name: weight for name, weight in classifier.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.Adam(trained.values(), LEARNING_RATE)
    losses = []
    with torch.random.fork_rng(devices=[]), torch.enable_grad():  # dropout draws, as it does in training
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(classifier(built.inputs), labels)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    if lost := [name for name, weight in trained.items() if weight.grad is None or not bool(weight.grad.any())]:
        raise Failure("trains", f"no gradient reaches {', '.join(lost[:3])} ({len(lost)} of {len(trained)})")
    if not losses[-1] < losses[0]:
        raise Failure("trains", f"{STEPS} steps took the loss from {losses[0]:.3f} to {losses[-1]:.3f}")
    return f"loss {losses[0]:.3f} to {losses[-1]:.3f} in {STEPS} steps"


@CHECKS.add(
    "layers",
    "each of the layers it names has weights",
    "`layers` are prefixes of the names of the backbone's parameters, from the input upwards",
)
def _layers(built: Built) -> str:
    depths = set(built.build().depths().values())
    if missing := set(range(max(depths, default=0) + 1)) - depths:
        raise Failure("layers", f"no weight lies {sorted(missing)[0]} below the head: a prefix that fits no name?")
    return f"{max(depths, default=0)} below the head"


@CHECKS.add(
    "refuses",
    "what it cannot take is refused with ValueError when it is built",
    "look at task.shape first: (d,) for features, (channels, height, width) for images",
)
def _refuses(built: Built) -> None:
    other = (WIDTH,) if built.plugin.reads == "images" else (3, SIDE, SIDE)
    try:
        fresh(built.plugin).build(Task(other, CLASSES), torch.Generator())
    except ValueError:
        return
    except Exception as error:
        raise Failure("refuses", f"inputs {other} give {type(error).__name__}, not ValueError: {error}") from error
    raise Failure("refuses", f"it reads {built.plugin.reads}, but is silently built for inputs {other}")


@CHECKS.add(
    "copies",
    "a copy, and a new one with its state loaded, say the same",
    "all that was learned or drawn is a parameter or a buffer: checkpoints and averages know nothing else",
)
@torch.no_grad()
def _copies(built: Built) -> None:
    def said(classifier: Any) -> Tensor:
        found: Tensor = classifier.eval().backbone(built.inputs)
        return found

    classifier = built.build()
    loaded = built.build(seed=1)
    loaded.load_state_dict(classifier.state_dict())
    for what, other in (("a copy", copy.deepcopy(classifier)), ("one with its state", loaded)):
        if not torch.equal(said(classifier), said(other)):
            raise Failure("copies", f"{what} says something else")


add_common(CHECKS, "networks")
