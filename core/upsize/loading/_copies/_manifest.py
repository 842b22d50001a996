"""The list of small copies that are made, which a killed run leaves behind whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from upsize.loading._copies._files import PART, Made, Source, copy_path
from upsize.loading._copies._settings import CopySettings

__all__ = ["Manifest", "read_settings"]

_NAME = "copies.jsonl"


def read_settings(target: Path) -> CopySettings:
    """Return the settings of the copies in a folder.

    Raises:
        ValueError: When it holds no copies; names the folder and how to make them.
    """
    try:
        with (target / _NAME).open(encoding="utf-8") as file:
            return CopySettings.from_json(json.loads(file.readline()))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{target}: holds no small copies: make them with `upsize copies`, or with "
            "small_copies"
        ) from error


@dataclass
class Manifest:
    """Which images have their copies, a line of JSON for each below the settings.

    A line is added when all copies of an image are in their places. So after a kill
    every line is true, but for the last one, which may be cut off.

    Args:
        target: The folder of the copies.
        settings: Those that the copies shall have.
    """

    target: Path
    settings: CopySettings
    done: dict[str, Made] = field(init=False, default_factory=dict)
    changed: bool = field(init=False, default=False)
    _file: TextIO | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        try:
            self.changed = read_settings(self.target) != self.settings
        except ValueError:
            return  # there are none yet
        if not self.changed:
            self.done = {entry.name: entry for entry in self._lines()}

    def _lines(self) -> Iterator[Made]:
        with (self.target / _NAME).open(encoding="utf-8") as file:
            file.readline()
            for line in file:
                try:
                    name, count, changed, copies = json.loads(line)
                except ValueError:
                    continue  # cut off: its copies are made again
                yield Made(name, count, changed, tuple(copies))

    def has(self, image: Source) -> bool:
        """Return whether all copies of an image are there, of its state today."""
        made = self.done.get(image.name)
        if made is None or Source(*made[:3]) != image:
            return False
        for size, count in zip(self.settings.sizes, made.copies, strict=True):
            path = copy_path(self.target, size, image.name)
            if count and not (path.is_file() and path.stat().st_size == count):
                return False
        return True

    def begin(self, images: Mapping[str, Source]) -> int:
        """Put the folder in order and open the list for what is added.

        Removes what a killed run has left half written, all copies of other settings,
        and those of images that are there no longer.

        Args:
            images: All images by name.

        Returns:
            How many images that are there no longer had copies.
        """
        self.target.mkdir(parents=True, exist_ok=True)
        for part in self.target.rglob(f"*{PART}"):
            part.unlink()
        if self.changed:
            for size in read_settings(self.target).sizes:
                shutil.rmtree(self.target / str(size), ignore_errors=True)
        gone = [name for name in self.done if name not in images]
        for name in gone:
            del self.done[name]
            for size in self.settings.sizes:
                copy_path(self.target, size, name).unlink(missing_ok=True)
        path = self.target / _NAME
        part = path.with_name(_NAME + PART)
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(self.settings.to_json()) + "\n")
            file.writelines(json.dumps(entry) + "\n" for entry in self.done.values())
        part.replace(path)
        self._file = path.open("a", encoding="utf-8")
        return len(gone)

    def add(self, image: Made) -> None:
        """Say that all copies of an image are in their places."""
        assert self._file is not None
        self._file.write(json.dumps(image) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the list."""
        assert self._file is not None
        self._file.close()
