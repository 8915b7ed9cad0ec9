"""Trainers that learn from the unlabelled rest of the pool too."""
