"""A published table held beside our runs of the same protocol."""
