"""Trainers of a representation that source tasks and targets share."""
