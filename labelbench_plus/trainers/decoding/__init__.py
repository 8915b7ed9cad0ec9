"""Trainers that answer for many objectives: what they learn is a weighting, or the policies themselves."""
