"""Strategies that read the probability of each label of items that can have several."""
