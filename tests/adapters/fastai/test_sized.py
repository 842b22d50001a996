"""Sized loaders in real fits: the workers make what the step needs."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelTrainException
from fastai.callback.data import PartialDL, WeightedDL
from fastai.callback.training import GradientAccumulation
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.core import DataLoaders, Datasets, TfmdDL, TfmdLists, Transform
from fastai.data.load import DataLoader, SkipItemException
from fastai.data.transforms import Categorize, IndexSplitter, ToTensor
from fastai.distributed import DistributedDL
from fastai.learner import load_learner
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import TensorImage, set_seed
from fastai.vision.augment import (
    CropPad,
    FlipItem,
    RandomCrop,
    RandomResizedCrop,
    RandomResizedCropGPU,
    RandTransform,
    RatioResize,
    Resize,
    aug_transforms,
)
from fastai.vision.core import PILImage, PILMask
from fastai.vision.data import (
    ImageBlock,
    ImageDataLoaders,
    IntToFloatTensor,
    MaskBlock,
)
from tests.adapters.fastai.photographs import (
    COUNT,
    FULL,
    Came,
    label,
    photograph,
    plain,
    small,
)
from tests.adapters.fastai.tools import Seen, callback, learner, planned
from tests.core.loading.images import Images
from torch import Tensor, nn
from torch.utils.data import DataLoader as TorchLoader
from torch.utils.data import IterableDataset
from torchvision.transforms import v2

from upsize.fastai import ProgressiveResize, sized
from upsize.loading import current_size, open_image
from upsize.loading._transforms import find_pixels
from upsize.schedule import Phases, Size

BATCHES = 7  # of 26 photographs, four by four
ITEM_TFMS: dict[str, Any] = {
    "crop": lambda: RandomResizedCrop(FULL),
    "resize": lambda: Resize(FULL),
    "squish": lambda: [Resize(FULL, method="squish"), FlipItem()],
    "pad": lambda: [Resize(FULL, method="pad", pad_mode="zeros")],
    "resize and crop": lambda: [Resize(40), RandomCrop(FULL)],
    "resize and crop or pad": lambda: [Resize((24, 36)), CropPad(FULL, order=2)],
    "crops and resize": lambda: [CropPad(60), RandomCrop(30), Resize(FULL)],
    "longest and pad": lambda: [RatioResize(48), CropPad(FULL, order=2)],
}
BATCH_TFMS: dict[str, Any] = {
    "none": lambda: None,
    "aug": aug_transforms,
    "told": lambda: aug_transforms(size=FULL, min_scale=0.5),
    "gpu crop": lambda: [RandomResizedCropGPU(FULL)],
}


def fit(dls: Any, came: Came, *cbs: Any, epochs: int = 3, **more: Any) -> Any:
    """Train, and check that each batch came at the size of its step."""
    resize, seen = callback(), Seen()
    learn = learner(dls, resize, seen, *cbs)
    came.sizes.clear()
    learn.fit(epochs, **more)
    assert came.sizes == seen.train
    assert resize.mismatched == 0
    return learn, resize, seen


def steps(resize: Any, epochs: int = 3, batches: int = BATCHES) -> Any:
    plan = planned(resize, range(epochs * batches))
    assert len(set(plan)) >= 4
    return plan


class Two(Images):
    """Floating ones, two classes."""

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return image / 255, label % 2


class TestSizes:
    @pytest.mark.parametrize(
        ("item", "workers"),
        # Workers run the same transforms as this process does.
        [*((item, 0) for item in ITEM_TFMS), ("crop", 1), ("longest and pad", 2)],
    )
    def test_of_item_transforms(self, item: str, workers: int) -> None:
        came = Came()
        dls = small(ITEM_TFMS[item](), None, came, num_workers=workers)
        _, resize, seen = fit(dls, came)
        assert seen.train == steps(resize)

    @pytest.mark.parametrize(
        ("batch", "add_resize", "workers"),
        # A step behind batch transforms with a size is refused.
        [
            *((batch, False, 0) for batch in BATCH_TFMS),
            ("none", True, 0),
            ("aug", True, 0),
            ("told", False, 2),
        ],
    )
    def test_in_front_of_batch_transforms(
        self, batch: str, add_resize: bool, workers: int
    ) -> None:
        came, resize, seen = Came(), callback(add_resize=add_resize), Seen()
        tfms = BATCH_TFMS[batch]()
        dls = small(Resize(FULL), tfms, came, num_workers=workers)
        learn = learner(dls, resize, seen)
        came.sizes.clear()
        learn.fit(3)
        assert came.sizes == seen.train == steps(resize)
        assert resize.mismatched == 0

    def test_of_items_that_are_larger_than_the_batch(self) -> None:
        came, resize, seen = Came(), callback(), Seen()
        told = aug_transforms(size=FULL, min_scale=0.75)
        dls = small(Resize(2 * FULL), told, came)
        learn = learner(dls, resize, seen)
        came.sizes.clear()
        learn.fit(3)
        assert seen.train == steps(resize)
        assert came.sizes == [(2 * height, 2 * width) for height, width in seen.train]
        assert resize.mismatched == 0

    @pytest.mark.parametrize(
        "settings",
        [
            {"drop_last": True},
            {"shuffle": False, "bs": 3},
            {"num_workers": 4, "bs": 5},
            {"num_workers": 2, "persistent_workers": True},
            {"num_workers": 1, "bs": 26},
            {"n": 9, "bs": 2, "num_workers": 2},
        ],
        ids=str,
    )
    def test_of_any_settings(self, settings: dict[str, Any]) -> None:
        came = Came()
        dls = small(RandomResizedCrop(FULL), None, came, **settings)
        epochs = 6 if len(dls.train) == 1 else 3
        _, resize, seen = fit(dls, came, epochs=epochs)
        assert seen.train == planned(resize, range(epochs * len(dls.train)))
        assert (seen.train[0], seen.train[-1]) == ((16, 16), (32, 32))

    def test_of_two_sides(self) -> None:
        came = Came()
        dls = small(Resize((32, 48)), aug_transforms(), came)
        _, resize, seen = fit(dls, came)
        assert seen.train == steps(resize)
        assert (seen.train[0], seen.train[-1]) == ((16, 24), (32, 48))

    @pytest.mark.parametrize("kind", [PartialDL, WeightedDL])
    def test_of_other_loaders(self, kind: Any) -> None:
        came = Came()
        more = {"partial_n": 15} if kind is PartialDL else {}
        dls = small(
            Resize(FULL), None, came, dl_type=kind, dl_kwargs=[more, {}],
        )  # fmt: skip
        _, resize, seen = fit(dls, came, epochs=4)
        assert type(dls.train) is kind
        assert len(dls.train) == (4 if more else BATCHES)
        assert seen.train == steps(resize, 4, len(dls.train))

    @pytest.mark.parametrize(
        "schedule", [Phases(phases=[(0, 16), ("5st", 24), (2, 32)])]
    )
    def test_of_another_schedule(self, schedule: Any) -> None:
        came, resize, seen = Came(), callback(schedule=schedule), Seen()
        dls = small(Resize(FULL), None, came, resize=resize, num_workers=2)
        learn = learner(dls, resize, seen)
        came.sizes.clear()
        learn.fit(3)
        assert came.sizes == [(16, 16)] * 5 + [(24, 24)] * 9 + [(32, 32)] * 7

    def test_of_a_training_loader_alone(self) -> None:
        came = Came()
        dls = plain(Resize(FULL), None, came, num_workers=1)
        dls.train = sized(dls.train)
        _, resize, seen = fit(dls, came)
        assert seen.train == steps(resize)


class TestClocks:
    @pytest.mark.parametrize(
        ("accumulate", "workers"), [(2, 0), (8, 2), (12, 0), (27, 0), (60, 0)]
    )
    def test_accumulated_gradients(self, accumulate: int, workers: int) -> None:
        came = Came()
        dls = small(Resize(FULL), None, came, num_workers=workers)
        _, resize, seen = fit(
            dls, came, GradientAccumulation(n_acc=accumulate), epochs=5
        )
        assert len(seen.train) == 5 * BATCHES
        assert len(set(seen.train)) >= 2
        # Each window keeps one size, in the next epoch, too.
        rows, begin = 0, 0
        for step in range(5 * BATCHES):
            assert came.sizes[step] == tuple(resize.plan.size_at(begin))
            rows += 4 if step % BATCHES < BATCHES - 1 else 2
            if rows >= accumulate:
                rows, begin = 0, step + 1

    def test_a_second_fit_and_one_of_another_callback(self) -> None:
        came = Came()
        dls = small(Resize(FULL), None, came)
        learn, resize, seen = fit(dls, came)
        learn.fit(4)
        assert came.sizes == seen.train
        assert seen.train[3 * BATCHES :] == steps(resize, 4)
        learn.remove_cb(resize)
        came.sizes.clear()
        other = callback(initial_size=24, increase_by=2)
        learn.fit(3, cbs=other)
        assert came.sizes == steps(other)
        assert other.mismatched == 0

    @pytest.mark.parametrize("begin", [1, 2])
    def test_start_epoch(self, begin: int) -> None:
        came = Came()
        dls = small(Resize(FULL), None, came, num_workers=2)
        _, resize, seen = fit(dls, came, start_epoch=begin)
        assert seen.train == planned(resize, range(begin * BATCHES, 3 * BATCHES))

    def test_epochs_that_are_cut_short(self) -> None:
        class Short(Callback):
            def after_batch(self) -> None:
                if self.training and self.iter == 2:
                    raise CancelTrainException

        came = Came()
        dls = small(Resize(FULL), None, came, num_workers=2)
        resize, seen = callback(), Seen()
        learn = learner(dls, resize, seen, Short())
        came.sizes.clear()
        learn.fit(3)
        expected = planned(resize, [n for n in range(21) if n % 7 < 3])
        assert came.sizes == seen.train == expected
        assert resize.mismatched == 0

    @pytest.mark.parametrize(
        ("when", "first"), [("initial", {16}), ("final", {32}), ("schedule", None)]
    )
    def test_fine_tune(self, when: Any, first: Any) -> None:
        came, resize, seen = Came(), callback(when_frozen=when), Seen()
        dls = small(Resize(FULL), None, came, num_workers=when == "schedule")
        learn = learner(dls, resize, seen)
        came.sizes.clear()
        learn.fine_tune(3, freeze_epochs=2)
        assert came.sizes == seen.train
        frozen, rest = seen.train[: 2 * BATCHES], seen.train[2 * BATCHES :]
        assert rest == steps(resize)
        assert {side for side, _ in frozen} == first or len(set(frozen)) > 3
        assert resize.mismatched == 0

    def test_items_that_are_skipped(self) -> None:
        class Skip(Transform):
            def encodes(self, x: PILImage) -> PILImage:
                if x.width == 49:  # every third one
                    raise SkipItemException
                return x

        came, resize, seen = Came(), callback(increase_by=8), Seen()
        dls = small(Resize(FULL), None, came, num_workers=0)
        dls.train.after_item.fs.insert(0, Skip())
        learn = learner(dls, resize, seen)
        came.sizes.clear()
        learn.fit(8)
        assert len(came.sizes) < 8 * BATCHES
        assert came.sizes == seen.train
        assert resize.mismatched == 0


class TestData:
    def test_a_folder_of_photographs(self, tmp_path: Path) -> None:
        for split, count in (("train", 10), ("valid", 3)):
            for name in ("cat", "dog"):
                (tmp_path / split / name).mkdir(parents=True)
                for n in range(count):
                    photograph(n).save(tmp_path / split / name / f"{n}.jpg")
        came = Came()
        dls = ImageDataLoaders.from_folder(
            tmp_path, valid="valid", item_tfms=RandomResizedCrop(FULL, min_scale=0.5),
            batch_tfms=[came, *aug_transforms()], bs=4, num_workers=0,
            device="cpu",
        )  # fmt: skip
        dls = sized(dls)
        _, resize, seen = fit(dls, came)
        assert seen.train == steps(resize, 3, 5)
        assert dls.vocab == ["cat", "dog"]

    def test_datasets(self) -> None:
        came = Came()
        images = [photograph, Resize(40), RandomCrop(FULL)]
        data = Datasets(
            range(COUNT), [images, [label, Categorize()]],
            splits=[list(range(22)), list(range(22, 26))],
        )  # fmt: skip
        dls = data.dataloaders(
            bs=4, after_item=[ToTensor], after_batch=[IntToFloatTensor, came],
            num_workers=0, device="cpu",
        )  # fmt: skip
        _, resize, seen = fit(sized(dls), came)
        assert seen.train == steps(resize, 3, 5)

    def test_one_list_of_transformed_items(self) -> None:
        items = TfmdLists(range(8), [photograph, Resize(FULL), ToTensor])
        loader = sized(TfmdDL(items, bs=4, num_workers=0, after_batch=IntToFloatTensor))
        assert {batch.shape[-1] for batch in loader} == {FULL}
        told = loader.create_batches.__self__.ahead
        told.tell([Size(16, 16), Size(24, 24)], Size(FULL, FULL))
        assert [batch.shape[-1] for batch in loader] == [16, 24]

    def test_masks(self) -> None:
        def mask(index: int) -> PILMask:
            return PILMask.create(np.asarray(photograph(index))[..., 0] // 64)

        block = DataBlock(
            (ImageBlock, MaskBlock(codes=["a", "b", "c", "d"])),
            get_x=photograph, get_y=mask, splitter=IndexSplitter([24, 25]),
            item_tfms=Resize(FULL), batch_tfms=aug_transforms(),
        )  # fmt: skip
        dls = sized(block.dataloaders(range(26), bs=4, num_workers=0, device="cpu"))
        resize, seen = callback(), Seen()
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
        loss = CrossEntropyLossFlat(axis=1)
        learn = learner(
            dls, resize, seen, model=model, loss_func=loss,
            splitter=lambda m: [list(m.parameters())],
        )  # fmt: skip
        learn.fit(3)
        assert seen.train == steps(resize, 3, 6)
        assert all(y[0].shape[-2:] == x[0].shape[-2:] for x, y in seen.batches)
        assert {int(value) for _, y in seen.batches for value in y[0].unique()} == {
            0, 1, 2, 3,
        }  # fmt: skip
        assert resize.mismatched == 0

    def test_items_that_come_one_after_the_other(self) -> None:
        class Stream(IterableDataset[Any]):
            n_inp = 1

            def __iter__(self) -> Any:
                return ((photograph(n), torch.tensor(n % 2)) for n in range(COUNT))

        came, resize, seen = Came(), callback(final_size=FULL), Seen()
        came.split_idx = None
        loaders = [
            TfmdDL(
                Stream(), bs=4, n=COUNT, num_workers=0, device="cpu",
                after_item=[Resize(FULL), ToTensor], after_batch=after_batch,
            )
            for after_batch in ([IntToFloatTensor, came], [IntToFloatTensor])
        ]  # fmt: skip
        dls = sized(DataLoaders(*loaders, device="cpu"), resize)
        learn = learner(dls, resize, seen)
        came.sizes.clear()
        learn.fit(3)
        assert came.sizes == seen.train == steps(resize)
        assert resize.mismatched == 0

    def test_batches_that_come_ready_made(self) -> None:
        class Batches:
            def __len__(self) -> int:
                return 6

            def __getitem__(self, index: int) -> Any:
                sample = current_size()
                side = FULL if sample is None else sample.size.width
                return TensorImage(torch.rand(4, 3, side, side)), torch.zeros(4).long()

        def nothing(loader: Any, size: Size) -> None:
            pass

        resize, seen = callback(), Seen()
        loaders = [TfmdDL(Batches(), bs=None, num_workers=n) for n in (2, 0)]
        dls = sized(DataLoaders(*loaders, device="cpu"), set_size=nothing)
        learner(dls, resize, seen).fit(3)
        assert seen.train == steps(resize, 3, 6)
        assert resize.mismatched == 0

    def test_loaders_of_pytorch(self) -> None:
        train = TorchLoader(Two(), 4, num_workers=2, persistent_workers=True)
        valid = TorchLoader(Two(), 4)
        dls = sized(DataLoaders(train, valid, device="cpu"))
        resize, seen = callback(), Seen()
        learner(dls, resize, seen, GradientAccumulation(n_acc=8)).fit(4)
        assert len(set(seen.train)) >= 4
        assert len(seen.train) == 4 * BATCHES
        assert resize.mismatched == 0
        assert {images.shape[-1] for images, _ in dls.train} == {FULL}

    @pytest.mark.parametrize("kind", [TfmdDL, DataLoader])
    def test_a_dataset_with_transforms_of_its_own(self, kind: Any) -> None:
        class Own:  # not PyTorch's Dataset
            transform = None

            def __init__(self) -> None:
                self.transform = v2.Compose([v2.Resize(40), v2.CenterCrop(FULL)])

            def __len__(self) -> int:
                return COUNT

            def __getitem__(self, index: int) -> Any:
                image = torch.rand(3, 50, 60)
                return TensorImage(self.transform(image)), index % 2

        loaders = [kind(Own(), bs=4, num_workers=0) for _ in range(2)]
        resize, seen = callback(), Seen()
        learner(sized(DataLoaders(*loaders, device="cpu")), resize, seen).fit(3)
        assert seen.train == steps(resize)
        assert resize.mismatched == 0

    def test_transforms_of_torchvision(self) -> None:
        came = Came()
        images = [photograph, v2.Resize(40), v2.RandomCrop(FULL), ToTensor]
        data = Datasets(
            range(COUNT), [images, [label, Categorize()]],
            splits=[list(range(22)), list(range(22, 26))],
        )  # fmt: skip
        dls = data.dataloaders(
            bs=4, after_batch=[IntToFloatTensor, came], num_workers=0, device="cpu"
        )
        _, resize, seen = fit(sized(dls), came)
        assert seen.train == steps(resize, 3, 5)

    def test_files_are_decoded_at_the_size_that_is_needed(self, tmp_path: Path) -> None:
        decoded = []

        class Photograph(PILImage):
            @classmethod
            def create(cls, fn: Path, **_: Any) -> Any:
                image = open_image(fn)
                decoded.append(image.size)
                return cls(image)

        for n in range(COUNT):
            photograph(n).resize((96, 80)).save(tmp_path / f"{n:02}.jpg")
        block = DataBlock(
            (ImageBlock(Photograph), CategoryBlock(vocab=[0, 1])),
            get_items=lambda path: sorted(path.glob("*.jpg")),
            get_y=lambda path: int(path.stem) % 2,
            splitter=IndexSplitter([24, 25]),
            item_tfms=Resize(FULL),
        )
        dls = sized(block.dataloaders(tmp_path, bs=4, num_workers=0, device="cpu"))
        resize, seen = callback(resize_valid=False), Seen()
        learn = learner(dls, resize, seen)
        decoded.clear()
        learn.fit(3)
        assert seen.train == steps(resize, 3, 6)
        assert set(decoded) == {(96, 80), (48, 40)}
        assert resize.mismatched == 0
        decoded.clear()
        learn.get_preds()
        assert set(decoded) == {(96, 80)}


def samples(loader: Any, epochs: int = 2) -> list[torch.Tensor]:
    set_seed(3)
    return [
        torch.cat([each.as_subclass(Tensor).flatten().float() for each in batch])
        for _ in range(epochs)
        for batch in loader
    ]


@pytest.mark.parametrize("workers", [0, 2])
class TestSamples:
    def test_at_full_size_they_are_those_of_the_plain_loader(
        self, workers: int
    ) -> None:
        came: list[list[torch.Tensor]] = []

        class Batches(Callback):
            order = 8

            def before_batch(self) -> None:
                if self.training:
                    came[-1].append(self.xb[0].clone())

        for is_sized in (False, True):
            set_seed(3)
            dls = plain(RandomResizedCrop(FULL), num_workers=workers)
            dls = sized(dls) if is_sized else dls
            learn = learner(dls, callback(initial_size=1.0), Batches())
            came.append([])
            set_seed(4)
            learn.fit(2)
        assert len(came[0]) == 14
        assert all(map(torch.equal, *came))
        assert not torch.equal(came[0][0], came[0][7])

    def test_small_ones_are_those_of_small_transforms(self, workers: int) -> None:
        set_seed(2)
        expected = samples(plain(RandomResizedCrop(16), num_workers=workers).train)
        set_seed(2)
        loader = sized(plain(RandomResizedCrop(FULL), num_workers=workers).train)
        ahead = loader.create_batches.__self__.ahead
        ahead.tell([Size(16, 16)] * BATCHES, Size(FULL, FULL))
        assert all(map(torch.equal, expected, samples(loader)))


class TestOutsideOfTraining:
    def test_everything_is_at_full_size(self, tmp_path: Path) -> None:
        came, progress = Came(), callback()
        dls = small(Resize(FULL), None, came, resize=progress)
        learn = learner(dls, progress, seen := Seen(), path=tmp_path)
        came.sizes.clear()

        def full() -> bool:
            sizes, came.sizes = came.sizes, []
            return set(sizes) == {(FULL, FULL)}

        assert dls.one_batch()[0].shape[-1] == FULL
        learn.lr_find(num_it=8, show_plot=False)
        assert full()
        learn.fit(3)
        assert not full()
        assert set(seen.valid) == {(16, 16), (24, 24), (32, 32)}  # as without sized
        for run in (
            lambda: list(dls.train),
            lambda: learn.get_preds(ds_idx=0),
            lambda: learn.validate(ds_idx=0),
            lambda: dls.train.new(bs=2).one_batch(),
            lambda: dls.train.show_batch(show=False),
        ):
            run()
            assert full()
        assert learn.predict(photograph(3))[0] in ("0", "1")

    def test_validation_keeps_its_own_transforms(self) -> None:
        came = Came()
        dls = small(RandomResizedCrop(FULL), None, came)
        resize, seen = callback(resize_valid=False), Seen()
        assert dls.train.after_item.fs[0] is dls.valid.after_item.fs[0]
        learner(dls, resize, seen).fit(3)
        assert set(seen.valid) == {(FULL, FULL)}
        assert dls.train.after_item.fs[0].size == (FULL, FULL)

    @pytest.mark.parametrize("tfms", ["none", "aug"])
    def test_a_look_at_a_batch_during_training(self, tfms: str) -> None:
        looked = []

        class Look(Callback):
            def before_validate(self) -> None:
                looked.append(self.dls.train.one_batch()[0].shape[-1])

            def after_batch(self) -> None:
                if self.training:
                    self.dls.train.one_batch()

        dls = small(Resize(FULL), BATCH_TFMS[tfms](), num_workers=0)
        resize, seen = callback(), Seen()
        learner(dls, resize, seen, Look()).fit(3)
        if tfms == "none":  # others resize what they get in front of them
            assert looked == [FULL] * 3
        assert seen.train == steps(resize)
        assert resize.mismatched == 0

    @pytest.mark.parametrize("workers", [0, 2])
    def test_after_an_interruption(self, workers: int) -> None:
        class Interrupt(Callback):
            def after_batch(self) -> None:
                if self.iter == 3:
                    raise KeyboardInterrupt

        dls = small(Resize(FULL), num_workers=workers)
        learn = learner(dls, callback())
        with pytest.raises(KeyboardInterrupt):
            learn.fit(3, cbs=Interrupt())
        assert {images.shape[-1] for images, _ in dls.train} == {FULL}

    def test_a_copy_and_an_export_need_nothing_of_upsize(self, tmp_path: Path) -> None:
        dls = small(Resize(FULL))
        learn = learner(dls, callback(), path=tmp_path)
        learn.remove_cb(Seen)
        learn.fit(1)
        del learn.logger
        learn.logger = print
        learn.export()
        assert b"upsize" not in (tmp_path / "export.pkl").read_bytes()
        loaded = load_learner(tmp_path / "export.pkl")
        assert loaded.predict(photograph(3))[0] in ("0", "1")

    def test_the_loader_is_not_changed(self) -> None:
        dls = plain(Resize(FULL))
        before = [dict(vars(loader)) for loader in dls.loaders]
        new = sized(dls)
        assert [vars(loader) for loader in dls.loaders] == before
        assert type(new) is type(dls)
        assert new.valid is dls.valid
        assert new.train is not dls.train
        new.add_tfms([FlipItem()], "after_item", [0])
        assert len(new.train.after_item.fs) == len(dls.train.after_item.fs) + 1
        assert vars(new.train).keys() - vars(dls.train).keys() == {
            "create_batches", "new",
        }  # fmt: skip


class TestMethodsOfTheUser:
    def test_are_kept(self) -> None:
        calls: list[str] = []

        def create_batches(samples: Any) -> Any:
            calls.append("create_batches")
            return ([index] for index in samples)

        loader = DataLoader(
            [1, 2, 3], bs=1, create_batches=create_batches,
            before_iter=lambda: calls.append("before_iter"),
        )  # fmt: skip
        new = sized(loader, callback(final_size=8), set_size=lambda *_: None)
        assert list(new) == list(new.new()) == list(loader)
        assert calls == ["before_iter", "create_batches"] * 3

    def test_are_bound_to_the_new_loader(self) -> None:
        class Own(DataLoader):
            def shout(self, x: Any) -> Any:
                return x, self.bs

        loader = Own([1, 2, 3], bs=1)
        loader.after_batch = loader.shout
        new = sized(loader, callback(final_size=8), set_size=lambda *_: None)
        new.bs = 3
        assert new.after_batch(0) == (0, 3)
        assert loader.after_batch(0) == (0, 1)


class Sides:
    """A dataset that takes a size by itself."""

    def __init__(self, side: int = FULL) -> None:
        self.side = side

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Any:
        return TensorImage(torch.rand(3, self.side, self.side)), index % 2


def set_side(loader: Any, size: Size) -> None:
    loader.dataset.side = size.width


def nothing(loader: Any, size: Size) -> None:
    pass


def too_small(loader: Any, size: Size) -> None:
    loader.dataset.side = 17 if size.width < FULL else FULL


def of_sides(workers: int = 0, batch_tfms: Any = None, **more: Any) -> Any:
    loaders = [
        TfmdDL(Sides(), bs=4, num_workers=n, after_batch=batch_tfms)
        for n in (workers, 0)
    ]
    return sized(DataLoaders(*loaders, device="cpu"), **more)


class TestSetSize:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_sizes(self, workers: int) -> None:
        dls, resize, seen = of_sides(workers, set_size=set_side), callback(), Seen()
        learner(dls, resize, seen).fit(3)
        assert seen.train == steps(resize)
        assert resize.mismatched == 0
        assert dls.train.dataset.side == FULL

    def test_what_keeps_its_size_is_corrected_by_batch_transforms(self) -> None:
        dls = of_sides(0, BATCH_TFMS["aug"](), set_size=nothing)
        resize, seen = callback(), Seen()
        assert resize.mismatched == 0
        with pytest.warns(
            UserWarning, match=r"\d+ batches came from the sized"
        ) as told:
            learner(dls, resize, seen).fit(3)
        assert len(told) == 2  # after the first epoch, and all of them at the end
        assert seen.train == steps(resize)
        assert resize.mismatched == sum(size != (FULL, FULL) for size in seen.train)
        assert str(told[1].message).startswith(f"{resize.mismatched} batches")

    def test_a_size_that_no_step_has_is_refused(self) -> None:
        dls = of_sides(0, BATCH_TFMS["aug"](), set_size=too_small)
        with pytest.raises(ValueError, match="images are never enlarged"):
            learner(dls, callback()).fit(3)
        assert dls.train.dataset.side == FULL


class TestRefused:
    def test_no_loader(self) -> None:
        with pytest.raises(TypeError, match="not a list"):
            sized([])

    def test_no_callback(self) -> None:
        with pytest.raises(TypeError, match="not a Phases"):
            small(Resize(FULL), resize=Phases(phases=[(0, 32)]))

    def test_twice(self) -> None:
        dls = small(Resize(FULL))
        with pytest.raises(ValueError, match="sized already"):
            sized(dls)
        loader = sized(TorchLoader(Images(), 4))
        with pytest.raises(ValueError, match="sized already"):
            sized(loader)

    def test_a_distributed_loader(self) -> None:
        loader = DistributedDL(plain(Resize(FULL)).train, rank=0, world_size=2)
        with pytest.raises(TypeError, match="before the learner is distributed"):
            sized(loader)

    def test_no_transform_with_a_size(self) -> None:
        with pytest.raises(ValueError, match=r"(?s)training loader.*Flip.*set_size"):
            small(FlipItem())
        # Batch transforms alone leave the workers nothing to do.
        with pytest.raises(ValueError, match="no transform of the training loader"):
            of_sides(batch_tfms=aug_transforms(size=FULL))

    @pytest.mark.parametrize("crop", [CropPad, RandomCrop])
    def test_a_crop_without_a_resize(self, crop: Any) -> None:
        name = crop.__name__
        with pytest.raises(
            ValueError, match=f"{name} crops without resizing.*put a Resize before it"
        ):
            small(crop(FULL))

    def test_a_size_that_is_not_known(self) -> None:
        class Squeeze(RandTransform):
            def __init__(self, size: int) -> None:
                super().__init__()
                self.size = size

        with pytest.raises(ValueError, match=r"Squeeze has size=24.*set_size"):
            small([Resize(FULL), Squeeze(24)])

    def test_another_final_size(self) -> None:
        with pytest.raises(ValueError, match=r"final_size 24x24.*Resize.size=\(32, 32"):
            small(Resize(FULL), resize=callback(final_size=24))
        dls = small(Resize(FULL))
        with pytest.warns(UserWarning, match="final_size is 24x24"):  # noqa: SIM117
            with pytest.raises(ValueError, match="final_size 24x24"):
                learner(dls, callback(final_size=24)).fit(1)
        dls = sized(DataLoaders(TorchLoader(Images(), 4), []))
        with pytest.warns(UserWarning, match="final_size is 24x24"):  # noqa: SIM117
            with pytest.raises(ValueError, match="final_size 24x24"):
                learner(dls, callback(final_size=24)).fit(1)

    def test_a_final_size_that_nothing_tells(self) -> None:
        class Stream(IterableDataset[Any]):
            def __iter__(self) -> Any:
                return iter([])

        loader = TfmdDL(Stream(), bs=4, n=8, num_workers=0, after_item=Resize(FULL))
        dls = sized(DataLoaders(loader, []))
        with pytest.raises(ValueError, match=r"full size is not known.*final_size="):
            learner(dls, callback()).fit(1)

    def test_a_step_that_would_enlarge(self) -> None:
        dls = small(Resize(FULL), aug_transforms(size=FULL))
        with pytest.raises(ValueError, match="leave add_resize out"):
            learner(dls, callback(add_resize=True)).fit(1)

    def test_targets_that_follow_the_images(self) -> None:
        dls = small(Resize(FULL))
        with pytest.raises(ValueError, match=r"resize_targ=True.*PILMask"):
            learner(dls, callback(resize_targ=True)).fit(1)

    def test_a_loader_of_pytorch_that_is_made_again(self) -> None:
        class DistributedTrainer(Callback):
            order = 11

        dls = sized(DataLoaders(TorchLoader(Images(), 4), []))
        with pytest.raises(ValueError, match="TfmdDL"):
            learner(dls, callback(), DistributedTrainer()).fit(1)


def test_transforms_for_another_split_are_left_alone() -> None:
    from upsize.fastai._item_tfms import ItemTransforms

    loader = plain([Resize(FULL), RandomResizedCrop(64, split_idx=1)]).train
    found = find_pixels(ItemTransforms(loader))
    assert [(type(each.owner), each.measure) for each in found] == [(Resize, "turned")]


def test_a_loader_goes_to_spawned_workers() -> None:
    dls = small(Resize(FULL), set_size=set_side)
    dls.train.create_batches.__self__.ahead.tell([Size(16, 16)], Size(FULL, FULL))
    loader = copy.deepcopy(dls.train)
    assert loader.create_batches.__self__ is not dls.train.create_batches.__self__
    assert loader.create_batches.__self__.ahead.sizes == ((16, 16),)
    sides = sized(TfmdDL(Sides(), bs=4, num_workers=0), set_size=set_side)
    sides.create_batches.__self__.ahead.tell([Size(16, 16)] * 7, Size(FULL, FULL))
    loaded = pickle.loads(pickle.dumps(sides))
    assert {images.shape[-1] for images, _ in loaded} == {16}
    assert loaded.dataset.side == FULL


def test_spawned_workers() -> None:
    script = Path(__file__).with_name("sized_spawned.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=900,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["came"] == report["planned"]
    assert len(set(report["came"])) >= 3
    assert report["corrected"] == 0


def test_the_callback_tells_what_it_was_given() -> None:
    assert ProgressiveResize().final_size is None
    assert ProgressiveResize(final_size=FULL).final_size == (FULL, FULL)
    schedule = Phases(phases=[(0, 16), (1, (32, 48))])
    assert ProgressiveResize(schedule=schedule).final_size == (32, 48)
