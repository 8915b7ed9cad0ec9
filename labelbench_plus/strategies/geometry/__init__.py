"""Strategies that use the geometry of features."""
