"""Trainers of problems in which any number of labels may be true."""
