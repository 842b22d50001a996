"""Progressive resizing for PyTorch: train on small images first, finish at full size.

A schedule says what grows and when: ``from upsize import Ramp``. The
``ProgressiveResize`` of ``upsize.loop``, ``upsize.lightning``, ``upsize.fastai``,
``upsize.accelerate`` or ``upsize.transformers`` brings it into your training.

* ``upsize.schedule``: when to train at which size, in plain Python
* ``upsize.resize``: resizes a batch with its masks, boxes, keypoints and flow
* ``upsize.loop``: one line in a custom training loop
* ``upsize.loading``: loaders whose workers make small images
* ``upsize.ray``: the same for loaders of Ray Train
* ``upsize.detection``: detectors that resize images themselves
* ``upsize.models``: checks a model at every size, and adapts vision transformers
* ``upsize.follow``: dropout, MixUp and others that grow with the size
* ``upsize.forecast``: measures your training, and predicts what a schedule saves
* ``upsize.plot``: pictures of plans, batches, costs and runs

All but the schedules is imported at its first use, and may need an extra.
"""

# This file is in both source roots, and once in the wheel. Whichever root comes first
# on the path, `extend_path` finds the other half of the package.
import typing as _typing
from pkgutil import extend_path as _extend_path

__path__ = _extend_path(__path__, __name__)

from upsize.schedule import (
    Linear,
    MultiScale,
    Phases,
    Plan,
    Ramp,
    Schedule,
    Size,
    presets,
)

__version__: str
# To a type checker, it would give every misspelt name a type.
if not _typing.TYPE_CHECKING:
    from upsize._face import __getattr__ as __getattr__

__all__ = [
    "Linear",
    "MultiScale",
    "Phases",
    "Plan",
    "Ramp",
    "Schedule",
    "Size",
    "presets",
]
