"""Presets of pre-training in stages, which other projects run one after the other."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from upsize.schedule._phases import Phases
from upsize.schedule._shown import shown

__all__ = ["clipa"]

# Samples of a stage at each size.
_FIRST = 1_281_167 * 10_000
_LATER = {224: 4 * 131_072_000, 336: 131_072_000}
_SIZES = (70, 84)


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
    if initial_size not in _SIZES:
        raise ValueError(
            f"initial_size must be one of {list(_SIZES)}, not {shown(initial_size)}"
        )
    if final_size not in list(_LATER):
        raise ValueError(
            f"final_size must be one of {list(_LATER)}, not {shown(final_size)}"
        )
    stages = {initial_size: _FIRST} | {
        size: samples for size, samples in _LATER.items() if size <= final_size
    }
    total, done = sum(stages.values()), 0
    phases = []
    for size, samples in stages.items():
        share = Fraction(done, total)
        phases.append((f"{share.numerator}/{share.denominator}", size))
        done += samples
    return Phases(phases=tuple(phases), final_size=final_size, multiple_of=14)
