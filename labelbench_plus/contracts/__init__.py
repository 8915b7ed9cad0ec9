"""What a plugin of each kind promises: its base class and its registry, one file per kind.

The plugin rooms re-export them: plugins write `from labelbench_plus.strategies import PoolStrategy, strategies`.
"""
