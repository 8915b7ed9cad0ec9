"""Strategies that use a model's predictions and its geometry together."""
