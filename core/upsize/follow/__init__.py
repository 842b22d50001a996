"""Regularisation that follows the size: less on small images, all of it on large ones.

:class:`Follow` gives the values of a plan's steps, without torch; :class:`Applier` sets
them on dropout layers, stochastic depth, RandAugment, MixUp and CutMix, and puts back
what was there. Every ProgressiveResize takes one as ``follow=``.
"""

from upsize.follow._applier import Applier
from upsize.follow._values import Follow

__all__ = ["Applier", "Follow"]
