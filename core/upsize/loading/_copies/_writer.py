"""Write to the store of small copies, in transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lmdb

from upsize.loading._copies._folder import check_target
from upsize.loading._copies._make import Made
from upsize.loading._copies._readers import close_reader
from upsize.loading._copies._records import (
    HEADER,
    copy_key,
    image_key,
    pack_header,
    pack_image,
)
from upsize.loading._copies._settings import CopySettings
from upsize.loading._copies._store import Environment, speaking
from upsize.loading._images._folder import shown

__all__ = ["Writer"]


class Writer(Environment):
    """A store that this process alone writes to, in a folder that it makes.

    Args:
        target: The folder.

    Raises:
        ValueError: When the folder holds anything else, or others use the store.
        OSError: When the folder cannot be made or written.
    """

    def __init__(self, target: Path) -> None:
        check_target(target)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"{shown(target)}: this folder cannot be made ({error.strerror})"
            ) from error
        close_reader(target)
        super().__init__(target, write=True)

    def begin(self, settings: CopySettings) -> None:
        """Give the store its settings; all copies of others are removed with them."""
        if self.found != settings:

            def change(transaction: Any) -> None:
                transaction.drop(self._lmdb.open_db(txn=transaction), delete=False)
                transaction.put(HEADER, pack_header(settings))

            self._commit(change)
            self.found = settings

    def update(self, made: Iterable[Made], removed: Iterable[str]) -> None:
        """Put images with their copies into the store, and remove others, at once."""
        assert self.found is not None
        sizes = self.found.served

        def change(transaction: Any) -> None:
            for name in removed:
                transaction.delete(image_key(name))
                for size in sizes:
                    transaction.delete(copy_key(size, name))
            for each in made:
                transaction.put(image_key(each.name), pack_image(each.image))
                for size in sizes:
                    if (copy := each.copies.get(size)) is not None:
                        transaction.put(copy_key(size, each.name), copy)
                    else:  # of an earlier, larger original
                        transaction.delete(copy_key(size, each.name))

        self._commit(change)

    def _commit(self, change: Callable[[Any], None]) -> None:
        """Make a change whole or not at all."""
        with speaking(self.target):
            while True:
                try:
                    with self._lmdb.begin(write=True) as transaction:
                        change(transaction)
                except lmdb.MapFullError:
                    self._lmdb.set_mapsize(2 * self._lmdb.info()["map_size"])
                else:
                    return
