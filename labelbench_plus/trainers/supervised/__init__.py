"""Trainers that learn from what was bought alone."""
