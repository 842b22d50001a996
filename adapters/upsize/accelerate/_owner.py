"""Which object saves its state with an Accelerator: one at a time."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from upsize.run import TrainingRun
from upsize.run._restoring import Restoring

__all__ = ["Owner", "check_free", "take_over"]

_FLAG = "_upsize_progressive_resize"


class Owner(Protocol):
    """What saves its state with an accelerator."""

    @property
    def is_over(self) -> bool:
        """Whether its training has ended, or its loop was left."""
        ...

    def save(self, output_dir: str) -> None:
        """Write the state into the folder of a checkpoint."""
        ...

    def load(self, input_dir: str) -> None:
        """Read the state from the folder of a checkpoint."""
        ...

    def remove(self) -> None:
        """Restore the accelerator."""
        ...


def check_free(accelerator: Any) -> None:
    """Refuse an accelerator whose checkpoints hold the state of another run.

    A run that is over gives way.

    Raises:
        ValueError: When it is not.
    """
    owner = getattr(accelerator, _FLAG, None)
    if owner is None:
        return
    other: Owner = owner()
    if not other.is_over:
        raise ValueError(
            "this accelerator has a ProgressiveResize already, and both would save "
            "their state to one file: call remove() on the first one"
        )
    other.remove()


def take_over(
    accelerator: Any, owner: Owner, run: TrainingRun, changes: Restoring
) -> Callable[[], object]:
    """Let an object save and load its state with the accelerator.

    The accelerator does not keep the object: after an exception that drops it, as when
    ``find_executable_batch_size`` tries again, everything is restored, and the
    accelerator is free.

    Args:
        accelerator: The accelerator.
        owner: The object.
        run: Its training run, which ends with it.
        changes: What it has changed in the models; nothing in it may keep the owner.

    Returns:
        A function that restores the accelerator, the models and the values that follow
        the size; calling it again does nothing.
    """
    proxy: Owner = weakref.proxy(owner)

    def save(models: Any, weights: Any, output_dir: str) -> None:  # noqa: ARG001
        proxy.save(output_dir)

    def load(models: Any, input_dir: str) -> None:  # noqa: ARG001
        proxy.load(input_dir)

    handles = (
        accelerator.register_save_state_pre_hook(save),
        accelerator.register_load_state_pre_hook(load),
    )
    setattr(accelerator, _FLAG, weakref.ref(owner))
    release = weakref.finalize(owner, _release, accelerator, run, changes, handles)
    release.atexit = False
    return release


def _release(
    accelerator: Any, run: TrainingRun, changes: Restoring, handles: Any
) -> None:
    run.finish(completed=False)
    changes.close()
    for handle in handles:
        handle.remove()
    delattr(accelerator, _FLAG)
