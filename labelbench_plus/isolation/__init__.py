"""Strategies that choose in a separate process, which never receives a hidden label."""
