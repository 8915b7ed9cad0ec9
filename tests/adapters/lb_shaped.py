"""Strategies in the shape that LabelBench asks for (class attributes, constructor, `select`), written for this test."""

from enum import Enum

import numpy as np


class ALInput(Enum):
    TRAIN_PRED = 0
    TRAIN_LABEL = 3
    TEST_LABEL = 5
    TRAIN_EMBEDDING = 9


class Margin:
    strategy_name = "margin"
    input_types = [ALInput.TRAIN_PRED]  # noqa: RUF012

    def __init__(self, strategy_config, dataset):
        self.config, self.dataset = strategy_config, dataset

    def select(self, trainer, budget):
        (predictions,) = trainer.retrieve_inputs(self.input_types)
        unlabelled = self.dataset.unlabeled_idxs()
        two = np.sort(predictions[unlabelled], axis=1)[:, -2:]
        return unlabelled[np.argsort(two[:, 1] - two[:, 0], kind="stable")[:budget]]


class OneTooMany(Margin):
    def select(self, trainer, budget):
        return super().select(trainer, budget + 1)


class WithLabels(Margin):
    """Counts labels of items that were not bought; keeps what it saw."""

    input_types = [ALInput.TRAIN_LABEL, ALInput.TRAIN_EMBEDDING]  # noqa: RUF012
    seen: dict = {}  # noqa: RUF012

    def select(self, trainer, budget):
        labels, embeddings = trainer.retrieve_inputs(self.input_types)
        unlabelled, labelled = self.dataset.unlabeled_idxs(), self.dataset.labeled_idxs()
        self.seen.update(
            hidden=labels[unlabelled].sum(), known=labels[labelled].argmax(1), shape=embeddings.shape,
            size=len(self.dataset), count=self.dataset.num_labeled(), classes=self.dataset.get_num_classes(),
            names=self.dataset.get_classnames(), config=self.config,
        )  # fmt: skip
        return np.random.choice(unlabelled, size=budget, replace=False)  # noqa: NPY002


class Peeks(Margin):
    input_types = [ALInput.TEST_LABEL]  # noqa: RUF012
