"""Ways to carry out many runs: processes on this machine."""
