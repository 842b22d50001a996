"""The length of a run in steps and, where it is known, in epochs."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from upsize.schedule._shown import shown
from upsize.schedule._size import check_whole_number, require_whole_number

__all__ = ["RunLength", "run_length", "steps_of"]


class RunLength(NamedTuple):
    """A run's length: the total steps, and the steps per epoch if they are known.

    Example:
        >>> run = RunLength(total_steps=2940, steps_per_epoch=147)
        >>> run.epochs, run.epoch_length("start=10")
        (Fraction(20, 1), 147)
        >>> RunLength(total_steps=2940, steps_per_epoch=None).epochs is None
        True
    """

    total_steps: int
    steps_per_epoch: int | None

    def epoch_length(self, asked_by: str) -> int:
        """Return the steps per epoch, or raise if they are not known.

        Args:
            asked_by: The parameter that counts epochs, for the error.

        Raises:
            ValueError: When they are not known.
        """
        if self.steps_per_epoch is None:
            raise ValueError(
                f"{asked_by} counts epochs, and this run's are not known: "
                "give steps_per_epoch to plan()"
            )
        return self.steps_per_epoch

    @property
    def epochs(self) -> Fraction | None:
        """The number of epochs, exact; ``None`` without ``steps_per_epoch``."""
        if self.steps_per_epoch is None:
            return None
        return Fraction(self.total_steps, self.steps_per_epoch)


def run_length(
    epochs: int | None, steps_per_epoch: int | None, total_steps: int | None
) -> RunLength:
    """Make a run of ``epochs`` x ``steps_per_epoch``, or of ``total_steps``.

    Raises:
        ValueError: When a number is below 1 or above 10**12, or the length is missing
            or given twice.
    """
    epochs = check_whole_number("epochs", epochs)
    steps_per_epoch = check_whole_number("steps_per_epoch", steps_per_epoch)
    total_steps = check_whole_number("total_steps", total_steps)
    if total_steps is not None and epochs is not None:
        raise ValueError(
            f"epochs={epochs} and total_steps={total_steps} both set the length: give "
            "epochs and steps_per_epoch, or total_steps (and steps_per_epoch)"
        )
    if total_steps is not None:
        return RunLength(total_steps, steps_per_epoch)
    if epochs is None or steps_per_epoch is None:
        raise ValueError(
            "the length of the run is missing: give epochs and steps_per_epoch, or "
            f"total_steps (got epochs={epochs}, steps_per_epoch={steps_per_epoch})"
        )
    total_steps = require_whole_number(
        "epochs * steps_per_epoch", epochs * steps_per_epoch
    )
    return RunLength(total_steps, steps_per_epoch)


def steps_of(samples: int, batch: int, steps_per_epoch: int | None) -> int:
    """Return the steps of an epoch of so many samples.

    Args:
        samples: Samples in an epoch.
        batch: Samples in a batch; the last one has the rest.
        steps_per_epoch: The steps as given; ``None``: not given.

    Raises:
        ValueError: When they differ from the given ones.

    Example:
        >>> steps_of(1000, 64, None)
        16
    """
    steps = -(-samples // batch)
    if steps_per_epoch not in (None, steps):
        raise ValueError(
            f"samples_per_epoch={samples} in batches of {batch} are {steps} steps, not "
            f"steps_per_epoch={shown(steps_per_epoch)}: leave steps_per_epoch out; with "
            f"drop_last give samples_per_epoch={samples // batch * batch}"
        )
    return steps
