"""Trainers on chosen image-text pairs."""
