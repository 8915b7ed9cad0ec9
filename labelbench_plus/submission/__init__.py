"""Submissions: a signed folder of results, how it is checked, and which badges it can carry.

submission.json   who sends what, with which code, and what differs from the benchmark (`schema.py`)
runs.jsonl.gz     every run whole, as `lbp publish` archives it: what is checked
board.json, curves.csv, table.csv, table.md   what the leaderboard reads (`leaderboard/results.py`); must agree with it
badges.json       how far the runs were verified, written by whoever checked them (`badges.py`)
"""
