"""Networks: one file each. A network is a classifier that gradients train: its layers, and where they start."""

from labelbench_plus.contracts.networks import Network, Task, networks

__all__ = [
    "Network",
    "Task",
    "networks",
]
