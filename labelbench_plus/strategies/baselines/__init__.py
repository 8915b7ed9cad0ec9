"""Baselines every strategy must beat."""
