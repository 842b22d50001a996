"""Set values on layers and transforms, and put back what was there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from upsize.follow._find import held_by
from upsize.follow._knobs import KINDS, Knob, attribute, check_range, make_knobs
from upsize.follow._values import By, Follow, Values, check_by, check_values
from upsize.schedule import Plan

__all__ = ["Applier"]


class Applier:
    """Sets values of regularisation on models and transforms, by the size of a step.

    Given to a ProgressiveResize as ``follow=``, it is bound to its plan, set at each
    step and restored at the end. As a context manager it is restored whatever happens
    inside.

    Args:
        values: (first, last) for each name, as :class:`Follow` takes them. Known are:

            - "dropout": ``p`` of ``nn.Dropout`` and its like, ``drop_rate`` of models
              of timm. Each layer keeps its ratio to the largest, which gets the value;
              a layer at 0 stays there.
            - "drop_path": ``DropPath`` of timm and transformers, torchvision's
              ``StochasticDepth``; the ratios are kept in the same way.
            - "randaugment": the magnitude of torchvision's and timm's ``RandAugment``.
            - "mixup", "cutmix": alpha of torchvision's ``MixUp`` and ``CutMix``, of
              timm's ``Mixup`` and of fastai's callbacks. At 0 nothing is mixed.
        objects: What they are set on: models, transforms and compositions of them,
            datasets and loaders without workers.
        attributes: Other names, with the object and the attribute that each sets, as
            ``{"erasing": (eraser, "p")}``.
        by: What the values follow, "size" or "stage", as in :class:`Follow`.

    Raises:
        ValueError: For a name that is not known or not found in the objects, an object
            in which nothing is found, values that are not allowed, layers that are all
            at 0, and a loader with worker processes, whose transforms are copies.

    Example:
        >>> from torch import nn
        >>> from upsize.schedule import Ramp
        >>> model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        >>> plan = Ramp(final_size=224, increase_by=56).plan(total_steps=100)
        >>> with Applier({"dropout": (0.1, 0.3)}, model).bind(plan) as follow:
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
        self._follow: Follow | None = None
        self._saved: list[tuple[Any, str, Any]] = []
        self._current: dict[str, float] = {}

    @property
    def current(self) -> dict[str, float]:
        """The values that are set; empty before the first step and once restored."""
        return dict(self._current)

    def bind(self, plan: Plan) -> Self:
        """Follow a plan from now on.

        Args:
            plan: The plan of the run.

        Returns:
            This object.
        """
        self._follow = Follow(plan, self._values, self._by)
        return self

    def set(self, step: int) -> dict[str, float]:
        """Set the values of a step, and return them.

        Args:
            step: Number of the step, from 0.

        Raises:
            ValueError: When there is no plan to follow, or ``step`` is negative.
        """
        if self._follow is None:
            raise ValueError(
                "no plan to follow: give this to a ProgressiveResize as follow=, or "
                "call bind(plan) first"
            )
        values = self._follow.at(step)
        if values != self._current:
            self._save()
            self._current = values
            for name, value in values.items():
                for knob in self._knobs[name]:
                    knob.set(value)
        return dict(values)

    def restore(self) -> None:
        """Put back what was there before the first value was set."""
        while self._saved:
            owner, name, value = self._saved.pop()
            setattr(owner, name, value)
        self._current = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def _save(self) -> None:
        """Note what is there, unless that is done."""
        if not self._saved:
            self._saved = [
                (owner, name, getattr(owner, name))
                for knobs in self._knobs.values()
                for knob in knobs
                for owner, name in knob.touches
            ]


def _find_knobs(
    values: dict[str, tuple[float, float]],
    objects: tuple[Any, ...],
    attributes: dict[str, tuple[Any, str]],
) -> dict[str, list[Knob]]:
    """Return what each name sets."""
    unknown = [name for name in values if name not in KINDS and name not in attributes]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is no name that is known: use one of {', '.join(KINDS)}, or "
            f'say what it sets, as attributes={{"{unknown[0]}": (object, "attribute")}}'
        )
    for name, (owner, attribute_name) in attributes.items():
        if name not in values or not hasattr(owner, attribute_name):
            raise ValueError(
                f"attributes[{name!r}] must name an attribute of an object, for which "
                f"there are values: {type(owner).__name__}.{attribute_name}, and values "
                f"are given for {', '.join(values)}"
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
                "leave it out, or give the object that holds it"
            )
    for name, knobs in found.items():
        if not knobs:
            looked = ", ".join(type(given).__name__ for given in objects) or "nothing"
            raise ValueError(f"{name}: no {KINDS[name].what} was found in {looked}")
    made = {
        name: make_knobs(name, knobs, values[name]) for name, knobs in found.items()
    }
    return made | {name: [attribute(*spot)] for name, spot in attributes.items()}
