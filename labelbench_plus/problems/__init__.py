"""Problems: one file a family. A problem is a pool, the oracle that hides its labels, and an evaluation."""

from labelbench_plus.contracts.problems import Instance, Place, Problem, problems
from labelbench_plus.contracts.scores import Guard, Scored, Series, SeriesColumn, ShownScore, point

__all__ = [
    "Guard",
    "Instance",
    "Place",
    "Problem",
    "Scored",
    "Series",
    "SeriesColumn",
    "ShownScore",
    "point",
    "problems",
]
