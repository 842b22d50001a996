"""What a schedule will take, what it saves of full-size training, and why not more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from upsize.forecast._costs import Costs
from upsize.forecast._parts import PARTS, parts_of
from upsize.forecast._words import advice_for, reason_for
from upsize.schedule import Plan

if TYPE_CHECKING:
    from upsize.forecast._forecast import Forecast
    from upsize.forecast._watch import Report, Watch

__all__ = ["Prediction", "Reason", "predict"]

# Less than this share of the time is not worth a word.
_WORTH = 0.005


class Reason(BaseModel):
    """Why a schedule saves less, or more, than its pixel count promises.

    Args:
        part: Of the time: "loader", "epoch start", "resize", "step", "switch" or
            "validation".
        share: Of the time of full-size training; negative where it saves more.
        text: In words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    share: float
    text: str

    def __str__(self) -> str:
        return f"{-100 * self.share:+.1f} points: {self.text}"


class Prediction(BaseModel):
    """The time of a run; made by :meth:`Forecast.predict`.

    Args:
        plan: The plan of the run.
        loading: ``"as it is"`` or ``"sized"``.
        seconds: Of the whole run, with validations where they were measured.
        full_seconds: Of the same run at full size, with the loader as it is.
        reasons: What lies between the promise and the saving, the weightiest first;
            together they are the difference.
        advice: What to change.
        costs: What a step costs at each size.

    Example:
        >>> from upsize.schedule import Ramp
        >>> prediction = Prediction(
        ...     plan=Ramp(final_size=64, increase_by=32).plan(total_steps=100),
        ...     loading="as it is", seconds=75.0, full_seconds=100.0, reasons=(),
        ...     advice=(), costs=None,
        ... )
        >>> prediction.saving, prediction.promised
        (0.25, 0.375)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    loading: Literal["as it is", "sized"]
    seconds: float = Field(ge=0)
    full_seconds: float = Field(gt=0)
    reasons: tuple[Reason, ...]
    advice: tuple[str, ...]
    costs: Costs | None

    @property
    def saving(self) -> float:
        """Share of the time of full-size training that is saved."""
        return 1 - self.seconds / self.full_seconds

    @property
    def promised(self) -> float:
        """The share of pixels that are saved: what time would, if it followed them."""
        return 1 - self.plan.pixel_share

    def summary(self) -> str:
        """Return the times, the saving, the reasons and the advice, a line each."""
        lines = [
            f"{_time(self.seconds)} instead of {_time(self.full_seconds)}: saves "
            f"{self.saving:.1%} of the {self.promised:.1%} that the pixels promise"
        ]
        lines += [f"  {r}" for r in self.reasons if abs(r.share) >= _WORTH]
        lines += [f"- {text}" for text in self.advice]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def watch(self) -> Watch:
        """Return what takes the time of the run, to compare it with this afterwards.

        Example:
            ``watch = prediction.watch()``, then in each epoch
            ``for images, labels in watch(resize.batches(loader)):``, and at the end
            ``print(watch.report())``.
        """
        from upsize.forecast._watch import Watch

        return Watch(self)

    def report(self, seconds: float, full_seconds: float | None = None) -> Report:
        """Compare with the time that the run took, measured elsewhere.

        Args:
            seconds: Of the run.
            full_seconds: Of the same run at full size, where there was one.
        """
        from upsize.forecast._watch import Report

        return Report(
            rows=(),
            forecast_seconds=self.seconds,
            seconds=seconds,
            forecast_saving=self.saving,
            saving=None if full_seconds is None else 1 - seconds / full_seconds,
        )


def predict(
    forecast: Forecast, plan: Plan, loading: Literal["as it is", "sized"]
) -> Prediction:
    """Return the time of a plan."""
    costs = forecast.costs(loading)
    full = forecast.as_it_is.at(plan.final_size)
    spent = parts_of(plan, costs.at, forecast.switch, forecast.validation)
    whole = parts_of(plan, lambda _: full, 0.0, forecast.validation)
    full_seconds = sum(whole.values())
    lost = {
        part: (spent[part] - plan.pixel_share * whole[part]) / full_seconds
        for part in PARTS
    }
    reasons = sorted(
        (
            Reason(
                part=part,
                share=share,
                text=reason_for(part, share, forecast, costs, plan),
            )
            for part, share in lost.items()
        ),
        key=lambda reason: -abs(reason.share),
    )
    return Prediction(
        plan=plan,
        loading=loading,
        seconds=sum(spent.values()),
        full_seconds=full_seconds,
        reasons=tuple(reasons),
        advice=tuple(advice_for(forecast, plan, loading, lost, full_seconds)),
        costs=costs,
    )


def _time(seconds: float) -> str:
    """Return a time in words that people read.

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
