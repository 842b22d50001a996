"""What was measured, and what it says of any schedule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from upsize.forecast._costs import Costs
from upsize.forecast._prediction import Prediction, predict
from upsize.forecast._suggest import suggestion
from upsize.schedule import Linear, MultiScale, Phases, Plan, Ramp, Size

__all__ = ["Forecast"]

Loading = Literal["as it is", "sized"]


class Forecast(BaseModel):
    """What a step costs at each size, and so what any schedule will take.

    Made by :func:`measure`. Frozen, and to JSON and back by
    ``forecast.model_dump_json()`` and ``Forecast.model_validate_json(text)``.

    Args:
        device: What it was measured on.
        batch_size: Images in a batch, where the loader tells.
        workers: Processes of the loader.
        cores: Of the processor, for this process.
        final_size: The full size.
        as_it_is: Costs with the loader as it is, batches being resized on the device.
        sized: With the loader :func:`~upsize.loading.sized`; ``None``: it cannot be.
        not_sized: Why not.
        switch: Seconds that the first step at a new size takes more than others.
        validation: Seconds of a validation after each epoch, where it was measured.

    Example:
        >>> full = {"size": (64, 64), "step": 0.4, "resize": 0, "wait": 0, "first": 0}
        >>> half = {"size": (32, 32), "step": 0.1, "resize": 0, "wait": 0.1, "first": 0.1}
        >>> forecast = Forecast(
        ...     device="cpu", batch_size=32, workers=1, cores=2, final_size=(64, 64),
        ...     as_it_is=Costs(sizes=(half, full)), sized=None, not_sized="no DataLoader",
        ...     switch=0.0, validation=None,
        ... )
        >>> prediction = forecast.predict(
        ...     Ramp(increase_by=32), epochs=10, steps_per_epoch=100
        ... )
        >>> f"{prediction.saving:.1%} of {prediction.promised:.1%}"
        '25.0% of 37.5%'
        >>> forecast.bottleneck()
        'the loader below 46 px'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    batch_size: int | None
    workers: int = Field(ge=0)
    cores: int = Field(ge=1)
    final_size: Size
    as_it_is: Costs
    sized: Costs | None
    not_sized: str | None
    switch: float = Field(ge=0)
    validation: Annotated[float, Field(ge=0)] | None

    def costs(self, loading: Loading) -> Costs:
        """Return the costs with one way of loading.

        Args:
            loading: ``"as it is"`` or ``"sized"``.

        Raises:
            ValueError: For another one, and for ``"sized"`` where the loader cannot be.
        """
        if loading not in ("as it is", "sized"):
            raise ValueError(f'loading must be "as it is" or "sized", not {loading!r}')
        if loading == "as it is":
            return self.as_it_is
        if self.sized is None:
            raise ValueError(f"the loader cannot be sized: {self.not_sized}")
        return self.sized

    def bottleneck(self, loading: Loading = "as it is") -> str:
        """Say in words what bounds the training, and at which sizes.

        Args:
            loading: ``"as it is"`` or ``"sized"``.
        """
        return self.costs(loading).bottleneck()

    def predict(
        self,
        schedule: Ramp | Linear | Phases | MultiScale | Plan,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        loading: Loading = "as it is",
    ) -> Prediction:
        """Return the time that a schedule will take, and why.

        Args:
            schedule: A schedule, or a plan, which has its length already. A schedule
                without a ``final_size`` gets the measured one.
            epochs: Length in epochs, with ``steps_per_epoch``.
            steps_per_epoch: Batches of an epoch.
            total_steps: Or the length in steps.
            loading: ``"as it is"``, or ``"sized"``.

        Raises:
            ValueError: For a size that is smaller or larger than all that were measured,
                and as ``schedule.plan`` and :meth:`costs`.
        """
        if isinstance(schedule, Plan):
            if (epochs, steps_per_epoch, total_steps) != (None, None, None):
                raise ValueError("a plan has its length: give no epochs and no steps")
            plan = schedule
        else:
            own = getattr(schedule, "final_size", None)
            plan = schedule.plan(
                epochs=epochs,
                steps_per_epoch=steps_per_epoch,
                total_steps=total_steps,
                final_size=None if own is not None else self.final_size,
            )
        return predict(self, plan, loading)

    def suggest(
        self,
        budget: float = 0.8,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        loading: Loading = "as it is",
        multiple_of: int | tuple[int, int] = 1,
        max_sizes: int = 8,
    ) -> Ramp:
        """Return the ramp that trains longest at full size within a share of the time.

        It grows as the reference does, from a first size over half of the time before it:
        ``start`` is two thirds of ``finish``. First sizes from the smallest measured one
        are tried, and of two that allow the same share of full size the larger is taken.

        Args:
            budget: Share of the time of full-size training, in (0, 1).
            epochs: As for :meth:`predict`.
            steps_per_epoch: As for :meth:`predict`.
            total_steps: As for :meth:`predict`.
            loading: ``"as it is"`` or ``"sized"``.
            multiple_of: Every size is a multiple of it.
            max_sizes: At most this many sizes.

        Raises:
            ValueError: When no schedule that trains a tenth of its steps at full size
                fits; says how far down one can get, and what stands in the way.
        """
        length: dict[str, Any] = {
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "total_steps": total_steps,
        }
        return suggestion(
            budget,
            [cost.size for cost in self.costs(loading).sizes],
            lambda ramp: self.predict(ramp, **length, loading=loading),
            multiple_of,
            max_sizes,
        )

    def table(self) -> str:
        """Return a line for each size: milliseconds of a step, and what they are spent on."""
        lines = [
            f"{'ms per step':>14}  {'as it is':>9}  {'step':>7}  {'resize':>7}  "
            f"{'wait':>7}" + (f"  {'sized':>9}  {'wait':>7}" if self.sized else "")
        ]
        for number, cost in enumerate(self.as_it_is.sizes):
            line = (
                f"{cost.size!s:>14}  {1000 * cost.total:9.1f}  {1000 * cost.step:7.1f}  "
                f"{1000 * cost.resize:7.1f}  {1000 * cost.wait:7.1f}"
            )
            if self.sized:
                small = self.sized.sizes[number]
                line += f"  {1000 * small.total:9.1f}  {1000 * small.wait:7.1f}"
            lines.append(line)
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = [self.table(), f"bound by {self.bottleneck()}"]
        if self.sized:
            lines.append(f"with a sized loader by {self.bottleneck('sized')}")
        else:
            lines.append(f"a sized loader was not measured: {self.not_sized}")
        return "\n".join(lines)
