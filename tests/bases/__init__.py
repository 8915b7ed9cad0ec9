"""Bases of language models."""
