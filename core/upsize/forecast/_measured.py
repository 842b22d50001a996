"""What was measured: the costs of a step with each way of loading."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from upsize.forecast._costs import Costs
from upsize.schedule import Grow, Size

__all__ = ["LoadingName", "MeasuredCosts"]

#: How batches are loaded: at full size, or small where training is.
LoadingName = Literal["full", "sized"]


class MeasuredCosts(BaseModel):
    """What a step costs at each size, with each way of loading that was measured.

    The fields are described in :class:`~upsize.forecast.Forecast`, which adds what
    follows from them; what explains a forecast needs only these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
