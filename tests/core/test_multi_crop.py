"""Self-supervised training in stages as one run: global and local crops, and a teacher."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models import VisionTransformer
from torchvision.transforms import v2

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.models import adapt
from upsize.resize import Resizer
from upsize.schedule import Phases, presets

FULL, LOCAL, PATCH = 64, 32, 8


class MultiCrop:
    def __init__(self, local: int = LOCAL) -> None:
        self.large = v2.RandomResizedCrop(FULL, scale=(0.4, 1.0))
        self.small = v2.RandomResizedCrop(local, scale=(0.1, 0.4))

    def __call__(self, image: Any) -> Any:
        return [self.large(image) for _ in range(2)] + [self.small(image)] * 2


class Images(Dataset[Any]):
    def __init__(self, transform: Any, form: str = "list") -> None:
        self.transform, self.form = transform, form

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        image = torch.rand(3, 80, 80, generator=torch.Generator().manual_seed(index))
        views = self.transform(image)
        if self.form == "list":
            return views
        if self.form == "label":
            return views, index
        return {"global_crops": views[:2], "local_crops": views[2:]}


def sides(batch: Any, form: str) -> list[int]:
    if form == "dict":
        batch = [*batch["global_crops"], *batch["local_crops"]]
    return [view.shape[-1] for view in (batch[0] if form == "label" else batch)]


@pytest.mark.parametrize("form", ["list", "label", "dict"])
@pytest.mark.parametrize("loading", ["device", "sized"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "crop"])
def test_each_crop_keeps_its_share(mode: Any, loading: str, form: str) -> None:
    loader = DataLoader(Images(MultiCrop(), form), 4)
    resize = ProgressiveResize(
        presets.fastdinov2(FULL), epochs=4, steps_per_epoch=2,
        resizer=Resizer(mode=mode, seed=1),
    )  # fmt: skip
    if loading == "sized":
        loader = sized(loader, resize)
    found = [sides(batch, form) for _ in range(4) for batch in resize.batches(loader)]
    assert found == [[32, 32, 16, 16]] * 6 + [[64, 64, 32, 32]] * 2
    assert resize.mismatched == 0


def first_batch(schedule: Any, mode: Any, loading: str) -> list[int]:
    resize = ProgressiveResize(schedule, total_steps=4, resizer=Resizer(mode=mode))
    loader = DataLoader(Images(MultiCrop(local=24)), 4)
    loader = sized(loader, resize) if loading == "sized" else loader
    return sides(next(iter(resize.batches(loader))), "list")


@pytest.mark.parametrize("loading", ["device", "sized"])
def test_a_share_of_no_whole_pixels(loading: str) -> None:
    schedule = Phases(phases=((0, 44), (0.5, FULL)))
    assert first_batch(schedule, "bilinear", loading)[2] in (16, 17)  # of 16.5
    with pytest.raises(ValueError, match="give the schedule multiple_of=8"):
        first_batch(schedule, "crop", loading)


def new_student() -> nn.Module:
    torch.manual_seed(0)
    return VisionTransformer(FULL, PATCH, 1, 2, 16, 16, num_classes=8)


def train(*epochs: int, resume: Any = None) -> tuple[dict[str, Any], Any]:
    """Train a student and a teacher; return all states, and the run."""
    student = new_student()
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2)
    resize = ProgressiveResize(presets.fastdinov2(FULL), epochs=4, steps_per_epoch=2)
    loader = sized(DataLoader(Images(MultiCrop()), 4), resize)
    parts = {
        "student": student, "teacher": teacher, "optimizer": optimizer, "run": resize,
    }  # fmt: skip
    for name, part in parts.items():
        if resume is not None:
            part.load_state_dict(resume[name])  # type: ignore[attr-defined]
    parameters = dict(student.named_parameters())
    with adapt(student, resize.plan), adapt(teacher, resize.plan):
        for epoch in epochs:
            torch.manual_seed(epoch)
            for views in resize.batches(loader):
                targets = [teacher(view).softmax(-1) for view in views[:2]]
                found = [student(view).log_softmax(-1) for view in views]
                pairs = [(t * f).sum() for t in targets for f in found]
                (-torch.stack(pairs).sum()).backward()
                optimizer.step()
                optimizer.zero_grad()
                with torch.no_grad():
                    both = zip(teacher.parameters(), student.parameters(), strict=True)
                    for mine, its in both:
                        mine.lerp_(its, 0.1)
    # The optimizer and the average know them.
    assert all(each is parameters[name] for name, each in student.named_parameters())
    state = {name: part.state_dict() for name, part in parts.items()}  # type: ignore[attr-defined]
    return copy.deepcopy(state), resize


def test_stages_are_one_run() -> None:
    state, resize = train(0, 1, 2, 3)
    plain = new_student()
    assert resize.size == (FULL, FULL)
    for name in ("student", "teacher"):
        # Checkpoints are those of the plain model.
        assert all(value.isfinite().all() for value in state[name].values())
        plain.load_state_dict(state[name])
    small = train(0)[0]["student"]["encoder.pos_embedding"]
    assert not torch.equal(small, new_student().state_dict()["encoder.pos_embedding"])


@pytest.mark.parametrize("done", [1, 3])
def test_a_resumed_run_has_the_same_teacher(done: int) -> None:
    whole, _ = train(0, 1, 2, 3)
    half, _ = train(*range(done))
    rest, resize = train(*range(done, 4), resume=half)
    assert resize.size == (FULL, FULL)
    for name in ("student", "teacher"):
        for key, value in whole[name].items():
            assert torch.equal(value, rest[name][key]), key
