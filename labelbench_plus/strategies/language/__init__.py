"""Strategies that choose which prompts are worth an answer."""
