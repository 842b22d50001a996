"""What a schedule saves, or costs, in words."""

from __future__ import annotations

__all__ = ["compared", "outcome"]


def outcome(saving: float, digits: int = 1) -> str:
    """Say what a schedule saves, or how much longer it takes than full size.

    Args:
        saving: Share of the time of full-size training; negative where it takes longer.
        digits: Decimals of the percentage.

    Example:
        >>> outcome(0.124), outcome(-0.547, digits=0)
        ('saves 12.4%', 'takes 55% longer')
    """
    share = f"{abs(saving):.{digits}%}"
    return f"saves {share}" if saving >= 0 else f"takes {share} longer"


def compared(then: float, now: float) -> str:
    """Say what a change saves beside what is saved without it.

    Args:
        then: Share that is saved after the change.
        now: Share that is saved without it.

    Example:
        >>> compared(0.3, 0.1), compared(-0.1, -0.2)
        ('saves 30.0% instead of 10.0%', 'takes 10.0% longer instead of 20.0%')
        >>> compared(0.3, -0.1), compared(-0.1, 0.3)
        ('saves 30.0% instead of taking 10.0% longer', 'takes 10.0% longer instead of \
saving 30.0%')
    """
    other = f"{abs(now):.1%}"
    if (then >= 0) != (now >= 0):
        other = f"saving {other}" if now >= 0 else f"taking {other} longer"
    return f"{outcome(then)} instead of {other}"
