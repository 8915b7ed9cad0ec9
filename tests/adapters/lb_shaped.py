"""Strategies in the shape of LabelBench's own (`input_types` set by the constructor), written for this test."""

from enum import IntEnum

import numpy as np


class ALInput(IntEnum):
    TRAIN_PRED = 0
    TRAIN_LABEL = 3
    TEST_LABEL = 5
    TRAIN_EMBEDDING = 9


class Strategy:
    def __init__(self, strategy_config, dataset):
        self.config, self.dataset, self.input_types = strategy_config, dataset, None


class Margin(Strategy):
    strategy_name = "margin"

    def __init__(self, strategy_config, dataset):
        super().__init__(strategy_config, dataset)
        self.input_types = [ALInput.TRAIN_PRED]

    def select(self, trainer, budget):
        (predictions,) = trainer.retrieve_inputs(self.input_types)
        unlabelled = self.dataset.unlabeled_idxs()
        two = np.sort(predictions[unlabelled], axis=1)[:, -2:]
        return unlabelled[np.argsort(two[:, 1] - two[:, 0], kind="stable")[:budget]]


class OneTooMany(Margin):
    def select(self, trainer, budget):
        return super().select(trainer, budget + 1)


class OfTheClass(Margin):
    """Says what it needs as an attribute of the class."""

    input_types = (ALInput.TRAIN_PRED,)


class WithLabels(Strategy):
    """Counts labels of items that were not bought; keeps what it saw."""

    seen: dict = {}  # noqa: RUF012

    def __init__(self, strategy_config, dataset):
        super().__init__(strategy_config, dataset)
        self.input_types = [ALInput.TRAIN_LABEL, ALInput.TRAIN_EMBEDDING]

    def select(self, trainer, budget):
        labels, embeddings = trainer.retrieve_inputs(self.input_types)
        unlabelled, labelled = self.dataset.unlabeled_idxs(), self.dataset.labeled_idxs()
        self.seen.update(
            hidden=labels[unlabelled].sum(), known=labels[labelled].argmax(1), shape=embeddings.shape,
            size=len(self.dataset), count=self.dataset.num_labeled(), classes=self.dataset.get_num_classes(),
            names=self.dataset.get_classnames(), config=self.config,
        )  # fmt: skip
        return np.random.choice(unlabelled, size=budget, replace=False)  # noqa: NPY002


class Believes(Strategy):
    """Reads labels within its batch, as GALAXY and DIRECT do; keeps them beside the predictions."""

    seen: dict = {}  # noqa: RUF012

    def __init__(self, strategy_config, dataset):
        super().__init__(strategy_config, dataset)
        self.input_types = [ALInput.TRAIN_LABEL, ALInput.TRAIN_PRED]

    def select(self, trainer, budget):
        labels, predictions = trainer.retrieve_inputs(self.input_types)
        unlabelled = self.dataset.unlabeled_idxs()
        self.seen.update(labels=labels[unlabelled], predictions=predictions[unlabelled])
        return unlabelled[:budget]


class Peeks(Strategy):
    def __init__(self, strategy_config, dataset):
        super().__init__(strategy_config, dataset)
        self.input_types = [ALInput.TEST_LABEL]


class AsksNothing(Strategy):
    """Leaves `input_types` as LabelBench's base class has them."""


class AsksTooEarly(Strategy):
    def __init__(self, strategy_config, dataset):
        super().__init__(strategy_config, dataset)
        self.input_types = [ALInput.TRAIN_PRED] * dataset.get_num_classes()
