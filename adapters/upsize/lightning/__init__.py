"""Progressive resizing for Lightning.

:class:`ProgressiveResize` is a ``Callback`` of the package that is imported already,
``lightning`` or ``pytorch_lightning``; if both or neither are, of ``lightning``. Each
class also has its own name: ``LightningProgressiveResize`` and
``PytorchLightningProgressiveResize``. ``HELD`` is the batch that the hooks
``on_train_batch_start`` and ``on_train_batch_end`` get for a micro-batch that
``merge=`` trains on together with a later one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from upsize._extras import require

if TYPE_CHECKING:
    from upsize.lightning._held import HELD
    from upsize.lightning._lightning import ProgressiveResize
    from upsize.lightning._lightning import (
        ProgressiveResize as LightningProgressiveResize,
    )
    from upsize.lightning._pytorch_lightning import (
        ProgressiveResize as PytorchLightningProgressiveResize,
    )
    from upsize.lightning._sized import sized

__all__ = [
    "HELD",
    "LightningProgressiveResize",
    "ProgressiveResize",
    "PytorchLightningProgressiveResize",
    "sized",
]

# Package, and our module for it; the first is preferred.
_BASES = {
    "LightningProgressiveResize": ("lightning", "_lightning"),
    "PytorchLightningProgressiveResize": ("pytorch_lightning", "_pytorch_lightning"),
}


def _default() -> str:
    """Return the name of the class for the package in use."""
    packages = {name: package for name, (package, _) in _BASES.items()}
    imported = [name for name, package in packages.items() if package in sys.modules]
    installed = [name for name, package in packages.items() if find_spec(package)]
    return (imported or installed or list(packages))[0]


def __getattr__(name: str) -> Any:
    if name == "sized":
        return import_module("upsize.lightning._sized").sized
    if name == "HELD":
        return import_module("upsize.lightning._held").HELD
    # Only when asked for: an import of the other package takes seconds.
    if name == "ProgressiveResize":
        name = _default()
    if name not in _BASES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package, module = _BASES[name]
    require(package, "lightning", f"Callbacks for {package}")
    return import_module(f"{__name__}.{module}").ProgressiveResize
