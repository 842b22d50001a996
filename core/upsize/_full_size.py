"""What to say of images whose size is not the full size of the plan."""

from __future__ import annotations

import warnings

from upsize.schedule import Size

__all__ = ["FullSizeCheck"]


class FullSizeCheck:
    """Refuses images smaller than the full size, and warns once of larger ones.

    Args:
        final: The full size.
    """

    def __init__(self, final: Size) -> None:
        self._final = final
        self._warned = False

    def check(self, images: Size, *, stacklevel: int = 3) -> None:
        """Check the size of a batch that comes from the loader.

        Args:
            images: Size of its images.
            stacklevel: Where the warning points to; 3 is the caller's caller.

        Raises:
            ValueError: When a side is smaller than the full size.

        Warns:
            UserWarning: Once, when the images are larger.
        """
        final = self._final
        if images == final:
            return
        if images.height < final.height or images.width < final.width:
            raise ValueError(
                f"the images are {images} and final_size is {final}: images are never "
                "enlarged; lower final_size, or load larger images"
            )
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the images are {images} and final_size is {final}: training never "
                "uses their own size",
                UserWarning,
                stacklevel=stacklevel,
            )
