"""Set values on layers and transforms by the size of the step, and restore them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from upsize.follow._find import held_by
from upsize.follow._knobs import KINDS, Knob, attribute, check_range, make_knobs
from upsize.follow._values import By, Values, ValueSchedule, check_by, check_values
from upsize.schedule import Plan

__all__ = ["FollowSize"]


class FollowSize:
    """Lets regularization of models and transforms follow the size of the images.

    Give it to a ProgressiveResize as ``follow=``, which binds it to its plan, sets the
    values at each step and restores them at the end. As a context manager it restores
    them whatever happens inside.

    Args:
        values: (first, last) for each name, see :class:`ValueSchedule`. Known names:

            - "dropout": ``p`` of ``nn.Dropout`` and its variants, ``drop_rate`` of
              timm's models. The layer with the most dropout gets the value, and the
              others keep their ratio to it; a layer at 0 stays at 0.
            - "drop_path": ``DropPath`` of timm and transformers, torchvision's
              ``StochasticDepth``; layers keep their ratios as well.
            - "randaugment": the magnitude of torchvision's and timm's ``RandAugment``.
            - "mixup", "cutmix": alpha of torchvision's ``MixUp`` and ``CutMix``, of
              timm's ``Mixup`` and of fastai's callbacks. At 0 nothing is mixed.
        objects: Where to set the values: models, transforms and compositions of
            transforms, datasets, and loaders without workers.
        attributes: Your own names, with the object and the attribute that each sets,
            such as ``{"erasing": (eraser, "p")}``.
        by: What the values follow, "size" or "stage", as in :class:`ValueSchedule`.

    Raises:
        ValueError: For an unknown name, a name that is not found in the objects, an
            object in which nothing is found, values out of range, layers that are all
            at 0, and a loader with worker processes, whose transforms are copies.

    Example:
        >>> from torch import nn
        >>> from upsize.schedule import Ramp
        >>> model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        >>> plan = Ramp(final_size=224, increase_by=56).plan(total_steps=100)
        >>> with FollowSize({"dropout": (0.1, 0.3)}, model).bind(plan) as follow:
        ...     for step in (0, 50, 75):
        ...         print(follow.set(step), model[1].p)
        {'dropout': 0.1} 0.1
        {'dropout': 0.2} 0.2
        {'dropout': 0.3} 0.3
        >>> model[1].p
        0.5
    """

    def __init__(
        self,
        values: Values,
        *objects: Any,
        attributes: Mapping[str, tuple[Any, str]] | None = None,
        by: By = "size",
    ) -> None:
        check_by(by)
        self._by: By = by
        self._values = check_values(values)
        self._knobs = _find_knobs(self._values, objects, dict(attributes or {}))
        # Imported here, so that the values of a plan need no torch.
        from upsize.run._restoring import Restoring

        self._schedule: ValueSchedule | None = None
        self._changes = Restoring()
        self._current: dict[str, float] = {}

    @property
    def current(self) -> dict[str, float]:
        """The current values; empty before the first step and after the restore."""
        return dict(self._current)

    def bind(self, plan: Plan) -> Self:
        """Follow a plan.

        Args:
            plan: The plan of the run.

        Returns:
            This object.
        """
        self._schedule = ValueSchedule(plan, self._values, self._by)
        return self

    def set(self, step: int) -> dict[str, float]:
        """Set the values of a step, and return them.

        Args:
            step: Number of the step, from 0.

        Raises:
            ValueError: When no plan is bound, or ``step`` is negative.
        """
        if self._schedule is None:
            raise ValueError(
                "there is no plan to follow: give this to a ProgressiveResize as "
                "follow=, or call bind(plan) first"
            )
        values = self._schedule.at(step)
        if values != self._current:
            if not self._current:
                self._save()
            self._current = values
            for name, value in values.items():
                for knob in self._knobs[name]:
                    knob.set(value)
        return dict(values)

    def restore(self) -> None:
        """Restore the values from before the first one was set."""
        self._current = {}
        self._changes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def _save(self) -> None:
        """Record the current values."""
        for knobs in self._knobs.values():
            for knob in knobs:
                for owner, name in knob.touches:
                    self._changes.save(owner, name)


def _find_knobs(
    values: dict[str, tuple[float, float]],
    objects: tuple[Any, ...],
    attributes: dict[str, tuple[Any, str]],
) -> dict[str, list[Knob]]:
    """Return the knobs to set for each name."""
    unknown = [name for name in values if name not in KINDS and name not in attributes]
    if unknown:
        raise ValueError(
            f"unknown name {unknown[0]!r}: use one of {', '.join(KINDS)}, or "
            f'define it by attributes={{"{unknown[0]}": (object, "attribute")}}'
        )
    for name, (owner, attribute_name) in attributes.items():
        if name not in values or not hasattr(owner, attribute_name):
            raise ValueError(
                f"attributes[{name!r}] must name an attribute that exists, and have "
                f"values, not {type(owner).__name__}.{attribute_name} with values for "
                f"{', '.join(values)}"
            )
    known = [name for name in values if name not in attributes]
    for name in known:
        check_range(name, values[name])
    found: dict[str, list[Knob]] = {name: [] for name in known}
    seen: set[int] = set()
    for given in objects:
        before = sum(map(len, found.values()))
        held = list(held_by(given))
        for each in held:
            if id(each) not in seen:
                seen.add(id(each))
                for name in known:
                    found[name] += KINDS[name].find(each)
        if sum(map(len, found.values())) == before:
            raise ValueError(
                f"nothing in {type(given).__name__} is set by {', '.join(values)}: "
                "leave it out, or give the object that holds the layers or transforms"
            )
    for name, knobs in found.items():
        if not knobs:
            looked = ", ".join(type(given).__name__ for given in objects) or "nothing"
            raise ValueError(f"{name}: no {KINDS[name].what} was found in {looked}")
    made = {
        name: make_knobs(name, knobs, values[name]) for name, knobs in found.items()
    }
    return made | {name: [attribute(*spot)] for name, spot in attributes.items()}
