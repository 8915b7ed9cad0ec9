"""Choosing among image-text pairs at any scale: uid files, streams of scores, exact cuts, repeatable tasks."""
