"""Strategies for real-valued labels."""
