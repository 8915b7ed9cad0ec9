"""Sweeps: many runs passed to a launcher, and their state, read from their files."""
