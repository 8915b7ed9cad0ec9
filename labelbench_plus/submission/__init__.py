"""Submissions: a folder of results that somebody signs, what is checked of it, and which badges it may carry.

submission.json   who sends what, with which code, and what differs from the benchmark (`schema.py`)
runs.jsonl.gz     every run whole, as `lbp publish` archives it: what is checked
board.json, curves.csv, table.csv, table.md   what the leaderboard reads (`leaderboard/results.py`); must agree with it
badges.json       how far the runs were verified, written by whoever checked them (`badges.py`)
"""
