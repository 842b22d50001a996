"""When to train at which size: pure Python, step counts in, sizes out.

A schedule (:class:`Ramp`, :class:`Linear`, :class:`Phases`, :class:`MultiScale`) says
what grows and when, without knowing how long training is; its ``plan()`` binds it to a
run and gives a :class:`Plan`, whose ``size_at(step)`` is a pure function. Imports
neither torch nor NumPy.
"""

from upsize.schedule import presets
from upsize.schedule._base import IncreaseMode, Stage
from upsize.schedule._files import dump, load
from upsize.schedule._linear import Linear
from upsize.schedule._multiscale import MultiScale
from upsize.schedule._phases import Phases
from upsize.schedule._plan import Plan, Schedule
from upsize.schedule._ramp import Ramp
from upsize.schedule._random_size import RandomSize
from upsize.schedule._size import Size

__all__ = [
    "IncreaseMode",
    "Linear",
    "MultiScale",
    "Phases",
    "Plan",
    "Ramp",
    "RandomSize",
    "Schedule",
    "Size",
    "Stage",
    "dump",
    "load",
    "presets",
]
