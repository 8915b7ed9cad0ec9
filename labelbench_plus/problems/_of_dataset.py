"""What problems say that are a data set, seen through an encoder and scored by metrics."""

from __future__ import annotations

import hashlib

from labelbench_plus.contracts.capabilities import Capability
from labelbench_plus.contracts.datasets import Dataset
from labelbench_plus.contracts.encoders import Encoder
from labelbench_plus.contracts.metrics import Metric
from labelbench_plus.contracts.scores import FacetRole
from labelbench_plus.features.encoded import FEATURES_VERSION, load
from labelbench_plus.inputs.forms import form_of
from labelbench_plus.plugins import BUILT_IN, label, registry
from labelbench_plus.problems import Problem


class OfDataset(Problem):
    """Base of problems with these three fields: most of what is asked of them their data set answers."""

    dataset: Dataset
    encoder: Encoder
    metrics: tuple[Metric, ...]

    @property
    def provides(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"features"}) | self.dataset.provides

    @property
    def declares(self) -> tuple[Capability, ...]:  # type: ignore[override]
        return self.dataset.declares

    @property
    def precedence(self) -> frozenset[str]:  # type: ignore[override]
        return self.dataset.provides

    def check_encoder(self) -> None:
        """Refuse an encoder that does not take what the data set has.

        Raises
        ------
        ValueError
            It takes inputs of another form; the message names the encoders that take these.
        """
        form = form_of(load(self.dataset).pool.inputs)
        if form is None or self.encoder.takes is None or form in self.encoder.takes:
            return
        known = registry("encoders")
        classes = {name: known.load(name) for name, each in known.entries().items() if each.origin == BUILT_IN}
        fit = [name for name, cls in classes.items() if isinstance(cls.takes, frozenset) and form in cls.takes]
        raise ValueError(
            f"data set {label(self.dataset)!r} has {form}, encoder {label(self.encoder)!r} takes "
            f"{' or '.join(sorted(self.encoder.takes))}; encoders for {form}: {', '.join(fit)}"
        )

    def fingerprint(self) -> str:
        parts = (self.dataset.fingerprint(), self.encoder.fingerprint(), str(FEATURES_VERSION))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def primary_metric(self) -> tuple[str, bool]:
        return self.metrics[0].name, self.metrics[0].higher_is_better

    def dataset_name(self) -> str:
        return self.dataset.dataset_name()

    def facets(self) -> dict[str, str]:
        return {**self.dataset.facets(), "encoder": label(self.encoder)}

    def facet_roles(self) -> dict[str, FacetRole]:
        return self.dataset.facet_roles()

    def facet_controls(self) -> dict[str, tuple[str, ...]]:
        return self.dataset.facet_controls()

    def knows_truth(self) -> bool:
        return self.dataset.knows_truth()

    def mirror_keeps_class(self) -> bool:
        return self.dataset.mirror_keeps_class
