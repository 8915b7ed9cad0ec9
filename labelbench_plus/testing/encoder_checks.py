"""What is asked of an encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.testing.checks import Checks
from labelbench_plus.testing.report import Failure, Skip
from labelbench_plus.testing.subject import check_declaration, check_hyperparameters, check_pickles, fresh
from labelbench_plus.testing.witness import watched

Encode = Callable[[Any], np.ndarray]

WORDS = ("the", "a", "cat", "dog", "house", "sat", "ran", "on", "under", "quickly")


def sample_inputs() -> dict[str, np.ndarray | Texts]:
    """Inputs of the forms a data set may have: grey images, colour images, vectors, texts. (Files are left out.)"""
    rng = np.random.default_rng(0)
    texts = Texts(" ".join(WORDS[word] for word in rng.integers(10, size=1 + row % 9)) for row in range(40))
    return {
        "grey images": rng.integers(256, size=(40, 8, 8)).astype(np.uint8),
        "colour images": rng.integers(256, size=(40, 8, 8, 3)).astype(np.uint8),
        "vectors": rng.standard_normal((40, 12)),
        "texts": texts,
    }


@dataclass
class Encoding:
    """One encoder, and the inputs it takes."""

    encoder: Encoder
    inputs: np.ndarray | Texts | None = None

    def fit(self) -> tuple[Encode, Any]:
        """Fit on the first inputs it takes."""
        refusals = []
        for what, inputs in ({"yours": self.inputs} if self.inputs is not None else sample_inputs()).items():
            assert inputs is not None
            with watched():
                try:
                    encode = fresh(self.encoder).fit(inputs)
                    encode(inputs[:2])
                except ValueError as error:  # not its kind of input
                    refusals.append(f"{what}: {error}")
                    continue
            return encode, inputs
        raise Failure("encodes", f"it takes no inputs: {'; '.join(refusals)}")


CHECKS: Checks[Encoding] = Checks(Encoding)


@CHECKS.add("declaration", "it is a registered frozen dataclass with a docstring", "see the built-in `identity`")
def _declaration(encoding: Encoding) -> None:
    check_declaration(encoding.encoder, "encoders")
    if not isinstance(encoding.encoder.fingerprint(), str):
        raise Failure("declaration", "fingerprint() must be a string: the hash of its weights, or nothing")


@CHECKS.add(
    "encodes",
    "it takes images (uint8), vectors (float) or texts, and refuses the others with ValueError",
    "say in the error what it takes; hand your own inputs to check_encoder if they are special",
    essential=True,
)
def _encodes(encoding: Encoding) -> str:
    _, inputs = encoding.fit()
    return f"{inputs.dtype} {inputs.shape[1:]}" if isinstance(inputs, np.ndarray) else "texts"


@CHECKS.add(
    "hyperparameters",
    "its record in a run builds an equal encoder; unknown hyperparameters are refused",
    "use numbers, strings, booleans, tuples of these and other plugins as fields",
)
def _hyperparameters(encoding: Encoding) -> str:
    return check_hyperparameters(encoding.encoder, "encoders")


@CHECKS.add("features", "features are float32 (n, d) and finite", "end with .astype(np.float32)")
def _features(encoding: Encoding) -> str:
    encode, inputs = encoding.fit()
    features = encode(inputs)
    if features.dtype != np.float32 or features.ndim != 2 or len(features) != len(inputs):
        raise Failure("features", f"{len(inputs)} inputs gave {features.dtype} {features.shape}")
    if not np.isfinite(features).all():
        raise Failure("features", "they hold NaN or infinity")
    return f"{features.shape[1]} features"


@CHECKS.add(
    "row_by_row",
    "the features of an input do not depend on which others are encoded with it",
    "no statistics of the batch: they belong into `fit`, over the pool",
)
def _row_by_row(encoding: Encoding) -> None:
    encode, inputs = encoding.fit()
    whole, some = encode(inputs)[7:9], encode(inputs[7:9])
    if not np.allclose(whole, some, rtol=1e-4, atol=1e-5):
        raise Failure("row_by_row", f"two inputs encoded alone differ by {np.abs(whole - some).max():.2g}")


@CHECKS.add("repeatable", "fitted twice on the same pool it gives the same features, bit for bit", "seed what it draws")
def _repeatable(encoding: Encoding) -> None:
    (encode, inputs), (again, _) = encoding.fit(), encoding.fit()
    if encode(inputs).tobytes() != again(inputs).tobytes():
        raise Failure("repeatable", "the second fit gives other features")


@CHECKS.add("mutation", "it leaves its inputs as they were", "copy before writing in place")
def _mutation(encoding: Encoding) -> None:
    encode, inputs = encoding.fit()
    if not isinstance(inputs, np.ndarray):
        raise Skip("texts cannot be written to")
    before = inputs.copy()
    inputs.setflags(write=False)
    try:
        fresh(encoding.encoder).fit(inputs)
        encode(inputs)
    except ValueError as error:
        raise Failure("mutation", f"it cannot work on read-only inputs: {error}") from error
    if not np.array_equal(before, inputs):
        raise Failure("mutation", "the inputs are not what they were")


@CHECKS.add(
    "global_random",
    "it neither draws from nor seeds the global generators of NumPy, torch and Python",
    "hand a generator on",
)
def _global_random(encoding: Encoding) -> None:
    encoding.fit()


@CHECKS.add(
    "global_settings",
    "it changes no setting of the process: dtype, threads, gradients, error handling, folder, environment",
    "use the context managers instead of the setters",
)
def _global_settings(encoding: Encoding) -> None:
    encoding.fit()


@CHECKS.add("pickles", "it can be sent to another process", "define the class at the top of a module")
def _pickles(encoding: Encoding) -> None:
    check_pickles(encoding.encoder)
