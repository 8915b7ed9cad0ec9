"""Bases that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

import itertools

import torch

from labelbench_plus.bases import Base, bases
from labelbench_plus.models.tiny_llama import byte_tokenizer, drawn, written
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(bases)
SIZE = {"width": 8, "layers": 1, "heads": 1, "context": 64}
COUNT = itertools.count()


class Tiny(Base):
    """A Llama of one layer; a subclass spoils something."""

    def path(self):
        return written(**SIZE, seed=0)

    def fingerprint(self):
        return "the same"

    def precision(self, device):
        return "float32"

    def load(self, device, dtype):
        return drawn(**SIZE, seed=0).to(device, dtype)

    def tokenizer(self):
        return byte_tokenizer()


usual_faults(bases, Tiny, "load")


@bad("loads")
class IsNotFinished(Tiny):
    """Is not finished."""

    def load(self, device, dtype):
        raise NotImplementedError


@bad("loads")
class HalfPrecision(Tiny):
    """Comes in its own precision, whatever was asked for."""

    def load(self, device, dtype):
        return super().load(device, torch.bfloat16)


@bad("loads")
class WithoutAHead(Tiny):
    """Gives the model without its head."""

    def load(self, device, dtype):
        return super().load(device, dtype).model.layers[0]


@bad("evaluation_mode")
class InTraining(Tiny):
    """Comes in training mode."""

    def load(self, device, dtype):
        return super().load(device, dtype).train()


@bad("causal")
class LooksAhead(Tiny):
    """Adds to every state the mean of all."""

    def load(self, device, dtype):
        model = super().load(device, dtype)
        model.model.norm.register_forward_hook(lambda part, given, output: output + output.mean(dim=1, keepdim=True))
        return model


@bad("a_decoder")
class ScalesLogits(Tiny):
    """Halves its logits after the head."""

    def load(self, device, dtype):
        model = super().load(device, dtype)
        model.register_forward_hook(lambda part, given, output: output.__setitem__("logits", output.logits / 2))
        return model


@bad("tokenizer")
class NothingEndsATextWith(Tiny):
    """Has a tokenizer without an end."""

    def tokenizer(self):
        tokenizer = super().tokenizer()
        tokenizer.eos_token = None
        return tokenizer


@bad("folder")
class AnotherModelsFolder(Tiny):
    """Names the folder of other weights."""

    def path(self):
        return written(**SIZE, seed=1)


@bad("precision")
class AnyPrecision(Tiny):
    """Says what torch would call it."""

    def precision(self, device):
        return "torch.float32"


@bad("precision")
class ChangesItsMind(Tiny):
    """Takes the other one every second time."""

    def precision(self, device):
        return ("float32", "bfloat16")[next(COUNT) % 2]


@bad("fingerprint")
class LoadsToSay(Tiny):
    """Hashes the loaded model."""

    def fingerprint(self):
        return str(sum(float(each.detach().sum()) for each in self.load("cpu", torch.float32).parameters()))


@bad("repeatable")
class Unseeded(Tiny):
    """Draws its weights anew every time, in the last bits."""

    def load(self, device, dtype):
        model = super().load(device, dtype)
        with torch.no_grad():
            model.model.norm.weight += 1e-6 * next(COUNT)
        return model
