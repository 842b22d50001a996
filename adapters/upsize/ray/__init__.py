"""Progressive resizing in Ray Train.

A training function keeps the ``ProgressiveResize`` of its loop, of Lightning or of the
transformers Trainer; :func:`sized` takes what ``prepare_data_loader`` returns.
"""

from upsize._extras import require

# Ray does not bring torch.
for _module in ("torch", "ray.train"):
    require(_module, "ray", "Loaders of Ray Train")

from upsize.ray._sized import sized

__all__ = ["sized"]
