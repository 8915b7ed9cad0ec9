"""The names of divergences and what is refused of them, apart from the formulas: reading a name loads no torch."""

from __future__ import annotations

NAMES = ("reverse_kl", "forward_kl", "jsd", "alpha", "jeffreys")
NO_BARRIER = {
    "total_variation": "its slope stays finite where a ratio goes to 0",
    "chi2": "its slope stays finite where a ratio goes to 0",
}


def check_divergence(name: str, alpha: float | None = None) -> None:
    """Refuse what names no divergence.

    Parameters
    ----------
    name, alpha: as `divergences.divergence` takes them.

    Raises
    ------
    ValueError
        Unknown, refused for lack of a barrier at 0, or an `alpha` out of range or where none is due.
    """
    if name in NO_BARRIER:
        raise ValueError(
            f"divergence {name!r} cannot combine policies: {NO_BARRIER[name]}, so a policy can drop responses "
            f"entirely, and it is unknown how much another objective needs them; known: {', '.join(NAMES)}"
        )
    if name not in NAMES:
        raise ValueError(f"divergence: expected one of {', '.join(NAMES)}, got {name!r}")
    if (alpha is not None) != (name == "alpha"):
        raise ValueError(f"divergence {name!r}: {'name its alpha, 0 to 1' if alpha is None else 'it has no alpha'}")
    if alpha is not None and not 0 < alpha < 1:
        raise ValueError(f"alpha: expected a number between 0 and 1, which are the KL divergences, got {alpha!r}")
