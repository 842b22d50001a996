"""Images from a tar and from a folder: ``python -m tests.benchmarks.streams``.

The same JPEG files, loaded by a WebDataset and by an ImageFolder, at full size and with
``sized``, alternately. Prints what share of the theoretical maximum each of them achieves
where training waits for the loader alone, and what ``sized`` costs at full size: in
CPU seconds without workers, which other processes disturb less, and in seconds with one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import webdataset
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import RandomResizedCropDecode, sized
from upsize.schedule import Plan, Ramp

BATCH, SIZE, EPOCHS = 32, 224, 4
CROP = RandomResizedCropDecode(SIZE)
AUGMENT = v2.Compose(
    [v2.RandomHorizontalFlip(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
)


def same(value: Any) -> Any:
    return value


def transformed(data: bytes) -> Any:
    return AUGMENT(CROP(data))


def write(folder: Path, images: int) -> str:
    """Write the images as files and into a tar of the same files."""
    (folder / "files" / "a").mkdir(parents=True)
    shard = str(folder / "photos.tar")
    with webdataset.TarWriter(shard) as writer:
        for index in range(images):
            file = folder / "files" / "a" / f"{index:04}.jpg"
            noise = Image.effect_noise((125, 94), 80).resize((500, 375))
            noise.convert("RGB").save(file, quality=90)
            sample = {"__key__": file.stem, "jpg": file.read_bytes(), "cls": b"0"}
            writer.write(sample)
    return shard


def from_folder(folder: Path, workers: int) -> DataLoader[Any]:
    data = ImageFolder(folder / "files", AUGMENT, loader=CROP)
    return DataLoader(
        data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )


def from_tar(shard: str, workers: int) -> DataLoader[Any]:
    data = webdataset.WebDataset(shard, shardshuffle=False, empty_check=False)
    data = data.shuffle(64).to_tuple("jpg", "cls").map_tuple(transformed, same)
    return DataLoader(data, BATCH, num_workers=workers, persistent_workers=workers > 0)


def seconds(loader: Any, epochs: int) -> float:
    clock = time.perf_counter if loader.num_workers else time.process_time
    begin = clock()
    for _ in range(epochs):
        for _ in loader:
            pass
    return clock() - begin


def times(
    loaders: dict[str, Callable[[], Any]], plan: Plan, rounds: int, *, last: bool
) -> dict[str, list[tuple[float, float]]]:
    """Return (plain, sized) seconds of each round, of the plan or of its last epoch."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in loaders}
    epochs = 1 if last else EPOCHS
    made = {
        name: (plain(), sized(plain(), plan, set_size=lambda dataset, size: None))
        for name, plain in loaders.items()
    }
    for each, small in made.values():
        seconds(each, 1)  # starts the workers
        seconds(small, 1)
    for _ in range(rounds):
        for name, (each, small) in made.items():
            small.batch_sampler.set_epoch(EPOCHS - 1 if last else 0)
            plain = seconds(each, epochs)
            found[name].append((plain, seconds(small, epochs)))
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.streams", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--images", type=int, default=256, help=f"at least {BATCH}")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    plan = Ramp(final_size=SIZE, increase_by=SIZE // 4).plan(
        epochs=EPOCHS, steps_per_epoch=args.images // BATCH
    )
    theoretical = 1 - plan.pixel_share
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shard = write(folder, args.images)
        for workers in (0, 1):
            loaders: dict[str, Callable[[], Any]] = {
                "folder": lambda workers=workers: from_folder(folder, workers),
                "tar": lambda workers=workers: from_tar(shard, workers),
            }
            for kind, pairs in times(loaders, plan, args.rounds, last=False).items():
                saved = [1 - small / plain for plain, small in pairs]
                each = ", ".join(f"{share / theoretical:.2f}" for share in saved)
                print(
                    f"{workers} workers, {kind}: {statistics.median(saved):.3f} of the "
                    f"time saved, {statistics.median(saved) / theoretical:.2f} of the "
                    f"theoretical maximum {theoretical:.3f} ({each})",
                    flush=True,
                )
            for kind, pairs in times(loaders, plan, 3 * args.rounds, last=True).items():
                ratios = [small / plain for plain, small in pairs]
                low, middle, high = statistics.quantiles(ratios, n=4)
                print(
                    f"{workers} workers, {kind}: at full size sized takes {middle:.3f} of "
                    f"the time (quartiles {low:.3f} to {high:.3f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
