"""Trainers of problems whose labels are real values."""
