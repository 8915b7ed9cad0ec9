"""What a leaderboard may claim. One idea a module; the text above each module is its definition, and the site's.

Arrays are NumPy, values are float64, and nothing here knows of runs, pages or tables. A metric may be better when
higher or when lower: functions take `higher_is_better`, and gains are oriented so that above zero is better.
Of SciPy the special functions alone are imported, where they are used: `scipy.stats` takes longer to load than most
boards take to build.
"""

from labelbench_plus.leaderboard.statistics.across import FEWEST_DATASETS, RankingOverDatasets, ranking_over_datasets
from labelbench_plus.leaderboard.statistics.aggregates import interquartile_mean, mean_over_datasets
from labelbench_plus.leaderboard.statistics.areas import (
    area_under_budget_curve,
    areas_under_budget_curves,
    areas_under_log_budget_curves,
)
from labelbench_plus.leaderboard.statistics.beaten import Beaten, datasets_beaten
from labelbench_plus.leaderboard.statistics.estimates import (
    ALPHA,
    CONFIDENCE,
    FEW_SEEDS,
    Estimate,
    t_interval,
    t_intervals,
)
from labelbench_plus.leaderboard.statistics.improvement import probability_of_improvement
from labelbench_plus.leaderboard.statistics.isotonic_fit import first_crossing, isotonic
from labelbench_plus.leaderboard.statistics.multiplicity import holm
from labelbench_plus.leaderboard.statistics.paired import paired_differences, paired_t_test
from labelbench_plus.leaderboard.statistics.pairwise import PairwiseTests, many_against_one, pairwise_tests
from labelbench_plus.leaderboard.statistics.penalty import (
    PenaltyMatrix,
    budget_tests,
    penalty_matrix,
    rounds_to_test,
    total_penalty,
)
from labelbench_plus.leaderboard.statistics.power import power_of_paired_t_test, seeds_to_separate
from labelbench_plus.leaderboard.statistics.profiles import performance_profile
from labelbench_plus.leaderboard.statistics.ranks import RankRange, rank_ranges
from labelbench_plus.leaderboard.statistics.savings import (
    SHARES,
    Fits,
    Saving,
    SavingPoint,
    label_saving,
    saving_curve,
    target_level,
)

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "FEWEST_DATASETS",
    "FEW_SEEDS",
    "SHARES",
    "Beaten",
    "Estimate",
    "Fits",
    "PairwiseTests",
    "PenaltyMatrix",
    "RankRange",
    "RankingOverDatasets",
    "Saving",
    "SavingPoint",
    "area_under_budget_curve",
    "areas_under_budget_curves",
    "areas_under_log_budget_curves",
    "budget_tests",
    "datasets_beaten",
    "first_crossing",
    "holm",
    "interquartile_mean",
    "isotonic",
    "label_saving",
    "many_against_one",
    "mean_over_datasets",
    "paired_differences",
    "paired_t_test",
    "pairwise_tests",
    "penalty_matrix",
    "performance_profile",
    "power_of_paired_t_test",
    "probability_of_improvement",
    "rank_ranges",
    "ranking_over_datasets",
    "rounds_to_test",
    "saving_curve",
    "seeds_to_separate",
    "t_interval",
    "t_intervals",
    "target_level",
    "total_penalty",
]
