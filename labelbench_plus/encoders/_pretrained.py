"""What encoders that are a pretrained image model of some library share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from labelbench_plus.encoders import Encoder
from labelbench_plus.encoders._inputs import check_images
from labelbench_plus.inputs.forms import IMAGES
from labelbench_plus.inputs.image_files import ImageFiles

if TYPE_CHECKING:
    from labelbench_plus.models.image_model import ImageModel


class PretrainedEncoder(Encoder):
    """What a frozen model computes just before its classifier, in float32.

    Attributes
    ----------
    device: a field of each: "auto", "cpu" or "cuda".
    """

    takes = IMAGES

    device: str

    def found(self) -> ImageModel:
        """The model that the fields name."""
        raise NotImplementedError

    def normalised(self) -> bool:
        """Whether embeddings are brought to length one."""
        return False

    def fit(self, pool_inputs: np.ndarray | ImageFiles) -> Callable[[np.ndarray | ImageFiles], np.ndarray]:
        """Load the model; the pool is not looked at.

        Raises
        ------
        ValueError
            The inputs are no images, the library has no such model or tag, or the weights are not of this model.
        FileNotFoundError
            The library is not installed, or the weights cannot be had; the message lists the ways to get them.
        """
        from labelbench_plus.encoders._images import encode_images

        check_images(pool_inputs, self.name)
        return encode_images(self.name, self.found().load(), self.device, normalised=self.normalised())

    def side(self) -> int:
        return self.found().side()

    def fingerprint(self) -> str:
        """Hash of the file of weights; where the library keeps it or there is none, of the loaded tensors by name."""
        return self.found().fingerprint()
