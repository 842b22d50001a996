"""What a step costs at each size that was measured, and between them."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Self

from pydantic import Field, model_validator

from upsize.schedule import Size
from upsize.schedule._frozen import Frozen

__all__ = ["Costs", "SizeCost"]

# Share of a step: a loader that makes it wait longer does not keep up.
WAITS = 0.25
_NEAR = 0.9


class SizeCost(Frozen):
    """What a training step costs at one size, in seconds.

    Args:
        size: (height, width) in pixels.
        step: Time of forward, backward and optimizer.
        resize: Time of moving a batch to the device and resizing it there.
        wait: Time of waiting for the next batch, within an epoch.
        first_batch: Time of waiting for the first batch of an epoch, while workers start.

    Example:
        >>> cost = SizeCost(size=(112, 112), step=0.02, resize=0.0, wait=0.06, first_batch=1.0)
        >>> round(cost.total, 3), cost.bound_by
        (0.08, 'loader')
    """

    size: Size
    step: float = Field(ge=0)
    resize: float = Field(ge=0)
    wait: float = Field(ge=0)
    first_batch: float = Field(ge=0)

    @property
    def total(self) -> float:
        """Seconds of a step in the middle of an epoch."""
        return self.step + self.resize + self.wait

    @property
    def bound_by(self) -> str:
        """``"loader"`` where more than a quarter of the time is waiting, else ``"model"``."""
        return "loader" if self.wait > WAITS * self.total else "model"


class Costs(Frozen):
    """What steps cost at the sizes that were measured, with one way of loading.

    Between two measured sizes, each part is interpolated linearly in the pixel count.

    Args:
        sizes: Costs by growing pixel count, at least two; the last is the full size.

    Example:
        >>> small = SizeCost(size=(32, 32), step=0.1, resize=0.0, wait=0.0, first_batch=0.0)
        >>> costs = Costs(
        ...     sizes=(small, small.model_copy(update={"size": Size(64, 64), "step": 0.4}))
        ... )
        >>> round(costs.at(Size(48, 48)).step, 3)  # 2304 of 1024 to 4096 pixels
        0.225
    """

    sizes: tuple[SizeCost, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _grow(self) -> Self:
        pixels = [math.prod(cost.size) for cost in self.sizes]
        if pixels != sorted(set(pixels)):
            raise ValueError(
                "sizes must grow, each with more pixels than the one before"
            )
        return self

    @property
    def at_full_size(self) -> SizeCost:
        """The cost at full size."""
        return self.sizes[-1]

    def at(self, size: Size) -> SizeCost:
        """Return the cost at a size between the measured ones.

        Args:
            size: (height, width) in pixels.

        Raises:
            ValueError: For a size above the measured ones, or with less than nine tenths
                of the smallest one's pixels: its costs are not known.
        """
        pixels = [math.prod(cost.size) for cost in self.sizes]
        wanted = math.prod(size)
        if not _NEAR * pixels[0] <= wanted <= pixels[-1]:
            raise ValueError(
                f"{size} is not between {self.sizes[0].size} and {self.at_full_size.size}, which "
                "were measured: measure again with sizes=[...] that include it"
            )
        # Just below the smallest, where sizes were rounded, its line continues.
        place = max(1, bisect_left(pixels, wanted))
        below, above = self.sizes[place - 1], self.sizes[place]
        share = (wanted - pixels[place - 1]) / (pixels[place] - pixels[place - 1])

        def between(part: str) -> float:
            low, high = getattr(below, part), getattr(above, part)
            return max(0.0, float(low + share * (high - low)))

        parts = {
            part: between(part) for part in ("step", "resize", "wait", "first_batch")
        }
        return SizeCost(size=size, **parts)

    def bottleneck(self) -> str:
        """Say in words what bounds the training, and at which sizes.

        Example:
            >>> fast = SizeCost(size=(32, 32), step=1, resize=0, wait=3, first_batch=0)
            >>> slow = SizeCost(size=(64, 64), step=4, resize=0, wait=0, first_batch=0)
            >>> Costs(sizes=(fast, slow)).bottleneck()
            'the loader below 56 px'
        """
        bound = [cost.bound_by for cost in self.sizes]
        if len(set(bound)) == 1:
            return f"the {bound[0]} at every size"
        # The model's cost grows with the pixels: the loader bounds the small sizes.
        if bound[-1] == "model":
            last = max(n for n, name in enumerate(bound) if name == "loader")
            return f"the loader below {self._crossing(last)} px"
        return "the loader at full size"

    def _crossing(self, number: int) -> int:
        """Return the side, between two sizes, above which the loader keeps up."""
        low, high = (max(self.sizes[n].size) for n in (number, number + 1))
        below, above = self.sizes[number : number + 2]
        for side in range(low, high):
            share = (side**2 - low**2) / (high**2 - low**2)
            wait = below.wait + share * (above.wait - below.wait)
            total = below.total + share * (above.total - below.total)
            if wait <= WAITS * total:
                return side
        return high
