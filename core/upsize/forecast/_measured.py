"""What was measured: the costs of a step with each way of loading."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from upsize.forecast._costs import Costs
from upsize.schedule import Grow, Size
from upsize.schedule._frozen import Frozen

__all__ = ["LoadingName", "MeasuredCosts"]

#: How batches are loaded: at full size, or small where training is.
LoadingName = Literal["full", "sized"]


class MeasuredCosts(Frozen):
    """What a step costs at each size, with each way of loading that was measured.

    The fields are described in :class:`~upsize.forecast.Forecast`, which adds what
    follows from them; what explains a forecast needs only these.
    """

    device: str
    batch_size: int | None
    workers: int = Field(ge=0)
    cores: int = Field(ge=1)
    final_size: Size
    full: Costs
    sized: Costs | None
    not_sized: str | None
    size_change: float = Field(ge=0)
    validation: Annotated[float, Field(ge=0)] | None
    grow: Grow | None = None
    grown: Costs | None = None
    grown_sized: Costs | None = None
    not_grown: str | None = None
    images_only: bool = True

    @model_validator(mode="after")
    def _agree(self) -> Self:
        sizes = [cost.size for cost in self.full.sizes]
        if self.final_size != sizes[-1]:
            raise ValueError(
                f"final_size must be the largest size of full, {sizes[-1]}, not "
                f"{self.final_size}"
            )
        if self.full.at_full_size.total == 0:
            raise ValueError("full must take time at the full size, not 0 seconds")
        for name in ("sized", "grown", "grown_sized"):
            costs: Costs | None = getattr(self, name)
            if costs is None:
                continue
            if [cost.size for cost in costs.sizes] != sizes:
                raise ValueError(
                    f"{name} must have the sizes of full, {', '.join(map(str, sizes))}, "
                    f"not {', '.join(str(cost.size) for cost in costs.sizes)}"
                )
            if name != "sized" and self.grow is None:
                raise ValueError(f"{name} needs grow, which says how the batch grew")
        return self

    def costs(self, loading: LoadingName, *, growing: bool = False) -> Costs:
        """Return the costs with one way of loading.

        Args:
            loading: ``"full"`` or ``"sized"``.
            growing: Whether the batch grows while images are small. Costs are always
                those of as many images as a batch at full size has.

        Raises:
            ValueError: For another name, for ``"sized"`` where the loader cannot be, and
                for a growing batch where none was measured.
        """
        if loading not in ("full", "sized"):
            raise ValueError(f'loading must be "full" or "sized", not {loading!r}')
        if loading == "sized" and self.sized is None:
            raise ValueError(f"the loader cannot be sized: {self.not_sized}")
        if growing:
            found = self.grown if loading == "full" else self.grown_sized
            if found is None:
                raise ValueError(
                    f"no growing batch was measured: {self.not_grown or 'grow=False'}"
                )
            return found
        return self.full if self.sized is None or loading == "full" else self.sized

    def bottleneck(self, loading: LoadingName = "full") -> str:
        """Say in words what bounds the training, and at which sizes.

        Args:
            loading: ``"full"`` or ``"sized"``.
        """
        return self.costs(loading).bottleneck()
