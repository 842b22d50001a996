"""Presets of a few stages, from published moments on."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

from upsize.schedule._fields import choose
from upsize.schedule._moment import IncreaseMode
from upsize.schedule._phases import Phases
from upsize.schedule._size import require_whole_number

__all__ = [
    "EFFICIENTNETV2",
    "autoprog",
    "dawnbench",
    "efficientnetv2",
    "fastdinov2",
]

#: Of each variant: the final size.
EFFICIENTNETV2: dict[Any, int] = {"s": 300, "m": 384, "l": 384, "b0": 192}
#: Of each number of machines: the first epoch and the size of the stages.
_DAWNBENCH = {
    1: ((0, 128), (14, 224), (32, 288)),
    4: ((0, 128), (13, 224), (28, 288)),
    8: ((0, 128), (14, 224), (29, 288)),
    16: ((0, 128), (16, 224), (37, 288)),
}
_QUARTERS = (0.0, 0.25, 0.5, 0.75)


def efficientnetv2(
    variant: Literal["s", "m", "l", "b0"] = "s", *, final_size: int | None = None
) -> Phases:
    """Return the four equal stages of EfficientNetV2's progressive learning.

    Args:
        variant: Sets the final size: 300 (s), 384 (m, l) or 192 (b0).
        final_size: Another final size W in pixels, at least 128.

    Raises:
        ValueError: For an unknown variant or a size below 128.

    Note:
        Stage k of 0..3 trains at int(128 + (W - 128) (k + 1) / 4). The paper raises
        regularization with the size: RandAugment from 5 to 10 (s), 15 (m) or 20 (l),
        mixup and CutMix alpha from 0 to 0 (s), 0.2 (m) or 0.5 (l), dropout from 0.1 to
        0.3 to 0.5. Source: google/automl, efficientnetv2, main.py and
        effnetv2_configs.py.

    Example:
        >>> [str(size) for size in efficientnetv2("m").plan(total_steps=100).sizes]
        ['192x192', '256x256', '320x320', '384x384']
    """
    final = choose("variant", variant, EFFICIENTNETV2)
    if final_size is not None:
        final = require_whole_number("final_size", final_size)
    if final < 128:
        raise ValueError(f"final_size must be at least 128, not {final}")
    sizes = [128 + (final - 128) * (k + 1) // 4 for k in range(4)]
    return Phases(phases=tuple(zip(_QUARTERS, sizes, strict=True)))


def dawnbench(machines: Literal[1, 4, 8, 16] = 1) -> Phases:
    """Return fast.ai's DAWNBench ImageNet phases: 128, 224, then 288 pixels.

    Args:
        machines: Number of 8-GPU machines: 1 (35 epochs), 4 (30), 8 (35) or 16 (50).

    Raises:
        ValueError: For another number.

    Note:
        Batch size, learning rate and the minimum scale of the random crop change with
        the size (one machine: 512, 224 and 128 images per GPU; rectangular
        validation from 288). Source: imagenet18, train.py.

    Example:
        >>> plan = dawnbench(machines=4).plan(epochs=30, steps_per_epoch=100)
        >>> print(plan.size_at(1299), plan.size_at(1300), plan.size_at(2800))
        128x128 224x224 288x288
    """
    return Phases(phases=choose("machines", machines, _DAWNBENCH))


def fastdinov2(final_size: int = 224) -> Phases:
    """Return FastDINOv2's two stages: half size for three quarters of training.

    Its multi-crop has global crops of 112 and local ones of 48 pixels, then of 224 and
    96. Where a batch holds both, each keeps its own share:
    :class:`~upsize.resize.Resizer` finds local crops by their key or in their list, and
    sized loaders set the size of both.

    Args:
        final_size: Full size of the global crops in pixels, a multiple of 2.

    Raises:
        ValueError: When it is not a multiple of 2.

    Note:
        Images are shrunk with bicubic interpolation: ``Resizer(mode="bicubic")``. The
        second stage also replaces patches by Gaussian noise; the noise's share can
        follow the size, see :mod:`upsize.follow`. Source: Zhang et al., "FastDINOv2",
        arXiv 2507.03779, figure 1 and its section on the method.

    Example:
        >>> plan = fastdinov2().plan(epochs=200, steps_per_epoch=100)
        >>> print(plan.summary())
        112x112 until epoch 150, then 224x224
        >>> round(1 - plan.pixel_share, 4)
        0.5625
    """
    final = require_whole_number("final_size", final_size)
    return Phases(
        phases=((0.0, final // 2), (0.75, final)), final_size=final, multiple_of=2
    )


def autoprog(final_size: int = 224) -> Phases:
    """Return the four hand-made stages of AutoProg, in multiples of 32.

    Args:
        final_size: Full size W in pixels, a multiple of 32.

    Raises:
        ValueError: When it is not a multiple of 32.

    Note:
        Stage k of 0..3 begins before epoch int(k E / 4) and trains at W (1/2 + k / 6)
        rounded to a multiple of 32, up where that would lose more than a tenth.
        AutoProg grows the depth of the network and its augmentation alongside.
        Source: AutoProg, prog/progressive.py.

    Example:
        >>> [str(size) for size in autoprog(224).plan(
        ...     epochs=100, steps_per_epoch=10).sizes]
        ['128x128', '160x160', '192x192', '224x224']
    """
    final = require_whole_number("final_size", final_size)
    sizes = []
    for k in range(4):
        exact = final * (Fraction(1, 2) + Fraction(k, 6))
        side = max(32, int(exact + 16) // 32 * 32)
        sizes.append(side + 32 if side < exact * 9 / 10 else side)
    return Phases(
        phases=tuple(zip(_QUARTERS, sizes, strict=True)),
        final_size=final,
        multiple_of=32,
        increase_mode=IncreaseMode.Epoch,
    )
