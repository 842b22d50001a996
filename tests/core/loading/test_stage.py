"""Sizes for pipelines that number their batches themselves."""

from __future__ import annotations

import pickle
from itertools import islice, product
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

from upsize.loading import SizeStage, size_stage
from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.schedule import Ramp, Size

FULL = 32
RAMP = Ramp(final_size=FULL, increase_by=4)  # 16, 20, 24, 28, 32
PLAN = RAMP.plan(total_steps=10)


def small(stage: SizeStage) -> int:
    """A batch that is smaller than full size."""
    assert stage.size_of(0) == Size(16, 16)
    return 0


class TestSizes:
    @pytest.mark.parametrize(
        ("accumulate", "length", "done"),
        list(product((1, 2, 3), (None, 1, 5, 6), (0, 1, 4, 5, 11))),
    )
    def test_a_number_has_the_size_that_a_sized_loader_is_told(
        self, accumulate: int, length: int | None, done: int
    ) -> None:
        run = ProgressiveResize(
            RAMP, total_steps=16, steps_per_epoch=length, accumulate=accumulate
        )
        ahead = list(islice(run.sizes_ahead(), 40))
        for _ in range(done):
            run.step()
        whole, rest = size_stage(run), size_stage(run, from_now=True)
        assert [whole.size_of(number) for number in range(40)] == ahead
        left = list(islice(run.sizes_ahead(), 20))
        assert [rest.size_of(number) for number in range(20)] == left

    def test_an_epoch_begins_with_its_own_window(self) -> None:
        run = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5, accumulate=2)
        stage = size_stage(run)
        for epoch, batch in product(range(4), range(5)):
            size = run.plan.size_at(3 * epoch + batch // 2)
            assert stage.size_of(batch, epoch) == size
            assert stage.size_of(5 * epoch + batch) == size

    def test_a_resumed_run_has_the_sizes_of_its_own_plan(self) -> None:
        saved = ProgressiveResize(RAMP, total_steps=20)
        for _ in range(15):
            saved.step()
        run = ProgressiveResize(RAMP, total_steps=40)
        with pytest.warns(UserWarning, match="one 40"):
            run.load_state_dict(saved.state_dict())
        stage = size_stage(run)
        assert [stage.size_of(n) for n in range(40)] == [
            run.plan.size_at(n) for n in range(40)
        ]
        assert size_stage(run, from_now=True).size_of(0) == run.size

    def test_numbers_of_numpy_count(self) -> None:
        number: Any = np.int64(9)
        assert size_stage(PLAN).size_of(number) == Size(FULL, FULL)

    @pytest.mark.parametrize(
        ("make", "kind", "words"),
        [
            (lambda: size_stage(PLAN).size_of(-1), ValueError, "batch must be"),
            (lambda: size_stage(PLAN).size_of(0, -1), ValueError, "epoch must be"),
            (lambda: size_stage(PLAN).size_of(0, 1), ValueError, "steps_per_epoch"),
            (lambda: size_stage(PLAN).size_of(0.5), TypeError, "float"),  # type: ignore[arg-type]
            (lambda: size_stage(PLAN, from_now=True), ValueError, "from_now"),
            (lambda: size_stage(RAMP), TypeError, "not a Ramp"),  # type: ignore[arg-type]
        ],
    )
    def test_what_cannot_be_known_is_refused(
        self, make: Any, kind: type[Exception], words: str
    ) -> None:
        with pytest.raises(kind, match=words):
            make()

    @pytest.mark.parametrize("by", [pickle, cloudpickle])
    def test_it_is_a_value(self, by: Any) -> None:
        stage = size_stage(PLAN, resizer=Resizer(targets={"mask": "mask"}))
        same = by.loads(by.dumps(stage))
        assert same == stage
        assert hash(same.plan) == hash(PLAN)
        batch = {
            "image": torch.rand(2, 3, FULL, FULL),
            "mask": torch.zeros(2, FULL, FULL),
        }
        assert same(0, batch)["mask"].shape == (2, 16, 16)


class TestRuns:
    def run(self, **settings: Any) -> ProgressiveResize:
        return ProgressiveResize(RAMP, total_steps=10, **settings)

    def test_small_batches_are_taken_in_every_pass(self) -> None:
        run = self.run()
        stage = size_stage(run)
        seen = []
        for first in (0, 5):
            numbers = range(first, first + 5)
            made = [stage(n, torch.rand(2, 3, FULL, FULL)) for n in numbers]
            seen += [images.shape[-1] for images in run.batches(made)]
        assert seen == [run.plan.size_at(step).width for step in range(10)]
        assert run.mismatched == 0

    def test_batches_of_another_step_are_resized_and_counted(self) -> None:
        run = self.run()
        stage = size_stage(run)
        made = [stage(n, torch.rand(2, 3, FULL, FULL)) for n in (9, *range(1, 10))]
        with pytest.warns(UserWarning, match="1 batch"):
            seen = [images.shape[-1] for images in run.batches(made)]
        assert seen == [run.plan.size_at(step).width for step in range(10)]
        assert run.mismatched == 1

    def test_the_resizer_is_that_of_the_run(self) -> None:
        resizer = Resizer(targets={"mask": "mask"})
        assert size_stage(self.run(resizer=resizer)).resizer is resizer
        assert size_stage(self.run(resizer=resizer), resizer=Resizer()).resizer == (
            Resizer()
        )


class TestBatches:
    stage = size_stage(PLAN)

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_channels_may_come_last(self, dtype: Any) -> None:
        images = (np.random.default_rng(0).random((2, FULL, FULL, 3)) * 255).astype(
            dtype
        )
        new = self.stage(small(self.stage), {"image": images, "label": np.arange(2)})
        first = torch.from_numpy(images).permute(0, 3, 1, 2)
        expected = Resizer()(first, 16).permute(0, 2, 3, 1)
        assert new["image"].dtype == dtype
        assert new["image"].flags.c_contiguous
        assert np.array_equal(new["image"], expected.numpy())
        assert images.shape == (2, FULL, FULL, 3)

    @pytest.mark.parametrize(
        "shape",
        [(2, FULL, FULL, 1), (2, FULL, FULL, 12), (2, 4, FULL, FULL, 3)],
        ids=["grey", "12 channels", "video"],
    )
    def test_any_channels_may_come_last(self, shape: tuple[int, ...]) -> None:
        new = self.stage(0, np.zeros(shape, np.uint8))
        assert new.shape == (*shape[:-3], 16, 16, shape[-1])

    def test_tensors_and_arrays_keep_their_type(self) -> None:
        for images in (
            torch.rand(2, 3, FULL, FULL),
            torch.rand(2, FULL, FULL, 3),
            tv_tensors.Image(torch.rand(2, 3, FULL, FULL)),
            np.zeros((2, 3, FULL, FULL), np.float32),
        ):
            new = self.stage(0, (images, [1, 2]))[0]
            assert type(new) is type(images)
            assert sorted(new.shape) == [2, 3, 16, 16]

    def test_targets_follow(self) -> None:
        boxes = np.array([[[4, 4, 20, 20]], [[0, 0, 32, 32]]], np.float32)
        batch = {
            "image": np.zeros((2, FULL, FULL, 3), np.uint8),
            "mask": np.arange(2 * FULL * FULL).reshape(2, FULL, FULL),
            "hot": np.zeros((2, FULL, FULL, 5), bool),
            "boxes": boxes,
            "points": np.full((2, 8, 17, 3), 8, np.float32),
            "name": np.array(["a", "b"]),
            "label": np.int64(3),
        }
        policies = {
            "mask": "mask", "hot": "mask", "boxes": "boxes", "points": "keypoints"
        }  # fmt: skip
        new = size_stage(PLAN, resizer=Resizer(targets=policies))(0, batch)
        assert new["image"].shape == (2, 16, 16, 3)
        assert np.array_equal(new["mask"], batch["mask"][:, 1::2, 1::2])
        assert new["hot"].shape == (2, 16, 16, 5)
        assert new["hot"].dtype == bool
        assert np.array_equal(new["boxes"], boxes / 2)
        assert (new["points"][..., :2] == 4).all()
        assert new["name"] is batch["name"]
        assert new["label"] is batch["label"]

    def test_views_of_two_sizes_follow(self) -> None:
        views = [np.zeros((2, side, side, 3), np.float32) for side in (FULL, FULL, 16)]
        assert [v.shape[1] for v in self.stage(0, {"views": views})["views"]] == [
            16, 16, 8,
        ]  # fmt: skip

    def test_what_has_its_size_is_the_same_object(self) -> None:
        for index, side in ((0, 16), (9, FULL)):
            batch = {"image": np.zeros((2, side, side, 3), np.uint8)}
            assert self.stage(index, batch) is batch

    @pytest.mark.filterwarnings("error")
    def test_memory_that_a_tensor_cannot_have_is_copied(self) -> None:
        images = np.arange(2 * FULL * FULL * 3, dtype=np.uint8).reshape(
            2, FULL, FULL, 3
        )
        expected = self.stage(0, images)
        frozen = images.copy()
        frozen.flags.writeable = False
        backwards = images[::-1].copy()[::-1]
        assert np.array_equal(self.stage(0, frozen), expected)
        assert np.array_equal(self.stage(0, backwards), expected)

    @pytest.mark.parametrize(
        ("batch", "kind", "words"),
        [
            ({"image": [Image.new("RGB", (32, 32))]}, TypeError, "Pillow"),
            (np.zeros((2, 24, 24, 3)), ValueError, "24x24.*32x32.*16x16"),
            (np.zeros((2, 40, 40, 3)), ValueError, "40x40"),
            ({"label": np.arange(2)}, ValueError, "no image"),
            (
                {"image": np.zeros((2, 32, 32, 3)), "a": np.zeros((2, 32, 32))},
                ValueError,
                "has the size of the images",
            ),
        ],
        ids=["Pillow", "small", "large", "none", "unnamed"],
    )
    def test_what_cannot_be_resized_is_refused(
        self, batch: Any, kind: type[Exception], words: str
    ) -> None:
        with pytest.raises(kind, match=words):
            self.stage(0, batch)
