"""Regularization that follows the size: less on small images, more on large ones.

:class:`ValueSchedule` computes the values for a plan's steps, without torch.
:class:`FollowSize` sets them on dropout layers, stochastic depth, RandAugment, MixUp
and CutMix, and restores the values from before. Every ProgressiveResize takes one as
``follow=``.
"""

from upsize.follow._follow_size import FollowSize
from upsize.follow._values import ValueSchedule

__all__ = ["FollowSize", "ValueSchedule"]
