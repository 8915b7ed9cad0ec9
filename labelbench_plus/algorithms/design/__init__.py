"""Optimal experimental design: criteria, greedy and relaxed designs, rounding."""
