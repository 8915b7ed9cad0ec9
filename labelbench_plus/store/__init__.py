"""Runs on disk: one folder per run, committed round by round, readable at any moment."""
