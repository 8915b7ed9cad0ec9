"""What data sets declare is what problems on them say."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from labelbench_plus.datasets import Dataset, LabelledData, datasets
from labelbench_plus.plugins import From, registry


@datasets.register("shown_otherwise")
@dataclass(frozen=True)
class ShownOtherwise(Dataset):
    """The examples of another data set, with something beside them that no learner can know."""

    of: Annotated[Dataset, From("datasets")]

    def load(self) -> LabelledData:
        return self.of.load()

    def fingerprint(self) -> str:
        return self.of.fingerprint()

    def dataset_name(self) -> str:
        return self.of.dataset_name()

    def facets(self) -> dict[str, str]:
        return {"views": "exact"}

    def knows_truth(self) -> bool:
        return True


@pytest.mark.parametrize("problem", ["classification", "multilabel"])
def test_a_wrapped_data_set_speaks_for_itself(problem):
    build = registry("problems").build
    plain = build({"name": problem, "dataset": "digits", "encoder": "pixels"})
    assert (plain.dataset_name(), plain.facets(), plain.knows_truth(), plain.series()) == (
        "digits",
        {"encoder": "pixels"},
        False,
        (),
    )
    wrapped = build({"name": problem, "dataset": {"name": "shown_otherwise", "of": "digits"}, "encoder": "pixels"})
    assert wrapped.dataset_name() == "digits" and wrapped.knows_truth()
    assert wrapped.facets() == {"views": "exact", "encoder": "pixels"}
