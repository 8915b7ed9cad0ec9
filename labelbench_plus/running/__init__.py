"""Running on this machine: one run, many on worker processes, and why some failed."""
