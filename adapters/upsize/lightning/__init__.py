"""Progressive resizing for Lightning.

:class:`ProgressiveResize` is a ``Callback`` of the package that is imported already,
``lightning`` or ``pytorch_lightning``; of ``lightning`` where both or neither are. Each
is also here under a name of its own: ``LightningProgressiveResize`` and
``PytorchLightningProgressiveResize``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from upsize._extras import missing_extra

if TYPE_CHECKING:
    from upsize.lightning._sized import sized
    from upsize.lightning._standalone import (
        ProgressiveResize as PytorchLightningProgressiveResize,
    )
    from upsize.lightning._unified import ProgressiveResize
    from upsize.lightning._unified import (
        ProgressiveResize as LightningProgressiveResize,
    )

__all__ = [
    "LightningProgressiveResize",
    "ProgressiveResize",
    "PytorchLightningProgressiveResize",
    "sized",
]

# Package, and our module for it; the first is preferred.
_BASES = {
    "LightningProgressiveResize": ("lightning", "_unified"),
    "PytorchLightningProgressiveResize": ("pytorch_lightning", "_standalone"),
}


def _default() -> str:
    """Return the name of the class for the package in use."""
    for name, (package, _) in _BASES.items():
        if package in sys.modules:
            return name
    for name, (package, _) in _BASES.items():
        if find_spec(package) is not None:
            return name
    raise missing_extra("lightning", "Callbacks for Lightning")


def __getattr__(name: str) -> Any:
    if name == "sized":
        return import_module("upsize.lightning._sized").sized
    # Only when asked for: an import of the other package takes seconds.
    if name == "ProgressiveResize":
        name = _default()
    if name not in _BASES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package, module = _BASES[name]
    if find_spec(package) is None:
        raise missing_extra("lightning", f"Callbacks for {package}")
    return import_module(f"{__name__}.{module}").ProgressiveResize
