"""The presets by name, with the length and the size of their published runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from upsize.cli._named import is_named
from upsize.cli._values import meant
from upsize.schedule import Schedule, presets
from upsize.schedule._shown import shown
from upsize.schedule.presets._growing import FFCV
from upsize.schedule.presets._stages import EFFICIENTNETV2

__all__ = [
    "PRESETS",
    "Preset",
    "find",
    "is_preset",
    "preset_names",
    "preset_table",
    "presets_as_json",
]


class Preset(NamedTuple):
    """A preset as the command knows it.

    Args:
        about: A line that describes it.
        make: Makes the schedule; called with ``final_size`` if ``size`` is given, and
            with the fields of a ramp if ``is_ramp``.
        epochs: Length of the published run; ``None``: unpublished.
        size: Default of the final size; ``None``: the preset's sizes are fixed.
        is_ramp: Whether the options of a ramp apply.
    """

    about: str
    make: Callable[..., Schedule]
    epochs: int | None = None
    size: int | None = None
    is_ramp: bool = False

    def build(
        self, size: int | tuple[int, int] | None, ramp: dict[str, Any]
    ) -> Schedule:
        """Make the schedule; ``plan()`` refuses a size that it does not take."""
        if self.size is None:
            return self.make()
        return self.make(final_size=size or self.size, **ramp)


_EFFICIENTTRAIN: dict[Any, str] = {"deit": "DeiT", "swin": "Swin"}
#: Epochs of the published runs.
_MOSAIC: dict[Any, int] = {"mild": 36, "medium": 135, "hot": 270}
_DAWNBENCH: dict[Any, int] = {1: 35, 4: 30, 8: 35, 16: 50}

PRESETS: dict[str, Preset] = {
    "fastxtend": Preset(
        "fastxtend: half size until the middle, then by 4 pixels to 3/4",
        presets.fastxtend,
        20,
        size=224,
        is_ramp=True,
    ),
    "fastxtend-epoch": Preset(
        "fastxtend, resizing only before an epoch",
        partial(presets.fastxtend, increase_mode="epoch"),
        20,
        size=224,
        is_ramp=True,
    ),
    "composer": Preset(
        "MosaicML Composer: linear from half size, 50 % to 80 % of training",
        presets.composer,
        size=224,
    ),
    **{
        f"mosaic-{recipe}": Preset(
            f"Mosaic's {recipe} ResNet-50 recipe, for ImageNet at 176 pixels",
            partial(presets.mosaic, recipe),
            epochs,
            size=176,
        )
        for recipe, epochs in _MOSAIC.items()
    },
    **{
        f"ffcv-{epochs}": Preset(
            f"FFCV's ResNet-50 in {epochs} epochs: 160 to 192 pixels",
            partial(presets.ffcv, epochs),
            epochs,
        )
        for epochs in FFCV
    },
    **{
        f"efficientnetv2-{variant}": Preset(
            f"EfficientNetV2-{variant.upper()}: four equal stages",
            partial(presets.efficientnetv2, variant),
            350,
            size=size,
        )
        for variant, size in EFFICIENTNETV2.items()
    },
    **{
        f"dawnbench-{machines}": Preset(
            f"fast.ai's DAWNBench ImageNet, {8 * machines} GPUs: 128, 224, 288 pixels",
            partial(presets.dawnbench, machines),
            epochs,
        )
        for machines, epochs in _DAWNBENCH.items()
    },
    **{
        f"efficienttrain-{model}": Preset(
            f"EfficientTrain++ of {name}: stages of equal compute",
            partial(presets.efficienttrain, model),
        )
        for model, name in _EFFICIENTTRAIN.items()
    },
    **{
        f"clipa-{initial}": Preset(
            f"CLIPA-v2 of ViT-H/14: {initial} pixels, 224 for the last 4 % of samples",
            partial(presets.clipa, initial),
            size=224,
        )
        for initial in (84, 70)
    },
    "fastdinov2": Preset(
        "FastDINOv2: half size for three quarters of training",
        presets.fastdinov2,
        size=224,
    ),
    "autoprog": Preset(
        "AutoProg's four stages made by hand, in multiples of 32",
        presets.autoprog,
        size=224,
    ),
    "yolox": Preset(
        "YOLOX: random multiples of 32 from 480 to 800 pixels, every 10 steps",
        presets.yolox,
        300,
    ),
}


def find(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        ValueError: For an unknown name; lists all names.
    """
    if name not in PRESETS:
        raise ValueError(
            f"unknown preset {shown(name)}{meant(name, PRESETS)}; the presets are "
            f"{', '.join(PRESETS)}"
        )
    return PRESETS[name]


def preset_names() -> list[str]:
    """Return the names of the presets, to complete them in the shell."""
    return list(PRESETS)


def is_preset(text: str, option: str = "--schedule") -> bool:
    """Return whether a preset is named, and not a file or a module.

    Args:
        text: What the user has given to the option.
        option: The option, for the error.

    Raises:
        ValueError: For what is neither a preset nor looks like a file or a module.

    Example:
        >>> is_preset("ffcv-16"), is_preset("my.yaml"), is_preset("train:Mine")
        (True, False, False)
    """
    if text in PRESETS or Path(text).suffix or is_named(text) or Path(text).exists():
        return text in PRESETS
    raise ValueError(
        f"{option} must be a preset, see upsize plan --list, a .json, .yaml or .toml "
        f"file, or MODULE:NAME of a schedule of your own, not {shown(text)}"
        + meant(text, PRESETS)
    )


def preset_table() -> Table:
    """Return a row for each preset."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("preset", no_wrap=True)
    table.add_column("epochs", justify="right")
    table.add_column("what it is")
    for name, preset in PRESETS.items():
        table.add_row(name, str(preset.epochs or "-"), preset.about)
    return table


def presets_as_json() -> str:
    """Return what the table shows, and the default size of each preset that has one."""
    rows = {
        name: {"epochs": preset.epochs, "size": preset.size, "about": preset.about}
        for name, preset in PRESETS.items()
    }
    return json.dumps(rows, indent=2)
