"""Whatever fastai trains on: loaders, containers, targets and loggers."""

from __future__ import annotations

import csv
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.progress import CSVLogger, ProgressCallback
from fastai.callback.tensorboard import TensorBoardCallback
from fastai.data.block import DataBlock, RegressionBlock, TransformBlock
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.load import DataLoader as FastLoader
from fastai.data.transforms import IndexSplitter, Normalize
from fastai.distributed import DistributedDL
from fastai.losses import MSELossFlat
from fastai.torch_core import TensorImage, TensorMask
from fastai.vision.augment import Flip, RandomResizedCropGPU, Rotate, aug_transforms
from fastai.vision.core import PILMask, TensorBBox, TensorPoint
from fastai.vision.data import (
    BBoxBlock,
    BBoxLblBlock,
    ImageBlock,
    MaskBlock,
    PointBlock,
)
from tests.adapters.fastai.tools import (
    BATCHES,
    SIDE,
    TFMS,
    Seen,
    callback,
    images,
    learner,
    loaders,
    network,
    planned,
)
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    TensorDataset,
)

from upsize.fastai import ProgressiveResize
from upsize.fastai._batch_tfms import SizedPipeline
from upsize.fastai._peek import image_size
from upsize.resize import Resizer

FULL = (SIDE, SIDE)
RUN = range(4 * BATCHES)


def whole(model: nn.Module) -> list[nn.Parameter]:
    return list(model.parameters())


def tensors(n: int, *more: Tensor) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, 3, SIDE, SIDE, generator=generator)
    return TensorDataset(x, *more, torch.arange(n) % 2)


def fit(dls: Any, resize: Any, **more: Any) -> Seen:
    seen = Seen()
    learner(dls, resize, seen, **more).fit(4)
    assert seen.train == planned(resize, RUN)
    return seen


@pytest.mark.parametrize("given", [{}, {"final_size": SIDE}, {"add_resize": True}])
def test_loaders_of_pytorch(given: Any) -> None:
    dls = DataLoaders(
        DataLoader(tensors(16), 4, shuffle=True), DataLoader(tensors(4), 4),
        device="cpu",
    )  # fmt: skip
    seen = fit(dls, callback(**given))
    assert seen.valid == seen.train[3::4]


def test_a_loader_without_automatic_batches() -> None:
    data = [(torch.rand(4, 3, SIDE, SIDE), torch.tensor([0, 1, 0, 1]))] * 4
    fit(DataLoaders(DataLoader(data, None), [], device="cpu"), callback())  # type: ignore[arg-type]


class Together(Dataset[Any]):
    """Makes the samples of a batch in one go, and none alone."""

    def __len__(self) -> int:
        return 16

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [tensors(16)[index] for index in indices]


class Named(Dataset[Any]):
    """Has names in the place of numbers."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, name: str) -> Any:
        return tensors(16)[int(name.removeprefix("image "))]


class Batches(Dataset[Any]):
    """Makes batches, of lists of numbers."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, indices: list[int]) -> Any:
        return tensors(16)[indices[0] : indices[-1] + 1]


NAMES = [f"image {number}" for number in range(16)]
LISTS = [list(range(first, first + 4)) for first in (0, 4, 8, 12)]
SAMPLED: dict[str, Any] = {
    "batch sampler": lambda: DataLoader(
        tensors(16), batch_sampler=BatchSampler(RandomSampler(range(16)), 4, False)
    ),
    "lists": lambda: DataLoader(tensors(16), batch_sampler=LISTS),
    "together": lambda: DataLoader(Together(), batch_sampler=LISTS),
    "names": lambda: DataLoader(Named(), 4, sampler=NAMES),
    "batches": lambda: DataLoader(Batches(), None, sampler=LISTS),
}


@pytest.mark.parametrize("kind", SAMPLED)
@pytest.mark.parametrize("place", [0, 1])
def test_loaders_of_pytorch_with_samplers_of_any_kind(kind: str, place: int) -> None:
    both = [DataLoader(tensors(16), 4), DataLoader(tensors(16), 4)]
    both[place] = SAMPLED[kind]()
    seen = fit(DataLoaders(*both, device="cpu"), callback())
    assert len(seen.train) == len(seen.valid) == 4 * BATCHES


def test_a_broken_dataset_of_pytorch_shows_its_own_error() -> None:
    class Broken(Batches):
        def __getitem__(self, index: Any) -> Any:
            raise KeyError("not on this disk")

    dls = DataLoaders(DataLoader(Broken(), 4), [], device="cpu")
    with pytest.raises(KeyError, match="not on this disk") as caught:
        learner(dls, callback()).fit(1)
    assert "ProgressiveResize" not in str(caught.value)


@pytest.mark.parametrize("bs", [4, None])
def test_loaders_of_fastai_without_transforms(bs: int | None) -> None:
    batch = torch.rand(4, 3, SIDE, SIDE), torch.tensor([0, 1, 0, 1])
    data = list(tensors(16)) if bs else [batch] * 4
    fit(
        DataLoaders(FastLoader(data, bs=bs), FastLoader([], bs=4), device="cpu"),
        callback(),
    )


class Stream(IterableDataset[Any]):
    def __len__(self) -> int:
        return 16

    def __iter__(self) -> Any:
        return iter(tensors(16))


def test_a_stream_tells_its_size_by_its_first_batch(capsys: Any) -> None:
    dls = DataLoaders(DataLoader(Stream(), 4), [], device="cpu")
    fit(dls, ProgressiveResize())
    assert "16x16 until epoch 2" in capsys.readouterr().out


def test_the_frozen_part_of_fine_tune_with_a_stream() -> None:
    resize, seen = callback(), Seen()
    dls = DataLoaders(DataLoader(Stream(), 4), [], device="cpu")
    learner(dls, resize, seen).fine_tune(4, freeze_epochs=4)
    assert set(seen.train[: 4 * BATCHES]) == {(16, 16)}
    assert seen.train[4 * BATCHES :] == planned(resize, RUN)


def test_the_random_state_of_the_current_gpu_is_put_back(monkeypatch: Any) -> None:
    kept: list[Any] = []

    @contextmanager
    def keep(devices: Any) -> Any:
        kept.extend(devices)
        yield

    monkeypatch.setattr("upsize.fastai._peek.restoring_random_state", keep)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    loader = DataLoader(tensors(4), 4)
    assert image_size(loader, Resizer(), "these") == FULL
    assert kept == [torch.device("cuda", 1)]


def test_a_kind_of_mask_of_the_users_own() -> None:
    class Depth(TensorMask):
        pass

    pairs = [(x, Depth(torch.full((SIDE, SIDE), 3))) for x, _ in tensors(16)]
    dls = DataLoaders(FastLoader(pairs, bs=4), FastLoader([], bs=4), device="cpu")
    seen = fit(dls, callback(), model=Pixels(), splitter=whole, loss_func=lambda p, y: p.sum())  # fmt: skip
    assert all(x.shape[-2:] == y.shape[-2:] for (x,), (y,) in seen.batches)


@pytest.mark.parametrize("n_valid", [0, 4])
def test_with_and_without_validation_images(n_valid: int) -> None:
    seen = fit(loaders(TFMS["aug"](), n_valid=n_valid), callback())
    assert len(seen.valid) == (4 if n_valid else 0)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, one: Any, other: Any = None) -> Any:
        if isinstance(one, dict):
            one, other = one["image"], one["again"]
        assert one.shape == other.shape
        return self.net(one) + self.net(other)


def test_several_inputs() -> None:
    dls = DataLoaders(
        DataLoader(tensors(16, torch.rand(16, 3, SIDE, SIDE)), 4),
        DataLoader(tensors(4, torch.rand(4, 3, SIDE, SIDE)), 4), device="cpu",
    )  # fmt: skip
    fit(dls, callback(), model=TwoInputs(), splitter=whole)


def test_batches_with_a_dict() -> None:
    data = [({"image": x, "again": x, "id": 3}, y) for x, y in tensors(16)]
    dls = DataLoaders(DataLoader(data, 4), DataLoader(data[:4], 4), device="cpu")  # type: ignore[arg-type]
    fit(dls, callback(), model=TwoInputs(), splitter=whole)


@pytest.mark.parametrize("tfms", ["none", "aug"])
@pytest.mark.parametrize("size", [2, 1])
def test_a_part_of_the_batches_of_several_processes(
    tfms: str, size: int, monkeypatch: Any
) -> None:
    # Its broadcast between processes goes by way of a GPU.
    monkeypatch.setattr(DistributedDL, "_broadcast", lambda self, t, rank: t)
    dls = loaders(TFMS[tfms]())
    dls.loaders = [DistributedDL(dl, rank=0, world_size=size) for dl in dls.loaders]
    resize, seen = callback(), Seen()
    learner(dls, resize, seen).fit(4)
    assert seen.train == planned(resize, range(4 * BATCHES // size))
    assert seen.train[-1] == FULL


def test_the_length_is_taken_behind_the_distributed_trainer(
    monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(DistributedDL, "_broadcast", lambda self, t, rank: t)

    class DistributedTrainer(Callback):
        order = 11

        def before_fit(self) -> None:
            self.whole = self.dls.loaders
            self.learn.dls.loaders = [DistributedDL(dl, 0, 2) for dl in self.whole]

        def after_fit(self) -> None:
            self.learn.dls.loaders = self.whole

    resize, seen = ProgressiveResize(), Seen()
    learner(loaders(TFMS["sized"]()), resize, seen, DistributedTrainer()).fit(4)
    assert resize.plan is not None
    assert resize.plan.total_steps == 4 * BATCHES // 2
    assert seen.train == planned(resize, range(4 * BATCHES // 2))
    assert "until epoch 2," in capsys.readouterr().out


class Pixels(nn.Module):
    """A model of as many outputs as pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def masks(batch_tfms: Any) -> Any:
    pictures = images(20)
    block = DataBlock(
        (ImageBlock, MaskBlock(codes=list("abcde"))),
        get_x=lambda i: pictures[i],
        get_y=lambda i: PILMask.create((torch.arange(SIDE * SIDE).view(SIDE, SIDE) % 3 * 2).byte()),
        splitter=IndexSplitter(list(range(16, 20))), batch_tfms=batch_tfms,
    )  # fmt: skip
    return block.dataloaders(range(20), bs=4, num_workers=0, device="cpu")


@pytest.mark.parametrize(
    ("tfms", "add_resize"),
    [*((tfms, False) for tfms in TFMS), ("none", True), ("aug", True)],
)
def test_masks_follow_and_are_never_blended(tfms: str, add_resize: bool) -> None:
    dls = masks(TFMS[tfms]())
    from fastai.losses import CrossEntropyLossFlat

    seen = fit(
        dls, callback(add_resize=add_resize), model=Pixels(), splitter=whole,
        loss_func=CrossEntropyLossFlat(axis=1),
    )  # fmt: skip
    for (x,), (y,) in seen.batches:
        assert y.shape[-2:] == x.shape[-2:]
        assert y.dtype == torch.int64
        assert set(y.unique().tolist()) <= {0, 2, 4}
        assert isinstance(y, TensorMask)


@pytest.mark.parametrize("tfms", [None, "aug"])
def test_points_keep_their_place(tfms: Any) -> None:
    pictures = images(20)
    block = DataBlock(
        (ImageBlock, PointBlock), get_x=lambda i: pictures[i],
        get_y=lambda i: [[8.0, 24.0]], splitter=IndexSplitter(list(range(16, 20))),
        batch_tfms=aug_transforms(do_flip=False, max_rotate=0, max_zoom=1, max_warp=0) if tfms else None,
    )  # fmt: skip
    dls = block.dataloaders(range(20), bs=4, num_workers=0, device="cpu")
    seen = fit(dls, callback(), loss_func=MSELossFlat())
    for (x,), (y,) in seen.batches:
        assert isinstance(y, TensorPoint)
        assert torch.allclose(
            y.view(-1, 2).as_subclass(Tensor), torch.tensor([-0.5, 0.5])
        )
        if tfms is None and x.shape[-1] < SIDE:
            assert tuple(y.img_size) == tuple(x.shape[-2:])


def test_boxes_keep_their_place() -> None:
    pictures = images(20)
    block = DataBlock(
        (ImageBlock, BBoxBlock, BBoxLblBlock), n_inp=1,
        get_items=None, splitter=IndexSplitter(list(range(16, 20))),
        getters=[lambda i: pictures[i], lambda i: [[8.0, 8.0, 24.0, 16.0]], lambda i: ["a"]],
    )  # fmt: skip
    dls = block.dataloaders(range(20), bs=4, num_workers=0, device="cpu")
    seen = fit(dls, callback(), loss_func=lambda pred, boxes, labels: pred.sum())
    for (x,), (boxes, _) in seen.batches:
        assert isinstance(boxes, TensorBBox)
        expected = torch.tensor([-0.5, -0.5, 0.5, 0.0])
        assert torch.allclose(boxes.as_subclass(Tensor).view(-1, 4), expected)
        if x.shape[-1] < SIDE:
            assert tuple(boxes.img_size) == tuple(x.shape[-2:])


@pytest.mark.parametrize("kind", ["image", "image-3", "mask", "typed"])
@pytest.mark.parametrize("resize_targ", [False, True])
def test_targets_of_the_images_size(kind: str, resize_targ: bool) -> None:
    whole_size = torch.rand(16, 3, SIDE, SIDE)
    target = {
        "image": whole_size, "image-3": whole_size[:, 0].round(),
        "mask": (whole_size[:, 0] > 0.5).long() * 7,
        "typed": whole_size,
    }[kind]  # fmt: skip
    x = torch.rand(16, 3, SIDE, SIDE)
    pairs = [
        (TensorImage(a), TensorImage(b)) if kind == "typed" else (a, b)
        for a, b in zip(x, target, strict=True)
    ]
    found: list[Any] = []

    def loss(pred: Tensor, y: Tensor) -> Tensor:
        found.append((pred.shape[-2:], y))
        return pred.sum()

    dls = DataLoaders(FastLoader(pairs, bs=4), FastLoader([], bs=4), device="cpu")
    follows = resize_targ or kind == "typed"
    shown = ", ".join(map(str, target[:4].shape))
    with (
        nullcontext()
        if follows
        else pytest.warns(UserWarning, match="stays at full size") as caught
    ):
        fit(dls, callback(resize_targ=resize_targ), model=Pixels(), splitter=whole, loss_func=loss)  # fmt: skip
    if caught is not None:
        (warning,) = caught
        assert f"({shown}) has the size of the images and stays" in str(warning.message)
    for size, y in found:
        assert tuple(y.shape[-2:]) == (tuple(size) if follows else FULL)
        assert y.dtype == target.dtype
        if kind == "mask":
            assert set(y.unique().tolist()) <= {0, 7}
        if kind == "image-3":
            assert set(y.unique().tolist()) <= {0.0, 1.0}


TRANSFORMS: dict[str, Any] = {
    "none": lambda: None,
    "normalize": lambda: [Normalize.from_stats([0.5] * 3, [0.5] * 3, cuda=False)],
    "flip": lambda: [Flip()],
    "both": lambda: [Flip(), Normalize.from_stats([0.5] * 3, [0.5] * 3, cuda=False)],
    "aug": aug_transforms,
}


@pytest.mark.parametrize("tfms", TRANSFORMS)
@pytest.mark.parametrize("times", [1, 2])
def test_image_targets_follow_whatever_the_transforms_are(
    tfms: str, times: int
) -> None:
    pictures, targets = images(20), images(20, times * SIDE, times * SIDE)
    block = DataBlock(
        (ImageBlock, ImageBlock), get_x=lambda i: pictures[i], get_y=lambda i: targets[i],
        splitter=IndexSplitter(list(range(16, 20))), batch_tfms=TRANSFORMS[tfms](),
    )  # fmt: skip
    dls = block.dataloaders(range(20), bs=4, num_workers=0, device="cpu")
    seen = fit(dls, callback(), model=Pixels(), splitter=whole, loss_func=lambda p, y: p.sum() + y.sum())  # fmt: skip
    assert len(seen.batches) == 20
    for (x,), (y,) in seen.batches:
        assert tuple(y.shape[-2:]) == tuple(times * side for side in x.shape[-2:])


@pytest.mark.parametrize("times", [(2, 2), (3, 3), (2, 1)])
def test_larger_targets_without_a_type_are_resized_when_asked(times: Any) -> None:
    target = torch.rand(16, 3, times[0] * SIDE, times[1] * SIDE)
    pairs = list(zip(torch.rand(16, 3, SIDE, SIDE), target, strict=True))
    dls = DataLoaders(FastLoader(pairs, bs=4), FastLoader([], bs=4), device="cpu")
    seen = fit(dls, callback(resize_targ=True), model=Pixels(), splitter=whole, loss_func=lambda p, y: p.sum())  # fmt: skip
    for (x,), (y,) in seen.batches:
        side = x.shape[-1] if times[0] == times[1] else SIDE
        assert tuple(y.shape[-2:]) == (times[0] * side, times[1] * side)


@pytest.mark.parametrize("tfms", ["none", "flip"])
@pytest.mark.parametrize("sides", [1, 2])
def test_targets_without_a_type_stay_whatever_the_transforms_are(
    tfms: str, sides: int
) -> None:
    pictures = images(20)
    block = DataBlock(
        (ImageBlock, TransformBlock), get_x=lambda i: pictures[i],
        get_y=lambda i: torch.zeros(1, sides * SIDE, sides * SIDE),
        splitter=IndexSplitter(list(range(16, 20))), batch_tfms=TRANSFORMS[tfms](),
    )  # fmt: skip
    dls = block.dataloaders(range(20), bs=4, num_workers=0, device="cpu")
    says = pytest.warns(UserWarning, match="stays at full size")
    with says if sides == 1 else nullcontext():
        seen = fit(dls, callback(), model=Pixels(), splitter=whole, loss_func=lambda p, y: p.sum())  # fmt: skip
    for _, (y,) in seen.batches:
        assert tuple(y.shape[-2:]) == (sides * SIDE, sides * SIDE)


def test_what_is_resized_is_said_beside_more_than_labels(capsys: Any) -> None:
    x = torch.rand(16, 3, SIDE, SIDE)
    pairs = [(TensorImage(a), TensorImage(a)) for a in x]
    dls = DataLoaders(FastLoader(pairs, bs=4), FastLoader([], bs=4), device="cpu")
    fit(dls, callback(verbose=True), model=Pixels(), splitter=whole, loss_func=lambda p, y: p.sum())  # fmt: skip
    *_, last = capsys.readouterr().out.splitlines()
    assert last == 'resizing batch["xb"][0], batch["yb"][0] 3x32x32'


def test_numbers_and_nothing_as_targets() -> None:
    pictures = images(20)
    block = DataBlock(
        (ImageBlock, RegressionBlock), get_x=lambda i: pictures[i], get_y=lambda i: float(i),
        splitter=IndexSplitter(list(range(16, 20))),
    )  # fmt: skip
    dls = block.dataloaders(range(20), bs=4, num_workers=0, device="cpu")
    fit(dls, callback(preallocate_bs=3), loss_func=lambda p, y: (p[:, 0] - y).square().mean())  # fmt: skip


@pytest.mark.parametrize("tfms", ["none", "aug"])
@pytest.mark.parametrize("final", [40, 48, 56])
def test_fine_stripes_fade_instead_of_turning_coarse(tfms: str, final: int) -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(3, 64, 32)
    items = [(TensorImage(stripes), torch.tensor(0))] * 16
    still = aug_transforms(
        do_flip=False, max_rotate=0, max_zoom=1, max_warp=0, max_lighting=0
    )
    dl = TfmdDL(
        items, bs=4, num_workers=0, after_batch=still if tfms == "aug" else None
    )
    spread: list[float] = []

    class Spread(Callback):
        def before_batch(self) -> None:
            if self.xb[0].shape[-1] == final:
                spread.append(self.xb[0].std().item())

    resize = callback(initial_size=final, start=0.5, finish=0.5, final_size=64)
    dls = DataLoaders(dl, FastLoader([], bs=4), device="cpu")
    learner(dls, resize, Spread()).fit(2)
    assert len(spread) == 4
    assert max(spread) < 0.24  # 0.27 to 0.30 where pixels are only picked


def test_random_crops_are_cut_before_they_shrink() -> None:
    cut: list[Any] = []

    class Crop(RandomResizedCropGPU):
        def before_call(self, b: Any, split_idx: Any) -> None:
            first = b[0] if isinstance(b, tuple) else b
            cut.append((tuple(first.shape[-2:]), tuple(self.size)))
            super().before_call(b, split_idx)

    dls = loaders([Crop(SIDE, min_scale=0.5)])
    cut.clear()
    fit(dls, callback(resize_valid=False))
    assert {source for source, _ in cut} == {FULL}
    assert (16, 16) in {size for _, size in cut}


def test_transforms_of_two_sizes_keep_their_ratio() -> None:
    sizes: list[Any] = []

    class Turn(Rotate):
        def before_call(self, b: Any, split_idx: Any) -> None:
            sizes.append(self.size)
            super().before_call(b, split_idx)

    class Crop(RandomResizedCropGPU):
        def before_call(self, b: Any, split_idx: Any) -> None:
            sizes.append(tuple(self.size))
            super().before_call(b, split_idx)

    first, last = Turn(size=48), Crop(32, min_scale=0.9)
    dls = loaders([first, last], height=64, width=64)
    sizes.clear()
    fit(dls, callback(resize_valid=False))
    pairs = set(zip(sizes[::2], sizes[1::2], strict=True))
    assert pairs == {
        ((24, 24), (16, 16)),
        ((30, 30), (20, 20)),
        ((36, 36), (24, 24)),
        ((42, 42), (28, 28)),
        (48, (32, 32)),
    }
    assert (first.size, last.size) == (48, (32, 32))


def test_the_table_the_bar_and_the_loggers(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    comments: list[str] = []

    class Bar(Callback):
        order = 59

        def after_batch(self) -> None:
            if self.training:
                comments.append(self.progress.pbar.comment)

    resize = callback()
    learn = learner(
        loaders(), resize, Bar(),
        TensorBoardCallback(tmp_path / "tb", log_preds=False, trace_model=False),
        path=tmp_path,
    )  # fmt: skip
    # The writer of lines hands them on to the table, which must come first.
    learn.add_cbs([ProgressCallback(), CSVLogger()])
    learn.fit(4)
    assert [row[-1] for row in learn.recorder.values] == [16, 16, 28, 32]
    assert not learn.metrics
    with (tmp_path / "history.csv").open() as file:
        assert [row["size"] for row in csv.DictReader(file)] == ["16", "16", "28", "32"]
    events = EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    assert [event.value for event in events.Scalars("size")] == [16, 16, 28, 32]
    assert comments[0] == "16x16"
    assert comments[-1].endswith(", 32x32")
    assert len(comments) == 4 * BATCHES


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
def test_mixed_precision() -> None:
    from fastai.callback.fp16 import AMPMode, MixedPrecision

    resize, seen = callback(), Seen()
    mixed = MixedPrecision(amp_mode=AMPMode.BF16)
    learner(loaders(TFMS["aug"]()), resize, seen, mixed).fit(4)
    assert seen.train == planned(resize, RUN)


def test_a_pipeline_in_the_middle_of_a_fit_pickles_as_fastais_own() -> None:
    import pickle

    from fastai.data.core import Pipeline

    dls = loaders(TFMS["rrc"]())
    found: list[Any] = []

    class Spy(Callback):
        def before_batch(self) -> None:
            found.append(self.dls.train.after_batch)

    fit_seen = learner(dls, callback(), Spy())
    fit_seen.fit(2)
    assert type(found[0]) is SizedPipeline
    loaded = pickle.loads(pickle.dumps(found[0]))
    assert type(loaded) is Pipeline
    assert [t.name for t in loaded.fs] == [t.name for t in dls.train.after_batch.fs]


def test_a_stream_of_fastai_with_transforms() -> None:
    class Typed(Stream):
        def __iter__(self) -> Any:
            return ((TensorImage(x), y) for x, y in super().__iter__())

    dl = TfmdDL(Typed(), bs=4, num_workers=0, after_batch=aug_transforms())
    fit(DataLoaders(dl, FastLoader([], bs=4), device="cpu"), callback())


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(torch.rand(8, 3, SIDE, SIDE), 4),  # type: ignore[arg-type]
        FastLoader(list(tensors(8)), bs=4),
    ],
)
def test_the_size_of_loaders_without_labels_or_device(loader: Any) -> None:
    assert image_size(loader, Resizer(), "these") == FULL


def test_points_that_know_no_size() -> None:
    batch = TensorImage(torch.rand(4, 3, SIDE, SIDE)), TensorPoint(torch.rand(4, 1, 2))
    small, points = Resizer()(batch, 16)
    assert small.shape[-1] == 16
    assert points is batch[1]
