"""The time of a schedule, what it saves of full-size training, and why not more."""

from __future__ import annotations

from pydantic import Field

from upsize.forecast._costs import Costs
from upsize.forecast._measured import LoadingName
from upsize.forecast._outcome import outcome
from upsize.forecast._report import Report
from upsize.forecast._watch import Watch
from upsize.resize import Resizer
from upsize.schedule import Plan
from upsize.schedule._frozen import Frozen

__all__ = ["Prediction", "Reason"]

# A smaller share of the time is not worth mentioning.
_WORTH = 0.005


class Reason(Frozen):
    """Why a schedule saves less, or more, than its theoretical maximum.

    Args:
        part: Part of the time: "loader", "epoch start", "resize", "step", "size change" or
            "validation".
        share: Share of the time of full-size training; negative where it saves more.
        text: The reason in words.

    Example:
        >>> print(Reason(part="resize", share=0.012, text="batches are resized"))
        saves 1.2 points less: batches are resized
    """

    part: str
    share: float
    text: str

    def __str__(self) -> str:
        how = "less" if self.share > 0 else "more"
        return f"saves {abs(100 * self.share):.1f} points {how}: {self.text}"


class Prediction(Frozen):
    """The time of a run; made by :meth:`Forecast.predict`.

    Args:
        plan: The plan of the run.
        loading: ``"full"`` or ``"sized"``.
        seconds: Time of the whole run, with validations where they were measured.
        full_seconds: Time of the same run at full size, with the loader unchanged.
        reasons: Why the saving differs from the theoretical maximum, the largest
            first; together they are the difference.
        advice: What to change.
        costs: What a step costs at each size.
        hint: What ending below the test size would save; ``None``: no hint fits.

    Example:
        >>> from upsize.schedule import Ramp
        >>> prediction = Prediction(
        ...     plan=Ramp(final_size=64, increase_by=32).plan(total_steps=100),
        ...     loading="full", seconds=75.0, full_seconds=100.0, reasons=(),
        ...     advice=(), costs=None,
        ... )
        >>> prediction.saving, prediction.theoretical_maximum
        (0.25, 0.375)
    """

    plan: Plan
    loading: LoadingName
    seconds: float = Field(ge=0)
    full_seconds: float = Field(gt=0)
    reasons: tuple[Reason, ...]
    advice: tuple[str, ...]
    costs: Costs | None
    hint: str | None = None

    @property
    def saving(self) -> float:
        """Share of the time of full-size training that the run saves."""
        return 1 - self.seconds / self.full_seconds

    @property
    def theoretical_maximum(self) -> float:
        """Share of the pixels that the run saves: of the time, if it followed them."""
        return 1 - self.plan.pixel_share

    def summary(self) -> str:
        """Return the times, the saving, the reasons, the advice and the hint, a line each.

        Example:
            >>> from upsize.schedule import Ramp
            >>> prediction = Prediction(
            ...     plan=Ramp(final_size=64, increase_by=32).plan(total_steps=100),
            ...     loading="full", seconds=75.0, full_seconds=100.0, reasons=(),
            ...     advice=("use fewer sizes",), costs=None,
            ... )
            >>> print(prediction.summary())
            1 min 15 s instead of 1 min 40 s: saves 25.0% (theoretical maximum: 37.5%)
            - use fewer sizes
        """
        lines = [
            f"{_time(self.seconds)} instead of {_time(self.full_seconds)}: "
            f"{outcome(self.saving)} (theoretical maximum: "
            f"{'saves ' if self.saving < 0 else ''}{self.theoretical_maximum:.1%})"
        ]
        lines += [f"  {r}" for r in self.reasons if abs(r.share) >= _WORTH]
        lines += [f"- {text}" for text in self.advice]
        lines += [] if self.hint is None else [f"- {self.hint}"]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def watch(self, resizer: Resizer | None = None) -> Watch:
        """Return what times the run, to compare it with this prediction afterwards.

        Args:
            resizer: How to find the images, as in the training.

        Example:
            ``watch = prediction.watch()``, then in each epoch
            ``for images, labels in watch(resize.batches(loader)):``, and at the end
            ``print(watch.report())``.
        """
        return Watch(self.plan, self.costs, resizer)

    def report(self, seconds: float, full_seconds: float | None = None) -> Report:
        """Compare with the time that the run took, measured elsewhere.

        Args:
            seconds: Time of the run.
            full_seconds: Time of the same run at full size, where there was one.
        """
        return Report(
            rows=(),
            forecast_seconds=self.seconds,
            seconds=seconds,
            forecast_saving=self.saving,
            saving=None if full_seconds is None else 1 - seconds / full_seconds,
        )


def _time(seconds: float) -> str:
    """Return a time as people read it.

    Example:
        >>> _time(0.5), _time(75), _time(7500)
        ('0.5 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
