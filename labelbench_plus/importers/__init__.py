"""Results that were computed elsewhere, as folders that the leaderboard reads (`leaderboard/results.py`)."""
