"""Trainers of models that predict real values, on frozen features."""
