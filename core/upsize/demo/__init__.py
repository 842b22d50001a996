"""The demo: a small network trained from scratch, at full size and progressively.

``upsize demo`` is its command. Needs the extra ``demo``.
"""

from __future__ import annotations

from upsize.demo._data import Data, Labelled, load_cells, load_folder
from upsize.demo._model import small_resnet
from upsize.demo._plans import affordable_epochs, default_schedule, steps_per_epoch
from upsize.demo._report import Result, notes, picture, results_table
from upsize.demo._run import Epoch, Training, in_turn, train

__all__ = [
    "Data",
    "Epoch",
    "Labelled",
    "Result",
    "Training",
    "affordable_epochs",
    "default_schedule",
    "in_turn",
    "load_cells",
    "load_folder",
    "notes",
    "picture",
    "results_table",
    "small_resnet",
    "steps_per_epoch",
    "train",
]
