"""How a cell is written and sorted: one place for all renderers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from labelbench_plus.leaderboard.statistics import Estimate, RankRange, Saving
from labelbench_plus.leaderboard.table import Cell, Column
from labelbench_plus.shown import printable

ABSENT = "–"
LONGEST_LIST = 200  # letters: a sentence, not a register
ABBREVIATED = {"auc": "AUC", "em": "exact match", "mse": "MSE", "nll": "NLL", "rmse": "RMSE", "roc": "ROC"}


def format_cells(column: Column, cells: Sequence[Cell]) -> list[str]:
    """One column's cells as text, with a common number of decimals; "reported" numbers with those they came with."""
    estimates = [cell for cell in cells if isinstance(cell, Estimate)]
    if column.kind == "reported":
        decimals = max((len(repr(cell).partition(".")[2]) for cell in cells if isinstance(cell, float)), default=0)
    else:
        decimals = _decimals_of_numbers(cells) if column.kind == "number" else decimals_for(estimates)
    return [_format(column, cell, decimals) for cell in cells]


def in_words(metric: str) -> str:
    """A metric as people say it."""
    return " ".join(ABBREVIATED.get(part, part) for part in metric.split("_"))


def decimals_for(estimates: Iterable[Estimate]) -> int:
    """Decimals that give a typical half-width two significant digits; three without any half-width."""
    widths = sorted(e.half_width for e in estimates if math.isfinite(e.half_width) and e.half_width > 0)
    if not widths:
        return 3
    return min(6, max(0, 1 - math.floor(math.log10(widths[len(widths) // 2]))))


def number(value: float, decimals: int, signed: bool = False) -> str:
    """A fixed-point number with a true minus sign; `signed` writes the plus too."""
    if not math.isfinite(value):
        return ABSENT
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return text.replace("-", "−")


def estimate(value: Estimate, decimals: int, signed: bool = False) -> str:
    """`mean ± half-width`, or the mean alone where there is no interval."""
    mean = number(value.mean, decimals, signed)
    return mean if math.isnan(value.half_width) else f"{mean} ± {number(value.half_width, decimals)}"


def amount(value: float) -> str:
    """A budget: whole numbers with thousands separators, others with up to six digits."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.6g}"


def seconds(value: float) -> str:
    """Seconds with three significant digits, never in scientific notation; the heading names the unit."""
    if value <= 0 or value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.{min(6, 2 - math.floor(math.log10(value * 1.0005)))}f}"


def memory(value: float) -> str:
    """Bytes in binary units with three significant digits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1000:
            return f"{_three_digits(value)} {unit}"
        value /= 1024
    return f"{_three_digits(value)} TiB"


def p_value(value: float) -> str:
    """A p-value with two significant digits, `<0.0001` below that."""
    if math.isnan(value):
        return ABSENT
    return "<0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def p_equals(value: float) -> str:
    """`p = 0.04`, `p < 0.0001`, for sentences."""
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def rank(value: RankRange) -> str:
    """`2`, or `1–3` where the tests leave several ranks open."""
    return str(value.best) if value.best == value.worst else f"{value.best}–{value.worst}"


def percent(value: float, signed: bool = False) -> str:
    """A share as whole percent, with a true minus sign."""
    if not math.isfinite(value):
        return ABSENT
    return f"{round(100 * value):{'+' if signed else ''}d} %".replace("-", "−")


def saving(value: Saving) -> str:
    """`46 % (30 to 57)`; `> 200` where more than the whole budget of 200 would be needed."""
    if value.censored:
        return f"> {amount(value.budget)}"
    return _with_range(percent(value.value), value.low, value.high)


def factor(value: Saving) -> str:
    """A saving as how many times fewer are needed: `1.9 × (1.4 to 2.3)`; `< 0.8 ×` where the budget is not enough."""

    def times(saved: float) -> str:
        if saved >= 1:
            return "∞"
        ratio = 1 / (1 - saved)  # 0 where the saving has no lower bound
        return f"{ratio:.{0 if ratio >= 9.95 else 1 if ratio >= 0.95 else 2}f}"

    if value.censored:
        return f"< {times(value.value)} ×"
    text = f"{times(value.value)} ×"
    return text if math.isnan(value.low) else f"{text} ({times(value.low)} to {times(value.high)})"


def sort_key(cell: Cell) -> tuple[float, ...] | str | None:
    """What a cell is ordered by: the true numbers, never the text; None (absent) belongs last."""
    if isinstance(cell, Estimate):
        return None if math.isnan(cell.mean) else (cell.mean,)
    if isinstance(cell, RankRange):
        return (float(cell.best), float(cell.worst))
    if isinstance(cell, Saving):  # what is never reached saves less than anything that is
        return (0.0, cell.value) if cell.censored else (1.0, cell.value)
    if cell is None or isinstance(cell, str):
        return cell
    return None if math.isnan(cell) else (float(cell),)


def sentence_list(items: Sequence[str], most: int = 8) -> str:
    """`a`, `a and b`, `a, b and c`; of more than `most`, or of long ones, the first and how many more."""
    while most > 1 and len(", ".join(items[:most])) > LONGEST_LIST:
        most -= 1
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def _format(column: Column, cell: Cell, decimals: int) -> str:
    if cell is None:
        return ABSENT
    if isinstance(cell, Saving):
        return factor(cell) if column.kind == "factor" else saving(cell)
    if isinstance(cell, Estimate) and column.kind == "share":
        return _with_range(percent(cell.mean), cell.low, cell.high)
    if isinstance(cell, Estimate):
        return estimate(cell, decimals, signed=column.kind == "gain")
    if isinstance(cell, RankRange):
        return rank(cell)
    if isinstance(cell, str):
        return printable(cell)
    if column.kind == "seconds":
        return seconds(cell)
    if column.kind in ("number", "reported"):
        return number(cell, decimals)
    if column.kind == "bytes":
        return memory(cell)
    return amount(cell)


def _with_range(text: str, low: float, high: float) -> str:
    if math.isnan(low):
        return text
    ends = ["−∞" if math.isinf(end) else percent(end).removesuffix(" %") for end in (low, high)]
    return f"{text} ({ends[0]} to {ends[1]})"


def _decimals_of_numbers(cells: Sequence[Cell]) -> int:
    # Four significant digits of the largest.
    sizes = [abs(cell) for cell in cells if isinstance(cell, int | float) and math.isfinite(cell) and cell != 0]
    return min(8, max(0, 3 - math.floor(math.log10(max(sizes))))) if sizes else 0


def _three_digits(value: float) -> str:
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}"
