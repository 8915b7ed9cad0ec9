"""Strategies that choose in a process of their own, which never receives a hidden label."""
