"""The schedules of other systems, size for size; each function returns a schedule.

A preset has the sizes and their moments. If a system also couples other settings to the
size (batch size, learning rate, augmentation), the docstring names them; set them
yourself.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, cast

from upsize.schedule._linear import Linear
from upsize.schedule._moment import IncreaseMode
from upsize.schedule._multiscale import MultiScale
from upsize.schedule._phases import Phases
from upsize.schedule._pretraining import clipa
from upsize.schedule._ramp import Ramp
from upsize.schedule._shown import shown
from upsize.schedule._size import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "autoprog",
    "clipa",
    "composer",
    "dawnbench",
    "efficientnetv2",
    "efficienttrain",
    "fastdinov2",
    "fastxtend",
    "ffcv",
    "mosaic",
    "yolox",
]

_FFCV_RAMPS = {
    16: (11, 13),
    24: (17, 20),
    32: (23, 27),
    40: (29, 34),
    56: (41, 48),
    88: (65, 76),
}
_EFFICIENTNETV2 = {"s": 300, "m": 384, "l": 384, "b0": 192}
_DAWNBENCH = {
    1: ((0, 128), (14, 224), (32, 288)),
    4: ((0, 128), (13, 224), (28, 288)),
    8: ((0, 128), (14, 224), (29, 288)),
    16: ((0, 128), (16, 224), (37, 288)),
}
_EFFICIENTTRAIN = {
    "deit": (96, 96, 160, 160, 160, 160, 192, 192, 224, 224),
    "swin": (96, 96, 160, 160, 160, 160, 224, 224, 224, 224),
}
_MOSAIC = {"mild": (0.5, 0.4), "medium": (0.5, 0.4), "hot": (0.6, 0.2)}


def _choose(name: str, value: Any, options: Mapping[Any, Any]) -> Any:
    """Look up an argument, or raise with the allowed values."""
    if value not in options:
        raise ValueError(f"{name} must be one of {list(options)}, not {shown(value)}")
    return options[value]


def fastxtend(**ramp: Any) -> Ramp:
    """Return fastxtend's ``ProgressiveResize``: half size, then 4 px a step.

    Args:
        **ramp: Fields of :class:`Ramp`, whose names and defaults are fastxtend's;
            ``increase_mode="epoch"`` for its other mode.

    Note:
        Source: fastxtend 0.1.7, callback/progresize.

    Example:
        >>> plan = fastxtend(final_size=224).plan(epochs=20, steps_per_epoch=147)
        >>> len(plan.sizes), round(1 - plan.pixel_share, 3)
        (29, 0.48)
    """
    return Ramp(**ramp)


def composer(
    initial_scale: float = 0.5,
    delay_fraction: float = 0.5,
    finetune_fraction: float = 0.2,
    size_increment: int = 4,
    *,
    final_size: int | tuple[int, int] | None = None,
    increase_mode: Literal["batch", "epoch"] = "batch",
) -> Linear:
    """Return MosaicML Composer's ``ProgressiveResizing``, with its parameters.

    Args:
        initial_scale: First size as a share of the full one, in (0, 1].
        delay_fraction: Share of training before growth begins.
        finetune_fraction: Share of training at full size at the end.
        size_increment: Every size is a multiple of this. A ``final_size`` that is not a
            multiple is refused (Composer itself ends at 224 for images of 225).
        final_size: Full size in pixels; ``None``: given to ``plan()``.
        increase_mode: ``"batch"``: like a ``max_duration`` in batches or samples;
            ``"epoch"``: like one in epochs, where Composer counts whole epochs.

    Note:
        Size = m round(W (i + (1 - i) f) / m), f = clip((t - delay) / (1 - finetune -
        delay), 0, 1). Source: Composer, algorithms/progressive_resizing. It leaves the
        batch size and the learning rate alone.

    Example:
        >>> plan = composer(final_size=224).plan(total_steps=1000)
        >>> print(plan.size_at(500), plan.size_at(650), plan.size_at(800))
        112x112 168x168 224x224
    """
    return Linear(
        initial_size=float(initial_scale),
        final_size=final_size,
        start=float(delay_fraction),
        finish=float(1 - Fraction(str(finetune_fraction))),
        multiple_of=size_increment,
        increase_mode=cast(IncreaseMode, increase_mode),
    )


def mosaic(
    recipe: Literal["mild", "medium", "hot"] = "mild", *, final_size: int = 176
) -> Linear:
    """Return the progressive resizing of Mosaic's published ResNet-50 recipes.

    Args:
        recipe: ``"mild"`` and ``"medium"`` grow from one half between 40 % and 80 % of
            training, ``"hot"`` from 0.6 between 20 % and 80 %.
        final_size: The recipes train at 176 and evaluate at 224.

    Raises:
        ValueError: For an unknown recipe.

    Note:
        The recipes also use FixRes, BlurPool, channels_last and more. Source: Composer,
        examples/resnet_imagenet and benchmarks/blogs/resnet/recipes.

    Example:
        >>> plan = mosaic("hot").plan(total_steps=1000)
        >>> round(1 - plan.pixel_share, 3)
        0.338
    """
    initial_scale, delay_fraction = _choose("recipe", recipe, _MOSAIC)
    return composer(initial_scale, delay_fraction, final_size=final_size)


def ffcv(
    epochs: int | None = None,
    *,
    min_res: int = 160,
    max_res: int = 192,
    start_ramp: int | None = None,
    end_ramp: int | None = None,
) -> Linear:
    """Return the resolution ramp of FFCV's ImageNet trainer, in multiples of 32.

    Args:
        epochs: One of FFCV's published lengths (16, 24, 32, 40, 56 or 88), which sets
            the ramp; ``None``: ``start_ramp`` and ``end_ramp`` set it.
        min_res: First size in pixels, a multiple of 32.
        max_res: Last size in pixels, a multiple of 32.
        start_ramp: Last epoch, from 0, at ``min_res``.
        end_ramp: First epoch at ``max_res``.

    Raises:
        ValueError: For another length, and when the ramp is given twice or not at all.

    Note:
        Between the two epochs the size is interpolated and rounded, and a half to the
        even multiple. FFCV evaluates at 256 pixels. Source: ffcv-imagenet,
        train_imagenet.py, get_resolution, and rn50_configs.

    Example:
        >>> plan = ffcv(epochs=16).plan(epochs=16, steps_per_epoch=100)
        >>> print(plan.size_at(1199), plan.size_at(1200), plan.size_at(1300))
        160x160 192x192 192x192
    """
    if epochs is not None:
        if start_ramp is not None or end_ramp is not None:
            raise ValueError(
                f"epochs={epochs} already sets the ramp: leave out start_ramp and "
                "end_ramp, or epochs"
            )
        start_ramp, end_ramp = _choose("epochs", epochs, _FFCV_RAMPS)
    if start_ramp is None or end_ramp is None:
        raise ValueError(
            f"the ramp is missing: give epochs, one of {list(_FFCV_RAMPS)}, or "
            "start_ramp and end_ramp"
        )
    if start_ramp == end_ramp:
        # FFCV tests `epoch <= start_ramp` first: the jump comes an epoch later.
        start_ramp = end_ramp = end_ramp + 1
    return Linear(
        initial_size=min_res,
        final_size=max_res,
        start=start_ramp,
        finish=end_ramp,
        multiple_of=32,
        increase_mode=IncreaseMode.Epoch,
    )


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
    final = _choose("variant", variant, _EFFICIENTNETV2)
    if final_size is not None:
        final = whole_number(final_size)
    if final < 128:
        raise ValueError(f"final_size must be at least 128, not {final}")
    sizes = [128 + (final - 128) * (k + 1) // 4 for k in range(4)]
    return Phases(phases=tuple(zip((0.0, 0.25, 0.5, 0.75), sizes, strict=True)))


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
    return Phases(phases=_choose("machines", machines, _DAWNBENCH))


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
    sizes = _choose("model", model, _EFFICIENTTRAIN)
    lengths = [Fraction(224, side) ** 2 for side in sizes]
    ends = list(accumulate(lengths))
    begins: dict[int, Fraction] = {}
    for side, end, length in zip(sizes, ends, lengths, strict=True):
        begins.setdefault(side, (end - length) / ends[-1])
    return Phases(
        phases=tuple(
            (f"{share.numerator}/{share.denominator}", side)
            for side, share in begins.items()
        )
    )


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
    final = whole_number(final_size)
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
    final = whole_number(final_size)
    sizes = []
    for k in range(4):
        exact = final * (Fraction(1, 2) + Fraction(k, 6))
        side = max(32, int(exact + 16) // 32 * 32)
        sizes.append(side + 32 if side < exact * 9 / 10 else side)
    shares = (0.0, 0.25, 0.5, 0.75)
    return Phases(
        phases=tuple(zip(shares, sizes, strict=True)),
        final_size=final,
        multiple_of=32,
        increase_mode=IncreaseMode.Epoch,
    )


def yolox(
    input_size: int = 640, *, multiscale_range: int = 5, seed: int = 0
) -> MultiScale:
    """Return YOLOX's multi-scale training: random multiples of 32, every 10 steps.

    Args:
        input_size: Size of the first ten steps in pixels, a multiple of 32.
        multiscale_range: How many multiples of 32 a size may be above or below
            ``input_size``; must be below ``input_size / 32``.
        seed: Seed of the draws.

    Raises:
        ValueError: When a size is not a multiple of 32, or below 32.

    Note:
        The full size is the largest one, 800 pixels for 640: images are loaded at that
        size, while YOLOX enlarges them. YOLOX draws in one process from Python's random
        state and broadcasts the size; here the draws come from the seed. They continue
        to the end, also in the 15 epochs without mosaic and mixup. Source: YOLOX,
        exp/yolox_base.py, random_resize, and core/trainer.py, after_iter.

    Example:
        >>> plan = yolox().plan(epochs=300, steps_per_epoch=100)
        >>> for start, stop, size in plan.stages:
        ...     print(start, stop, size)
        0 10 640x640
        10 30000 480x480 to 800x800
    """
    first, reach = whole_number(input_size), whole_number(multiscale_range)
    if first % 32 or first <= 32 * reach:
        raise ValueError(
            "input_size must be a multiple of 32 and larger than multiscale_range * 32 "
            f"pixels, not {first} with multiscale_range={reach}"
        )
    low, high = first - 32 * reach, first + 32 * reach
    return MultiScale(
        sizes=tuple(range(low, high + 1, 32)),
        every=10,
        seed=seed,
        before=Phases(phases=((0, first),)),
        start="10st",
        final_size=high,
        multiple_of=32,
    )
