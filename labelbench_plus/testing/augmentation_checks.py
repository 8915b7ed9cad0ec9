"""What is asked of an augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from labelbench_plus.contracts.augmentations import Augmentation
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.common_checks import add_common
from labelbench_plus.testing.report import Failure
from labelbench_plus.testing.subject import check_declaration, fresh
from labelbench_plus.testing.witness import same, watched

BATCH, DRAWS = 12, 8
STRENGTHS = ("weak", "strong")
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "images": [(3, 32, 32), (1, 8, 8), (3, 17, 9)],
    "features": [(6,), (1,), (300,)],
}


@dataclass
class Changing:
    """One augmentation and the ways to have it change inputs."""

    plugin: Augmentation

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return SHAPES.get(self.plugin.of, SHAPES["features"])

    def inputs(self, shape: tuple[int, ...] | None = None, batch: int = BATCH) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        size = (batch, *(shape or self.shapes[0]))
        draw = torch.rand if self.plugin.of == "images" else torch.randn
        return draw(size, generator=generator)

    def change(self, strength: str, inputs: Tensor, seed: int = 0) -> Tensor:
        """Change a batch, and hold what comes back to what every batch is."""
        given = inputs.clone()
        with watched():
            found = getattr(fresh(self.plugin), strength)(given, torch.Generator().manual_seed(seed))
        if not torch.equal(given, inputs):
            raise Failure("mutation", f"{strength}: the inputs are not what they were")
        if not isinstance(found, Tensor) or found.shape != inputs.shape or found.dtype != inputs.dtype:
            shape = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise Failure("shapes", f"{strength}: {inputs.dtype} {tuple(inputs.shape)} became {shape}")
        if not bool(torch.isfinite(found).all()):
            raise Failure("values", f"{strength}: NaN or infinity came out")
        if self.plugin.of == "images" and not -1e-6 <= float(found.min()) <= float(found.max()) <= 1 + 1e-6:
            raise Failure("values", f"{strength}: values from {float(found.min()):.3g} to {float(found.max()):.3g}")
        return found

    def need_repeatable(self) -> None:
        """Without that no two batches can be compared."""
        if not same(self.ordinary(), self.ordinary()):
            raise Failure("repeatable", "the second time something else came out")

    def ordinary(self) -> tuple[Tensor, ...]:
        return tuple(self.change(strength, self.inputs()) for strength in STRENGTHS)


CHECKS: Checks[Changing] = Checks(Changing)


@CHECKS.add(
    "declaration",
    "it is a registered frozen dataclass with a docstring and `of`",
    "follow `lbp new augmentation NAME`",
)
def _declaration(changing: Changing) -> None:
    check_declaration(changing.plugin, "augmentations")
    if getattr(changing.plugin, "of", None) not in SHAPES:
        raise Failure("declaration", f"of must be 'images' or 'features', got {getattr(changing.plugin, 'of', None)!r}")


@CHECKS.add(
    "changes", "it changes a batch, weakly and strongly", "read the traceback of `weak` or `strong`", essential=True
)
def _changes(changing: Changing) -> None:
    changing.ordinary()


@CHECKS.add("shapes", "a batch keeps its shape and type", "one changed input for each that came in")
def _shapes(changing: Changing) -> None:
    """Every batch in every check is held to it."""


@CHECKS.add("values", "images stay within 0..1, and nothing is NaN or infinite", "end with .clamp(0, 1)")
def _values(changing: Changing) -> None:
    """Every batch in every check is held to it."""


@CHECKS.add("mutation", "it leaves the batch it is given as it was", "methods that end in _ write in place")
def _mutation(changing: Changing) -> None:
    """Every batch in every check is held to it."""


@CHECKS.add(
    "each_by_itself",
    "what becomes of an input does not depend on the others in its batch",
    "no statistics of the batch, and nothing mixed into another",
)
def _each_by_itself(changing: Changing) -> None:
    changing.need_repeatable()
    inputs, other = changing.inputs(), changing.inputs()
    other[BATCH // 2 :] = other[BATCH // 2 :].flip(0) * 0.5
    for strength in STRENGTHS:
        first, again = (changing.change(strength, each)[: BATCH // 2] for each in (inputs, other))
        if not torch.equal(first, again):
            raise Failure("each_by_itself", f"{strength}: an input's result depends on the other inputs")


@CHECKS.add(
    "strength", "strong changes more than weak", "weak is what a target is made of: it stays close to the input"
)
def _strength(changing: Changing) -> str:
    inputs = changing.inputs()
    weak, strong = (
        sum(float((changing.change(strength, inputs, seed) - inputs).abs().mean()) for seed in range(DRAWS)) / DRAWS
        for strength in STRENGTHS
    )
    if strong < weak:
        raise Failure("strength", f"weak moves values by {weak:.3f} on average, strong by {strong:.3f}")
    return f"by {weak:.3f} and {strong:.3f} on average"


@CHECKS.add(
    "sizes",
    "it changes small and odd inputs, and single ones",
    "sides may be odd or different, channels one or three, features one or many",
)
def _sizes(changing: Changing) -> None:
    for what, inputs in _odd(changing):
        for strength in STRENGTHS:
            try:
                changing.change(strength, inputs)
            except Failure:
                raise
            except Exception as error:
                raise Failure("sizes", f"{strength}, {what}: {type(error).__name__}: {error}") from error


def _odd(changing: Changing) -> Iterator[tuple[str, Tensor]]:
    for shape in changing.shapes:
        yield f"inputs {shape}", changing.inputs(shape)
    yield "a single input", changing.inputs(batch=1)


add_common(CHECKS, "augmentations")
