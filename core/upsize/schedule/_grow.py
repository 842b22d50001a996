"""How the batch grows while images are small."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator

from upsize.schedule._fields import one_of
from upsize.schedule._frozen import Frozen
from upsize.schedule._limits import LimitField, Limits
from upsize.schedule._run import check_both
from upsize.schedule._size import Size, WholeNumber, as_size, check_whole_number

__all__ = ["Grow", "GrowField", "read_batch"]

# Tensor cores work on multiples of 8.
_MULTIPLE = 8


class Grow(Frozen):
    """Larger batches while images are small: as many pixels as a full-size batch.

    At a size, a batch has as many images as fill the pixels of a plain batch at full
    size, rounded down (to a multiple of 8 if ``batch`` is one), at most ``limit`` and
    at least ``batch``. At full size it is the plain batch.

    Args:
        limit: Most images in a batch of a process, at least ``batch``; or a mapping {size: images},
            each size one side or (height, width) in pixels. A size that is not in the
            mapping has the limit of the next larger size that is; above the largest
            one, batches do not grow.
        batch: Images in a process's batch at full size. ``None``: the batch of the loader, where
            a way of training knows it; :meth:`Schedule.plan` needs it.
        lr: How the learning rate follows the batch, for :meth:`Plan.lr_factor`:
            ``"linear"``, ``"sqrt"``, or ``None``: not at all.

    Raises:
        pydantic.ValidationError: When a limit is below ``batch``, or a value is not
            allowed.

    Example:
        >>> grow = Grow(256, batch=64)
        >>> [grow.images_at(size, full=224) for size in (96, 128, 160, 224)]
        [256, 192, 120, 64]
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224, increase_by=56).plan(
        ...     epochs=20, samples_per_epoch=50_000, batch_size=grow
        ... )
        >>> plan.batch_sizes, plan.total_steps, plan.plain.total_steps
        ((256, 112, 64), 8105, 15640)
    """

    limit: LimitField
    batch: WholeNumber | None = None
    lr: Literal["linear", "sqrt"] | None = None

    _check_lr = field_validator("lr", mode="before")(one_of("linear", "sqrt", None))

    def __init__(
        self,
        limit: int | Mapping[Any, int] | Limits,
        *,
        batch: int | None = None,
        lr: Literal["linear", "sqrt"] | None = None,
    ) -> None:
        fields: dict[str, Any] = {"limit": limit, "batch": batch, "lr": lr}
        super().__init__(**fields)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.batch is not None:
            for size, images in self._limits:
                if images < self.batch:
                    where = "" if size is None else f" at {size}"
                    raise ValueError(
                        f"limit={images}{where} is below the batch of {self.batch} "
                        f"images: give a limit of at least {self.batch}, or a smaller "
                        "batch"
                    )
        return self

    def __repr__(self) -> str:
        limit = self.limit
        if not isinstance(limit, int):
            limit = {
                size.height if size.height == size.width else tuple(size): images
                for size, images in self._limits
                if size is not None
            }
        texts = [f"{limit}"]
        texts += [] if self.batch is None else [f"batch={self.batch}"]
        texts += [] if self.lr is None else [f"lr={self.lr!r}"]
        return f"Grow({', '.join(texts)})"

    def __str__(self) -> str:
        return repr(self)

    @property
    def _limits(self) -> tuple[tuple[Size | None, int], ...]:
        """The limits, with their sizes if there are several."""
        if isinstance(self.limit, int):
            return ((None, self.limit),)
        assert isinstance(self.limit, tuple)  # what _check_limit makes of a mapping
        return self.limit

    def with_batch(self, batch: int) -> Grow:
        """Return the same with the plain batch of a loader.

        Args:
            batch: Images in a batch of the loader.

        Raises:
            ValueError: When ``batch`` is set and differs, or a limit is below it.

        Example:
            >>> Grow(256).with_batch(64)
            Grow(256, batch=64)
        """
        if self.batch is not None and self.batch != batch:
            raise ValueError(
                f"Grow has batch={self.batch}, but the loader's batches have {batch} "
                "images: leave batch out of Grow, or make them equal"
            )
        return Grow(self.limit, batch=batch, lr=self.lr)

    def images_at(
        self, size: int | tuple[int, int], *, full: int | tuple[int, int]
    ) -> int:
        """Return how many images a batch of a size has.

        Args:
            size: Size of the images in pixels, one side or (height, width).
            full: The full size, likewise.

        Raises:
            ValueError: When ``batch`` is not set.

        Example:
            >>> Grow({112: 200, 160: 100}, batch=50).images_at(128, full=224)
            100
        """
        batch, size, full = self.plain_batch(), as_size(size), as_size(full)
        fitting = batch * math.prod(full) // math.prod(size)
        images = min(fitting, self._limit_at(size, batch))
        if batch % _MULTIPLE == 0:
            images -= images % _MULTIPLE
        return max(images, batch)

    def plain_batch(self) -> int:
        """Return ``batch``.

        Raises:
            ValueError: When it is not set.

        Example:
            >>> Grow(256, batch=64).plain_batch()
            64
        """
        if self.batch is None:
            raise ValueError(
                f"{self!r} does not say the batch at full size: add it, as in "
                "Grow(256, batch=64)"
            )
        return self.batch

    def _limit_at(self, size: Size, batch: int) -> int:
        """Return the limit of the smallest listed size that is not smaller."""
        for listed, images in self._limits:
            if listed is None or (
                listed.height >= size.height and listed.width >= size.width
            ):
                return images
        return batch


def _read_grow(value: Any) -> Any:
    """Refuse fields of a file that are no arguments."""
    if not isinstance(value, dict):
        return value
    try:
        return Grow(**value)
    except TypeError as error:
        raise ValueError(f"{error}; its fields are limit, batch and lr") from None


#: A field that may come from a file.
GrowField = Annotated[Grow, BeforeValidator(_read_grow)]


def read_batch(
    samples_per_epoch: int | None, batch_size: int | Grow | None
) -> tuple[int | None, int | None, Grow | None]:
    """Return the samples of an epoch, the plain batch, and how it grows.

    Raises:
        ValueError: When one of them is missing, or not a whole number of at least 1.
    """
    samples = check_whole_number("samples_per_epoch", samples_per_epoch)
    grow: Grow | None = None
    batch: int | None
    if isinstance(batch_size, Grow):
        grow, batch = batch_size, batch_size.plain_batch()
    else:
        batch = check_whole_number("batch_size", batch_size)
    check_both(samples, batch_size)
    return samples, batch, grow
