"""The values that can be set, and where: found by class name, without an import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from upsize.follow._find import is_a

__all__ = ["KINDS", "Kind", "Knob", "attribute", "check_range", "make_knobs"]


class Knob(NamedTuple):
    """A value of an object that can be set.

    Attributes:
        touches: The attributes that it changes, as (owner, name).
        set: Sets a value.
        now: The current value, if the layers of a model may differ.
        below: Exclusive upper limit of the values, if the object has one.
    """

    touches: tuple[tuple[Any, str], ...]
    set: Callable[[float], None]
    now: float | None = None
    below: int | None = None


class Kind(NamedTuple):
    """The meaning of a name of values.

    Attributes:
        find: Yields the knobs of an object, if it has any.
        allowed: The allowed values, in words for the error and as a test.
        what: Objects that have such a value, for the error.
    """

    find: Callable[[Any], Iterator[Knob]]
    allowed: tuple[str, Callable[[float], bool]]
    what: str


def attribute(owner: Any, name: str, *, now: float | None = None) -> Knob:
    """Return a knob that is an attribute."""
    return Knob(((owner, name),), lambda value: setattr(owner, name, value), now)


def _dropout(value: Any) -> Iterator[Knob]:
    if is_a(value, "torch", "_DropoutNd"):
        yield attribute(value, "p", now=value.p)
    # Many models of timm call F.dropout with it instead of having a layer.
    elif _is_model_of_timm(value):
        yield attribute(value, "drop_rate", now=float(value.drop_rate))


def _is_model_of_timm(value: Any) -> bool:
    if not type(value).__module__.startswith("timm.models."):
        return False
    return isinstance(vars(value).get("drop_rate"), int | float)


def _drop_path(value: Any) -> Iterator[Knob]:
    if is_a(value, "torchvision", "StochasticDepth"):
        yield attribute(value, "p", now=value.p)
    # timm's, and those of transformers' models, such as SwinDropPath.
    elif type(value).__name__.endswith("DropPath") and hasattr(value, "drop_prob"):
        yield attribute(value, "drop_prob", now=float(value.drop_prob or 0))


def _rand_augment(value: Any) -> Iterator[Knob]:
    if is_a(value, "torchvision", "RandAugment"):
        yield attribute(value, "magnitude")._replace(below=value.num_magnitude_bins)
    elif is_a(value, "timm", "RandAugment"):
        yield from (attribute(op, "magnitude") for op in value.ops)


class _Off:
    """Replaces a Beta distribution with alpha 0: nothing is mixed."""

    def sample(self, shape: Any = ()) -> Any:
        import torch

        return torch.ones(shape)


def _beta(value: Any, name: str) -> Knob:
    """Return the knob of an object's attribute that is a Beta(alpha, alpha)."""
    before = getattr(value, name).concentration1
    touches = [(value, name)]
    if "alpha" in vars(value):
        touches.append((value, "alpha"))

    def set_alpha(alpha: float) -> None:
        from torch.distributions import Beta

        for _, each in touches[1:]:
            setattr(value, each, alpha)
        both = before.new_full(before.shape, alpha)
        setattr(value, name, Beta(both, both) if alpha else _Off())

    return Knob(tuple(touches), set_alpha)


class _SwitchedOff:
    """False, but set by upsize: a Mixup that the user switched off stays off."""

    def __bool__(self) -> bool:
        return False


_SWITCHED_OFF = _SwitchedOff()


def _alpha_of_timm(value: Any, name: str) -> Knob:
    """Return the knob of timm's Mixup, which must be off while both alphas are 0."""

    def set_alpha(alpha: float) -> None:
        setattr(value, name, alpha)
        if value.mixup_alpha or value.cutmix_alpha:
            if value.mixup_enabled is _SWITCHED_OFF:
                value.mixup_enabled = True
        elif value.mixup_enabled:
            value.mixup_enabled = _SWITCHED_OFF

    return Knob(((value, name), (value, "mixup_enabled")), set_alpha)


def _mixing(cls: str, timm: str) -> Callable[[Any], Iterator[Knob]]:
    def find(value: Any) -> Iterator[Knob]:
        if is_a(value, "torchvision", cls):
            yield _beta(value, "_dist")
        elif is_a(value, "fastai", cls):
            yield _beta(value, "distrib")
        elif is_a(value, "timm", "Mixup"):
            yield _alpha_of_timm(value, timm)

    return find


_SHARE = ("in [0, 1)", lambda value: 0 <= value < 1)
_ALPHA = ("at least 0", lambda value: value >= 0)
_WHOLE = ("a whole number of at least 0", lambda v: isinstance(v, int) and v >= 0)

#: The known names of values.
KINDS: dict[str, Kind] = {
    "dropout": Kind(
        _dropout, _SHARE, "nn.Dropout or a variant, or a timm model with drop_rate"
    ),
    "drop_path": Kind(
        _drop_path, _SHARE, "DropPath (of a model made with drop_path_rate), or "
        "torchvision's StochasticDepth"
    ),
    "randaugment": Kind(_rand_augment, _WHOLE, "RandAugment of torchvision or timm"),
    "mixup": Kind(
        _mixing("MixUp", "mixup_alpha"), _ALPHA,
        "MixUp of torchvision or fastai, or Mixup of timm",
    ),
    "cutmix": Kind(
        _mixing("CutMix", "cutmix_alpha"), _ALPHA,
        "CutMix of torchvision or fastai, or Mixup of timm",
    ),
}  # fmt: skip


def check_range(name: str, ends: tuple[float, float]) -> None:
    """Refuse values outside the range of the attribute."""
    allowed, test = KINDS[name].allowed
    for value in ends:
        if not test(value):
            raise ValueError(f"values[{name!r}] must be {allowed}, not {value!r}")


def make_knobs(name: str, found: list[Knob], ends: tuple[float, float]) -> list[Knob]:
    """Return knobs with which layers keep their ratio to the largest of them.

    Raises:
        ValueError: When all layers are at 0 and have no ratio, or a value is too large.
    """
    for knob in found:
        if knob.below is not None and max(ends) >= knob.below:
            raise ValueError(
                f"values[{name!r}] must be below {knob.below}, the number of "
                f"magnitudes of {knob.touches[0][0]!r}, not {max(ends)}"
            )
    now = [knob.now for knob in found if knob.now is not None]
    if not now:
        return found
    if not max(now):
        raise ValueError(
            f"{name}: all {len(now)} layers are at 0, so their ratio is unknown: make "
            "the model with the values of full size"
        )

    def scaled(knob: Knob) -> Knob:
        ratio = (knob.now or 0) / max(now)
        # A layer without dropout stays without.
        return knob._replace(set=lambda value: knob.set(value * ratio))

    return [scaled(knob) for knob in found]
