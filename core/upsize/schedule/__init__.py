"""When to train at which size: pure Python, step counts in, sizes out.

A schedule (:class:`Ramp`, :class:`Linear`, :class:`Phases`, :class:`MultiScale`, or
your own :class:`Schedule`) says what grows and when, for a run of any length; its
``plan()`` binds it to a run and returns a :class:`Plan`, plain data whose
``size_at(step)`` is a pure function. Imports neither torch nor NumPy.
"""

from upsize.schedule import presets
from upsize.schedule._base import Schedule
from upsize.schedule._files import dump, load
from upsize.schedule._finish import finish_hint
from upsize.schedule._grow import Grow
from upsize.schedule._linear import Linear
from upsize.schedule._moment import IncreaseMode
from upsize.schedule._multiscale import MultiScale
from upsize.schedule._phases import Phases
from upsize.schedule._plan import Plan
from upsize.schedule._ramp import Ramp
from upsize.schedule._random_size import RandomSize
from upsize.schedule._run import RunLength
from upsize.schedule._size import Size
from upsize.schedule._stage import Stage

__all__ = [
    "Grow",
    "IncreaseMode",
    "Linear",
    "MultiScale",
    "Phases",
    "Plan",
    "Ramp",
    "RandomSize",
    "RunLength",
    "Schedule",
    "Size",
    "Stage",
    "dump",
    "finish_hint",
    "load",
    "presets",
]
