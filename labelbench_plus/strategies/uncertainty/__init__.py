"""Strategies that look at the model's probabilities alone."""
