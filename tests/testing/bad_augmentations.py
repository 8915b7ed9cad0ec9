"""Augmentations that are wrong on purpose, each in one way. `caught_by` is the check that must find it, no other."""

import torch

from labelbench_plus.augmentations import Augmentation, augmentations
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(augmentations)


class Grain(Augmentation):
    """A little noise, or more; a subclass spoils something."""

    of = "features"

    def weak(self, inputs, generator):
        return inputs + 0.05 * torch.randn(inputs.shape, generator=generator)

    def strong(self, inputs, generator):
        return inputs + 0.5 * torch.randn(inputs.shape, generator=generator)


usual_faults(augmentations, Grain, "weak")


@bad("declaration")
class OfNothing(Grain):
    """Does not say what it changes."""

    of = "anything"


@bad("changes")
class IsNotFinished(Grain):
    """Is not finished."""

    def strong(self, inputs, generator):
        raise NotImplementedError


@bad("shapes")
class DoublePrecisionComesOut(Grain):
    """Changes the type."""

    def strong(self, inputs, generator):
        return super().strong(inputs, generator).double()


@bad("shapes")
class LosesOne(Grain):
    """Loses the last input of a batch."""

    def weak(self, inputs, generator):
        return super().weak(inputs, generator)[:-1]


@bad("values")
class TooBright(Grain):
    """Makes images brighter than white."""

    of = "images"

    def weak(self, inputs, generator):
        return super().weak(inputs, generator).clamp(0, 1)


@bad("values")
class DividesByZero(Grain):
    """Divides by what may be nothing."""

    def strong(self, inputs, generator):
        return super().strong(inputs, generator) / (inputs - inputs)


@bad("mutation")
class WritesInPlace(Grain):
    """Writes to the batch it is given."""

    def weak(self, inputs, generator):
        return inputs.add_(0.05 * torch.randn(inputs.shape, generator=generator))


@bad("each_by_itself")
class Mixes(Grain):
    """Mixes each input with the next one."""

    def strong(self, inputs, generator):
        return 0.5 * inputs + 0.5 * inputs.roll(-1, dims=0)


@bad("strength")
class WeakIsStrong(Grain):
    """Has the two the wrong way round."""

    def weak(self, inputs, generator):
        return inputs + 2 * torch.randn(inputs.shape, generator=generator)


@bad("sizes")
class WantsColours(Grain):
    """Mixes three channels."""

    of = "images"

    def weak(self, inputs, generator):
        return (0.99 * inputs).clamp(0, 1)

    def strong(self, inputs, generator):
        return inputs[:, [2]].expand_as(inputs)


@bad("repeatable")
class Unseeded(Grain):
    """Makes a generator of its own, without a seed."""

    def strong(self, inputs, generator):
        own = torch.Generator()
        own.seed()
        return super().strong(inputs, own)
