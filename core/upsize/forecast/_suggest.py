"""The schedule with the largest share of full-size training for a share of the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from upsize.forecast._prediction import Prediction
from upsize.schedule import Ramp, Size

__all__ = ["suggestion"]

_LATEST = 90  # percent: a tenth of the steps stays at full size


def suggestion(
    budget: float,
    sizes: Sequence[Size],
    predict: Callable[[Ramp], Prediction],
    multiple_of: int | tuple[int, int],
    max_sizes: int,
) -> Ramp:
    """Return the ramp whose finish is the earliest that keeps the budget.

    Args:
        budget: Share of the time of full-size training, in (0, 1).
        sizes: That were measured, the full one last.
        predict: Returns the prediction of a ramp.
        multiple_of: Every size is a multiple of it.
        max_sizes: At most this many.

    Raises:
        ValueError: When there is none.
    """
    if not 0 < budget < 1:
        raise ValueError(f"budget must be a share between 0 and 1, not {budget}")
    full = sizes[-1]
    final = full.height if full.height == full.width else full

    def ramp(initial: int, finish: int) -> Ramp:
        return Ramp(
            initial_size=initial,
            final_size=final,
            start=round(finish / 150, 4),
            finish=finish / 100,
            multiple_of=multiple_of,
            max_sizes=max_sizes,
        )

    found: list[tuple[int, int]] = []
    least: Prediction | None = None
    for size in sizes[:-1]:
        initial = max(size)

        def share(finish: int, initial: int = initial) -> float:
            return 1 - predict(ramp(initial, finish)).saving

        last = predict(ramp(initial, _LATEST))
        if 1 - last.saving > budget:
            if least is None or last.seconds < least.seconds:
                least = last
            continue
        low, high = 0, _LATEST  # the time falls with a later finish
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if share(middle) <= budget else (middle, high)
        found.append((high, -initial))
    if not found:
        assert least is not None
        reason = least.reasons[0].text
        raise ValueError(
            "no schedule with 10 % of its steps at full size fits "
            f"budget={budget}; the cheapest needs {1 - least.saving:.0%} of full-size "
            f"time: {reason}"
        )
    finish, initial = min(found)
    return ramp(-initial, finish)
