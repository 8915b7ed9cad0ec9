"""Two small drawings of some results, for a README: the matrix, and the learning curves of its most telling setting."""

from __future__ import annotations

from collections.abc import Sequence

from labelbench_plus.leaderboard.charts.style import styles
from labelbench_plus.leaderboard.charts.svg import standalone
from labelbench_plus.leaderboard.matrix import CHOICE, matrices
from labelbench_plus.leaderboard.results import Results
from labelbench_plus.leaderboard.site.figures import of_setting, prominent
from labelbench_plus.leaderboard.site.front_page import matrix_views
from labelbench_plus.leaderboard.site.pages import make_site
from labelbench_plus.leaderboard.site.render import style_of_drawings
from labelbench_plus.leaderboard.tracks import gather

MATRIX, CURVES = "matrix.svg", "curves.svg"
GROUND = "svg { background: #ffffff; }"  # pages that show it may be dark


def pictures(results: Sequence[Results]) -> dict[str, bytes]:
    """The drawings by the names of their files; curves only where there is more than one budget.

    The matrix asks for the choice of labels alone, where results ask that at all. Learning curves are those of the
    setting in which most strategies are significantly better than the baseline.

    Raises
    ------
    ValueError
        There is no setting with a baseline and something to compare with it.
    """
    boards = [each.board() for each in results]
    site = make_site(results, boards, gather(boards))
    parts = matrices(boards, site.source_facets)
    parts = tuple(part for part in parts if part.asks == CHOICE) or parts
    settings = [
        member
        for member in site.members
        if len(member.setting.budgets) > 1
        and any(member.source is c.setting for part in parts[:1] for c in part.columns)
    ]
    if not parts:
        raise ValueError("nothing to draw: no setting has a baseline and another strategy")
    drawings = {MATRIX: standalone(matrix_views(site, parts[:1])[0].picture(), "").encode()}
    if not settings:
        return drawings
    member = max(settings, key=lambda one: len(one.setting.beats_baseline))
    baseline = member.board.meta.baseline
    names, shown = member.setting.table.names(), prominent(member.setting, baseline)
    drawn = styles([*shown, *(name for name in names if name not in shown)], baseline)
    lead, _ = of_setting(member.setting, member.board.meta, drawn, "picture")
    return {**drawings, CURVES: standalone(lead[0].wide, style_of_drawings() + GROUND).encode()}
