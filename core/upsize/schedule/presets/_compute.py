"""Presets of stages that last in proportion to their compute or their samples."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from upsize.schedule._fields import choose
from upsize.schedule._phases import Phases

__all__ = ["clipa", "efficienttrain"]

_EFFICIENTTRAIN = {
    "deit": (96, 96, 160, 160, 160, 160, 192, 192, 224, 224),
    "swin": (96, 96, 160, 160, 160, 160, 224, 224, 224, 224),
}
# Samples of a stage at each size.
_CLIPA_FIRST = dict.fromkeys((70, 84), 1_281_167 * 10_000)
_CLIPA_LATER = {224: 4 * 131_072_000, 336: 131_072_000}


def _by_length(lengths: Mapping[int, Fraction | int], **fields: Any) -> Phases:
    """Return stages of {size: length}, whose moments are exact shares of the whole."""
    total, done, phases = sum(lengths.values()), Fraction(0), []
    for size, length in lengths.items():
        share = done / total
        phases.append((f"{share.numerator}/{share.denominator}", size))
        done += length
    return Phases(phases=tuple(phases), **fields)


def efficienttrain(model: Literal["deit", "swin"] = "deit") -> Phases:
    """Return EfficientTrain++'s ten stages of equal compute, up to 224 pixels.

    Args:
        model: ``"deit"`` (96, 160, 192, 224) or ``"swin"`` (96, 160, 224).

    Raises:
        ValueError: For another model.

    Note:
        Stage i lasts in proportion to (224 / s_i)^2 and uses RandAugment of magnitude
        i. The published runs shrink images by a low-frequency crop, not by resizing.
        Source: EfficientTrain, _ET_pp_main_deitS.py and _ET_pp_main_swinT.py.

    Example:
        >>> plan = efficienttrain("swin").plan(total_steps=1000)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 480 96x96
        480 825 160x160
        825 1000 224x224
    """
    lengths: dict[int, Fraction] = {}
    for side in choose("model", model, _EFFICIENTTRAIN):
        lengths[side] = lengths.get(side, Fraction(0)) + Fraction(224, side) ** 2
    return _by_length(lengths)


def clipa(initial_size: Literal[70, 84] = 84, *, final_size: int = 224) -> Phases:
    """Return the stages of CLIPA-v2 for CLIP with ViT-H/14: 84, 224 and 336 pixels.

    Args:
        initial_size: Pixels of the first stage, which sees 12.8 billion samples: 84,
            or 70 of the cheaper recipe.
        final_size: 224, reached after 96 % of the samples; or 336, for one more stage.

    Raises:
        ValueError: For other sizes.

    Note:
        The shares are those of the samples, and of the steps if the batch is constant.
        The published stages have batches of 65536, 32768 and 16384; learning rates of
        8e-6, 4e-7 and 1e-7 per 256 samples, each warmed up (in the later stages over
        26,214,400 samples) and with a cosine to 0; 8 tokens of text, then 32; and hide
        0, 30 and 40 % of the patches. :class:`~upsize.schedule.Grow` makes batches of
        small images larger, :mod:`upsize.follow` sets an attribute such as the share of
        hidden patches by the size, and a learning rate of your own can ask
        :meth:`~upsize.schedule.Plan.size_at`. Source: Li et al., arXiv 2306.15658, and
        CLIPA, clipa_jax/configs/model_h.

    Example:
        >>> plan = clipa(final_size=336).plan(total_steps=10_000)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 9514 84x84
        9514 9903 224x224
        9903 10000 336x336
    """
    samples: dict[int, int] = {
        initial_size: choose("initial_size", initial_size, _CLIPA_FIRST)
    }
    choose("final_size", final_size, _CLIPA_LATER)
    samples |= {size: n for size, n in _CLIPA_LATER.items() if size <= final_size}
    return _by_length(samples, final_size=final_size, multiple_of=14)
