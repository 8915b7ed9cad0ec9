"""Networks that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

import math

import torch
from torch import nn

from labelbench_plus.contracts.classifier import Classifier
from labelbench_plus.networks import Network, networks
from labelbench_plus.networks._classifier import initialise, new_head
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(networks)
HIDDEN = 16


class Narrow(Network):
    """One hidden layer; a subclass spoils something."""

    reads = "features"

    def build(self, task, generator):
        (width,) = task.shape
        return Classifier(self.backbone(width, generator), new_head(HIDDEN, task.num_classes), self.layers())

    def backbone(self, width, generator):
        parts = nn.Sequential(nn.Linear(width, HIDDEN, device="meta"), nn.ReLU()).to_empty(device="cpu")
        initialise(parts, generator)
        return nn.Sequential(*parts, *self.more())

    def more(self):
        return ()

    def layers(self):
        return [("0",)]


usual_faults(networks, Narrow, "build")


class Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@bad("declaration")
class ReadsNothing(Narrow):
    """Does not say what it reads."""

    reads = "anything"


@bad("builds")
class IsNotFinished(Narrow):
    """Is not finished."""

    def build(self, task, generator):
        raise NotImplementedError


@bad("builds")
class NoClassifier(Narrow):
    """Builds a module without backbone and head."""

    def build(self, task, generator):
        return nn.Sequential(super().build(task, generator))


@bad("logits")
class FourClasses(Narrow):
    """Has always four classes."""

    def build(self, task, generator):
        (width,) = task.shape
        return Classifier(self.backbone(width, generator), new_head(HIDDEN, 4), self.layers())


def centred(x):
    return x - x.mean(dim=0)


@bad("row_by_row")
class LooksAtTheBatch(Narrow):
    """Centres by the batch, in prediction too."""

    def more(self):
        return (Applied(centred),)


class InPlace(nn.Module):
    """Shifts its inputs, for everybody."""

    def forward(self, x):
        return x.detach().add_(0.1)


@bad("mutation")
class WritesToItsInputs(Narrow):
    """Changes what it reads."""

    def backbone(self, width, generator):
        return nn.Sequential(InPlace(), *super().backbone(width, generator))

    def layers(self):
        return [("1",)]


@bad("trains")
class CutsTheGradient(Narrow):
    """Lets no gradient through."""

    def more(self):
        return (Applied(torch.Tensor.detach),)


@bad("trains")
class LearnsBackwards(Narrow):
    """Turns the gradient round, so that training makes it worse."""

    def build(self, task, generator):
        found = super().build(task, generator)
        for weight in found.parameters():
            weight.register_hook(torch.neg)
        return found


@bad("layers")
class MisspeltLayer(Narrow):
    """Names a layer that there is not."""

    def layers(self):
        return [("0",), ("second",)]


@bad("refuses")
class TakesAnything(Narrow):
    """Flattens whatever comes."""

    def build(self, task, generator):
        width = math.prod(task.shape)
        return Classifier(self.backbone(width, generator), new_head(HIDDEN, task.num_classes), self.layers())


class Shift(nn.Module):
    """Adds what was drawn once, which is no buffer."""

    def __init__(self, generator):
        super().__init__()
        self.shift = torch.randn(HIDDEN, generator=generator)

    def forward(self, x):
        return x + self.shift


@bad("copies")
class KeepsADrawForItself(Narrow):
    """Has a part of its state where nobody finds it."""

    def backbone(self, width, generator):
        return nn.Sequential(*super().backbone(width, generator), Shift(generator))


@bad("repeatable")
class Unseeded(Narrow):
    """Makes a generator of its own, without a seed."""

    def backbone(self, width, generator):
        own = torch.Generator()
        own.seed()
        return super().backbone(width, own)
