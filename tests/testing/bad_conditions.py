"""Conditions that are wrong on purpose, each in one way. `caught_by` is the check that must find it, and no other."""

from dataclasses import replace

import numpy as np

from labelbench_plus.conditions import Condition, Part, conditions, with_answers
from tests.testing.bad import bad_of, usual_faults

bad = bad_of(conditions)


class Wrong(Condition):
    """One answer in five is the next class; a subclass spoils something."""

    per_run = True

    def apply(self, setting, features, rng):
        return with_answers(setting, self.chosen(setting, rng), (setting.answers + 1) % len(setting.class_names))

    def chosen(self, setting, rng):
        return rng.random(len(setting.answers)) < 0.2


usual_faults(conditions, Wrong, "apply")


@bad("declaration")
class SaysNotWhen(Wrong):
    """Leaves open whether every run has its own."""

    per_run = "sometimes"


@bad("applies")
class IsNotFinished(Wrong):
    """Is not finished."""

    def apply(self, setting, features, rng):
        raise NotImplementedError


@bad("setting")
class ForgetsThePrices(Wrong):
    """Drops items, but not their prices."""

    def apply(self, setting, features, rng):
        pool = Part(setting.pool.rows[1:], setting.pool.labels[1:])
        return replace(setting, pool=pool, answers=setting.answers[1:])


@bad("setting")
class MakesUpAClass(Wrong):
    """Gives answers that are no class."""

    def apply(self, setting, features, rng):
        return with_answers(setting, self.chosen(setting, rng), setting.answers + len(setting.class_names))


@bad("mutation")
class WritesInPlace(Wrong):
    """Writes wrong answers into the setting that it was given."""

    def apply(self, setting, features, rng):
        setting.answers[self.chosen(setting, rng) & (setting.answers >= 0)] = 0
        return setting


@bad("features")
class LooksTooEarly(Wrong):
    """Is the same for every run, and looks at features, which there are none of then."""

    per_run = False

    def apply(self, setting, features, rng):
        chosen = features()[:, 0] > 1
        return with_answers(setting, chosen, (setting.answers + 1) % len(setting.class_names))


@bad("truth")
class ChangesTheTruth(Wrong):
    """Has the truth changed with the answer."""

    def apply(self, setting, features, rng):
        wrong = super().apply(setting, features, rng)
        return replace(wrong, pool=Part(setting.pool.rows, wrong.answers))


@bad("truth")
class SpoilsTheTest(Wrong):
    """Has noise in the test set."""

    def apply(self, setting, features, rng):
        return replace(setting, test=Part(setting.test.rows, np.zeros_like(setting.test.labels)))


@bad("after_others")
class CountsOutliers(Wrong):
    """Uses answers as indices, -1 included."""

    def apply(self, setting, features, rng):
        np.bincount(setting.answers)
        return super().apply(setting, features, rng)


@bad("after_others")
class TeachesOutliers(Wrong):
    """Gives items of no class a class."""

    def apply(self, setting, features, rng):
        wrong = (setting.answers + 1) % len(setting.class_names)
        return replace(setting, answers=np.where(self.chosen(setting, rng), wrong, setting.answers))


@bad("two_classes")
class WantsThreeClasses(Wrong):
    """Needs a third class, and does not say so."""

    def apply(self, setting, features, rng):
        assert setting.class_names[2]
        return super().apply(setting, features, rng)


@bad("repeatable")
class Unseeded(Wrong):
    """Makes a generator of its own, without a seed."""

    def chosen(self, setting, rng):
        return np.random.default_rng().random(len(setting.answers)) < 0.2
