"""Strategies that allocate labels over source tasks."""
