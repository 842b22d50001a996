"""Progressive resizing for Lightning.

:class:`ProgressiveResize` extends the ``Callback`` of the package that is imported
already, ``lightning`` or ``pytorch_lightning``; of ``lightning`` where neither or both
are. The two are also here by name: ``LightningProgressiveResize`` and
``PytorchLightningProgressiveResize``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from upsize._extras import missing_extra

if TYPE_CHECKING:
    from upsize.lightning._unified import ProgressiveResize

__all__ = ["ProgressiveResize"]

_UNIFIED, _STANDALONE = (
    ("lightning.pytorch", "_unified"),
    ("pytorch_lightning", "_standalone"),
)


def _default() -> str:
    """Return the module of the callback for the package in use."""
    packages = (_UNIFIED, _STANDALONE)
    for package, module in packages:
        if package in sys.modules:
            return module
    for package, module in packages:
        if find_spec(package.partition(".")[0]) is not None:
            return module
    raise missing_extra("lightning", "Callbacks for Lightning")


def __getattr__(name: str) -> Any:
    modules = {
        "LightningProgressiveResize": lambda: "_unified",
        "PytorchLightningProgressiveResize": lambda: "_standalone",
        "ProgressiveResize": _default,
    }
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{modules[name]()}").ProgressiveResize
