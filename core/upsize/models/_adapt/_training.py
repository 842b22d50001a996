"""Let the models of a training run take the sizes of its plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn

from upsize.models._adapt._adapt import adapt_parts
from upsize.models._adapt._sizes import check_taken, unseen
from upsize.models._kinds import Note
from upsize.run._restoring import Restoring
from upsize.schedule import Plan
from upsize.schedule._warn import warn

__all__ = ["ModelSizes"]


class ModelSizes:
    """Adapts the models of a run, as :func:`upsize.models.adapt` does, until it ends.

    Every adapter makes one before the first batch, and shows it the plan.

    Args:
        models: The models, wrapped or not; models without a known part stay unchanged.
        changes: Restores the models.

    Warns:
        UserWarning: When a model is made for one size and cannot be adapted.

    Example:
        >>> from torchvision.models import VisionTransformer
        >>> with Restoring() as changes:
        ...     sizes = ModelSizes([VisionTransformer(64, 16, 1, 2, 32, 64)], changes)
        ...     print(sizes.summary())
        Adapted for other image sizes: torchvision VisionTransformer: position embedding \
interpolated at each size
    """

    def __init__(self, models: Iterable[nn.Module], changes: Restoring) -> None:
        notes: list[Note] = []
        for model in models:
            with Restoring() as mine:
                try:
                    notes += adapt_parts(model, mine)
                except ValueError as error:
                    mine.close()
                    warn(
                        f"{error}; if it takes one image size only, training fails at "
                        "smaller images"
                    )
                changes.push(mine.pop_all())
        self._notes = tuple(notes)

    def summary(self) -> str | None:
        """Say what was adapted; ``None``: nothing."""
        texts = dict.fromkeys(note.text for note in self._notes if note.changed)
        if not texts:
            return None
        return f"Adapted for other image sizes: {'; '.join(texts)}"

    def tell(self, say: Callable[[str], object] | None) -> None:
        """Say what was adapted, if anything was.

        Args:
            say: Called with it; ``None``: it is not said.
        """
        summary = self.summary()
        if summary is not None and say is not None:
            say(summary)

    def check(self, plan: Plan) -> None:
        """Compare the sizes of a plan with those that the models take.

        Raises:
            ValueError: When a model would fail at a size.

        Warns:
            UserWarning: When a model would leave out a part of the images.
        """
        for note in self._notes:
            # If the full size does not fit, other images may reach this part.
            fits = not any(
                side % part
                for side, part in zip(plan.final_size, note.multiple_of, strict=True)
            )
            check_taken(plan, note, strict=note.strict and fits)
            text = unseen(plan, note)
            if text is not None:
                warn(text)
