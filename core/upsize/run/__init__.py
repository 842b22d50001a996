"""One training run, which every way of training drives."""

from upsize._extras import require

require("torch", "torch", "Training runs")

from upsize.run._counter import BatchCounter
from upsize.run._options import Options
from upsize.run._position import Counter, Position
from upsize.run._training_run import TrainingRun

__all__ = ["BatchCounter", "Counter", "Options", "Position", "TrainingRun"]
