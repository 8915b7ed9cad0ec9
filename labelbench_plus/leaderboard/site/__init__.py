"""The leaderboard as one folder of pages that needs no network, no server and, but for conveniences, no JavaScript.

`build_site` writes it. `tables` and `figures` turn what a board says into text and drawings, `pages` says what stands
on which page, `templates/` how it looks.
"""

from labelbench_plus.leaderboard.site.build import build_site

__all__ = ["build_site"]
