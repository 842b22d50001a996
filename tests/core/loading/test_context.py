"""The current size, wherever a batch is made: in collate functions and in threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.core.loading.images import FULL, RAMP, Images
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from upsize.loading import current_size, open_image, sample_size, sized
from upsize.schedule import Size

PLAN = RAMP.plan(total_steps=10_000)  # 16 px
SMALL, LARGE = Size(16, 16), Size(FULL, FULL)


def nothing(dataset: Any, size: Size) -> None:
    pass


def side() -> int:
    now = current_size()
    return FULL if now is None else now.size.width


class Raw(Images):
    """Leaves the resize to others."""

    def __getitem__(self, index: int) -> Any:
        return torch.rand(3, 40, 48), index


def processor(samples: list[Any]) -> Any:
    images = [v2.functional.resize(image, [side(), side()]) for image, _ in samples]
    return torch.stack(images), [label for _, label in samples]


class Collate:
    """Holds the transforms of the batch."""

    def __init__(self) -> None:
        self.transform = v2.Resize((FULL, FULL))

    def __call__(self, samples: list[Any]) -> Any:
        return torch.stack([self.transform(image) for image, _ in samples])


class TestCollate:
    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_processor_reads_the_size(self, workers: int) -> None:
        plain = DataLoader(Raw(), 4, collate_fn=processor, num_workers=workers)
        loader = sized(plain, PLAN, set_size=nothing)
        assert {images.shape[-1] for images, _ in loader} == {16}
        assert current_size() is None

    def test_transforms_that_it_holds_get_the_size(self) -> None:
        collate = Collate()
        plan = RAMP.plan(epochs=3, steps_per_epoch=7)
        loader = sized(DataLoader(Raw(), 4, collate_fn=collate), plan)
        seen = [images.shape[-1] for _ in range(3) for images in loader]
        assert seen == [plan.size_at(step).width for step in range(21)]
        assert collate.transform.size == [FULL, FULL]

    def test_transforms_that_make_another_size_are_refused(self) -> None:
        collate = Collate()
        collate.transform = v2.Resize(48)
        with pytest.raises(ValueError, match="no transform of Collate makes images"):
            sized(DataLoader(Images(), 4, collate_fn=collate), PLAN)

    def test_samples_that_are_a_batch_already(self) -> None:
        class Batched(Images):
            def __getitems__(self, indices: list[int]) -> Any:
                return torch.stack([self[index][0] for index in indices])

        plain = DataLoader(Batched(), 4, collate_fn=torch.Tensor.float)
        assert next(iter(sized(plain, PLAN))).shape == (4, 3, 16, 16)


class Pooled(Images):
    """Makes its samples in threads."""

    def __init__(self) -> None:
        super().__init__()
        self.pool: Any = None

    def __getitem__(self, index: int) -> Any:
        self.pool = self.pool or ThreadPoolExecutor(2)
        sides = list(self.pool.map(lambda _: side(), range(4)))
        return torch.rand(3, sides[0], sides[-1]), index


class TestThreads:
    @pytest.mark.parametrize("workers", [0, 1])
    def test_threads_of_a_dataset_see_the_size(self, workers: int) -> None:
        plan = RAMP.plan(epochs=3, steps_per_epoch=7)
        plain = DataLoader(Pooled(), 4, num_workers=workers)
        loader = sized(plain, plan, set_size=nothing)
        seen = [images.shape[-2:] for _ in range(3) for images, _ in loader]
        assert seen == [plan.size_at(step) for step in range(21)]

    def test_images_beside_boxes_stay_whole(self, tmp_path: Path) -> None:
        """A thread knows as well that boxes are in pixels of the file."""
        path = tmp_path / "a.jpg"
        image = v2.functional.to_pil_image(torch.zeros(3, 120, 160))
        image.save(path)

        class Boxes(Images):
            def __getitem__(self, index: int) -> Any:
                with ThreadPoolExecutor(1) as pool:
                    opened = pool.submit(open_image, path).result()
                box = tv_tensors.BoundingBoxes(
                    [[0, 0, 80, 60]],  # type: ignore[arg-type]
                    format="XYXY",
                    canvas_size=opened.size[::-1],
                )
                return self.transform(v2.functional.pil_to_tensor(opened), box)

        data = Boxes(v2.Resize((FULL, FULL)))
        loader = sized(DataLoader(data, 1, collate_fn=list), PLAN)
        (_, box), *_ = next(iter(loader))
        assert box.tolist() == [[0, 0, 8, 8]]

    def test_other_threads(self) -> None:
        """The main thread, and threads while two loaders are at work, see full size."""
        seen: dict[str, Any] = {}
        inside, done = threading.Event(), threading.Event()

        def load(size: Size) -> None:
            with sample_size(size, LARGE), sample_size(size, LARGE):
                inside.set()
                assert done.wait(30)
                seen[str(size)] = side()

        def ask(name: str) -> None:
            thread = threading.Thread(target=lambda: seen.update({name: side()}))
            thread.start()
            thread.join(30)

        loaders = [threading.Thread(target=load, args=[Size(n, n)]) for n in (16, 24)]
        loaders[0].start()
        assert inside.wait(30)
        assert current_size() is None
        ask("one")
        inside.clear()
        loaders[1].start()
        assert inside.wait(30)
        ask("two")
        done.set()
        for loader in loaders:
            loader.join(30)
        ask("none")
        assert seen == {
            "one": 16, "two": FULL, "none": FULL, "16x16": 16, "24x24": 24,
        }  # fmt: skip
