"""Choosing image-text pairs to train on."""
