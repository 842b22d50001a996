"""The schedules of other systems, size for size; each function returns a schedule.

A preset has the sizes and their moments. If a system also couples other settings to the
size (batch size, learning rate, augmentation), the docstring names them; set them
yourself.
"""

from upsize.schedule.presets._compute import clipa, efficienttrain
from upsize.schedule.presets._growing import composer, fastxtend, ffcv, mosaic
from upsize.schedule.presets._random import yolox
from upsize.schedule.presets._stages import (
    autoprog,
    dawnbench,
    efficientnetv2,
    fastdinov2,
)

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
