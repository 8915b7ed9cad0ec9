"""Combining policies: divergences, the rules of multi-objective decoding, averages of adapters, fronts."""
