"""Sweeps: many runs handed to a launcher, and what has become of them, told from their files."""
