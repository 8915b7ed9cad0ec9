"""Strategies of other projects as plugins, unmodified, so that a leaderboard can hold them next to ours.

`labelbench`, `skactiveml` and `small_text` are strategies like any other; the last two need the packages of the extra
`adapters`. What is adapted sees what any strategy sees: no label that was not paid for.
"""
