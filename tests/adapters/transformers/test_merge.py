"""A Trainer counts plain batches, and weighs the losses of merged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from tests.adapters.transformers.tools import (
    SIDE,
    Images,
    Net,
    arguments,
    resnet,
    segformer,
    vit,
)
from torch import nn
from torch.utils.data import IterableDataset
from torchvision.transforms.v2 import CenterCrop, Compose, Resize
from transformers import Trainer, TrainerCallback

from upsize.resize import Resizer
from upsize.schedule import Phases, Size
from upsize.transformers import ProgressiveResize, attach
from upsize.transformers._merged import MergedSteps, first_alone

GROWS = Phases(phases=((0.0, 16), (0.6, 32)))  # four batches have the pixels of one

_TIMES = {"runtime", "per"}


class Merging(ProgressiveResize, Trainer):
    """Without a training step of its own."""


class Counts(TrainerCallback):
    """Notes the calls of a Trainer, and those of its model."""

    def __init__(self, model: nn.Module) -> None:
        self.calls: list[str] = []
        self.passes: list[int] = []  # the images of each with gradients
        model.register_forward_pre_hook(self.note, with_kwargs=True)

    def note(self, model: Any, args: Any, kwargs: Any) -> None:
        if torch.is_grad_enabled():
            self.passes.append(len(kwargs["pixel_values"]))

    def on_substep_end(self, *_: Any, **__: Any) -> None:
        self.calls.append("substep")

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.calls.append("step")


class Run:
    """A training of three epochs of five batches, in float64 and without BatchNorm."""

    def __init__(
        self, folder: Path, merge: Any, model: nn.Module, data: Any = None, *,
        kind: Any = Merging, options: dict[str, Any] | None = None, **more: Any,
    ) -> None:  # fmt: skip
        model.double()
        for module in model.modules():
            for name, child in list(module.named_children()):
                if type(child).__name__.endswith(("Norm2d", "Dropout", "DropPath")):
                    setattr(module, name, nn.Identity())
        data = Images(18) if data is None else data
        data.images = data.images.double()
        self.counts = Counts(model)
        loss = more.pop("compute_loss_func", None)
        settings = {
            "gradient_accumulation_steps": 4, "num_train_epochs": 3, "logging_steps": 1,
        }  # fmt: skip
        self.made = kind(
            model, arguments(folder, **settings | more), train_dataset=data,
            callbacks=[self.counts], compute_loss_func=loss, schedule=GROWS,
            verbose=False, merge=merge, **options or {},
        )  # fmt: skip

    def train(self, **how: Any) -> Run:
        self.made.train(**how)
        return self

    @property
    def log(self) -> list[dict[str, Any]]:
        rows = self.made.state.log_history
        return [
            {k: v for k, v in row.items() if not _TIMES & {*k.split("_")}}
            for row in rows[:-1]
        ]


def check(plain: Run, merged: Run) -> None:
    """Compare the weights and what is logged."""
    for one, other in zip(
        plain.made.model.parameters(), merged.made.model.parameters(), strict=True
    ):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-9)
    assert merged.counts.calls == plain.counts.calls
    assert len(merged.log) == len(plain.log)
    for mine, theirs in zip(plain.log, merged.log, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-5)
    one, other = plain.made.state, merged.made.state
    assert other.global_step == one.global_step
    assert other.total_flos == one.total_flos
    assert other.num_input_tokens_seen == one.num_input_tokens_seen
    assert sum(merged.counts.passes) == sum(plain.counts.passes)


class Several(Images):
    """Each image may have several labels."""

    def __getitem__(self, index: int) -> Any:
        labels = nn.functional.one_hot(self.labels[index], 2).double()
        return {"pixel_values": self.images[index], "labels": labels}


def total(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    loss = nn.functional.cross_entropy(outputs["logits"], labels, reduction="sum")
    return loss / num_items_in_batch.item()


def mean(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    return nn.functional.cross_entropy(outputs["logits"], labels)


def mixed(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    return total(outputs, labels, num_items_in_batch) + mean(outputs, labels)


KINDS: dict[str, dict[str, Any]] = {
    "a mean": {"model": Net},
    "a sum over the items of the window": {"model": vit},
    "a mean of a model that is given the items": {
        "model": lambda: vit(problem_type="multi_label_classification"),
        "data": Several(18),
    },
    "a mean of a model that is not": {"model": resnet},
    "a function of a sum": {"model": Net, "compute_loss_func": total},
    "a function of a mean": {"model": Net, "compute_loss_func": mean},
    "smoothed labels": {"model": vit, "label_smoothing_factor": 0.1},
    "tokens that are counted": {"model": vit, "include_num_input_tokens_seen": True},
    "pixels": {
        "model": segformer, "data": Images(18, masks=True),
        "options": {"resizer": Resizer(targets={"labels": "mask"})},
        "remove_unused_columns": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_loss(kind: str, tmp_path: Path) -> None:
    settings = dict(KINDS[kind])
    model = settings.pop("model")
    plain = Run(tmp_path, False, model(), **settings).train()
    merged = Run(tmp_path, True, model(), **settings).train()
    check(plain, merged)
    # A window of four batches, and one that is short.
    assert plain.counts.passes == [4, 4, 4, 4, 2] * 3
    assert merged.counts.passes == [16, 2, 16, 2, 4, 4, 4, 4, 2]


def test_a_loss_of_several_parts_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path, True, Net(), compute_loss_func=mixed)
    with pytest.raises(
        ValueError, match=r"only a part of the loss is divided by"
    ) as at:
        run.train()
    assert "(with twice as many it is 0.75 times" in str(at.value)


def test_a_loss_that_tells_nothing(tmp_path: Path) -> None:
    """It is asked again, with the next merged batch."""

    def nothing(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        return outputs["logits"].sum() * 0

    run = Run(tmp_path, True, Net(), compute_loss_func=nothing).train()
    assert {row["loss"] for row in run.log if "loss" in row} == {0.0}


def test_the_probe_leaves_no_trace(tmp_path: Path) -> None:
    """The loss is tried with twice the items: weights, buffers and draws stay."""
    loss = Scored()
    run = Run(tmp_path, True, Net(), compute_loss_func=loss)
    before = [value.clone() for value in run.made.model.state_dict().values()]
    batch = {
        "pixel_values": torch.rand(4, 3, 16, 16, dtype=torch.float64),
        "labels": torch.zeros(4, dtype=torch.long),
    }
    state = torch.get_rng_state()
    steps = MergedSteps(run.made, True)
    assert not steps._sums(batch, torch.tensor(4.0))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, before, run.made.model.state_dict().values()))
    assert loss.calls.item() == 0
    assert sorted(batch) == ["labels", "pixel_values"]


class Scored(nn.Module):
    """A loss with a buffer that counts its calls, and random noise."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.calls: Any

    def forward(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        self.calls += 1
        return mean(outputs, labels) * torch.rand(())


class Own(Trainer):
    """With a training step that does the backward pass itself."""

    def training_step(self, model: Any, inputs: Any, *_: Any) -> Any:  # type: ignore[override]
        loss: Any = self.compute_loss(model, self._prepare_inputs(inputs))
        torch.autograd.backward(loss)
        return loss.detach()


class OwnAfter(ProgressiveResize, Own):
    """The mixin comes first."""


class OwnBefore(ProgressiveResize, Trainer):
    """The step of the class itself comes first."""

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        return super().training_step(*args, **kwargs)


def test_a_training_step_of_your_own(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Own\w* does not call accelerator\.backward"):
        Run(tmp_path, True, Net(), kind=OwnAfter).train()
    Run(tmp_path, False, Net(), kind=OwnAfter).train()
    with pytest.raises(ValueError, match="OwnBefore has a training_step of its own"):
        Run(tmp_path, True, Net(), kind=OwnBefore)
    Run(tmp_path, False, Net(), kind=OwnBefore)


class Small(Net):
    """Runs out of memory with more than six images."""

    def forward(self, pixel_values: Any, labels: Any = None) -> Any:
        if len(pixel_values) > 6:
            raise RuntimeError("CUDA out of memory.")
        return super().forward(pixel_values, labels)


def test_a_search_for_the_batch_size(tmp_path: Path) -> None:
    """A smaller batch is merged as well, in as many pixels."""
    more = {"auto_find_batch_size": True, "gradient_accumulation_steps": 2}
    run = Run(tmp_path, 8, Small(), Images(12), **more).train()
    # Accelerate 1.3 halves the batch of 4, newer ones take a tenth of it off.
    passes = {3: [8, *[6, 6] * 2, *[3] * 4], 2: [8, *[4] * 6, *[2] * 6]}
    found = 2 if accelerate.__version__.startswith("1.3.") else 3
    assert run.made._train_batch_size == found
    assert run.counts.passes == passes[found]


def test_deepspeed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, True, Net())
    monkeypatch.setattr(run.made, "is_deepspeed_enabled", True)
    with pytest.raises(ValueError, match=r"^DEEPSPEED counts the batches"):
        run.train()


@pytest.mark.parametrize("skips", [True, False])
def test_resumed_within_an_epoch(skips: bool, tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "gradient_accumulation_steps": 2, "save_strategy": "steps", "save_steps": 2,
        "ignore_data_skip": not skips,
    }  # fmt: skip

    def resumed(merge: bool) -> Run:
        folder = tmp_path / str(merge)
        whole = Run(folder, merge, Net(), **more).train()
        rest = Run(folder, merge, Net(), **more)
        rest.train(resume_from_checkpoint=str(folder / "checkpoint-2"))
        if skips:
            one, other = (list(run.made.model.parameters()) for run in (whole, rest))
            for mine, theirs in zip(one, other, strict=True):
                torch.testing.assert_close(theirs, mine, rtol=0, atol=1e-9)
        return rest

    check(resumed(False), resumed(True))


def test_attached_and_tried_at_full_size(tmp_path: Path) -> None:
    """The dry run gets one batch of the loader, also where the workers merge."""
    seen: list[tuple[int, ...]] = []

    class Watching(Trainer):
        def compute_loss(self, model: Any, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
            seen.append(tuple(inputs["pixel_values"].shape))
            return super().compute_loss(model, inputs, **kwargs)

    for sized in (False, True):
        seen.clear()
        made = Watching(
            Net(), arguments(tmp_path, gradient_accumulation_steps=4),
            train_dataset=Cropped(),
        )  # fmt: skip
        resizing = attach(
            made, Phases(phases=((0.0, 16), (0.5, 32))), merge=True, preallocate=True,
            verbose=False, sized=sized,
        )  # fmt: skip
        made.train()
        resizing.remove()
        assert seen[0] == (4, 3, 32, 32)
        # The loader's workers leave the first batch as it is, for the dry run.
        first = [(4, 3, 16, 16), (12, 3, 16, 16)] if sized else [(16, 3, 16, 16)]
        assert seen[1 : 1 + len(first)] == first


class Cropped(Images):
    """Images that are cropped to their size."""

    def __init__(self, count: int = 20) -> None:
        super().__init__(count)
        self.transform = Compose([Resize(36), CenterCrop(SIDE)])

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(index) | {
            "pixel_values": self.transform(self.images[index])
        }


class Stream(IterableDataset[Any]):
    """Images without a length."""

    def __init__(self) -> None:
        self.plain = Images(18)
        self.images = self.plain.images

    def __iter__(self) -> Any:
        self.plain.images = self.images
        return iter([self.plain[index] for index in range(18)])


def test_a_stream_that_ends_within_a_window(tmp_path: Path) -> None:
    plain = Run(tmp_path, False, Net(), Stream(), max_steps=3).train()
    merged = Run(tmp_path, True, Net(), Stream(), max_steps=3).train()
    check(plain, merged)
    assert merged.counts.passes[:2] == [16, 2]


def test_a_sized_loader_out_of_training(tmp_path: Path) -> None:
    """It is not merged, and at full size."""
    made = Merging(
        Net(), arguments(tmp_path, gradient_accumulation_steps=4),
        train_dataset=Cropped(), schedule=Phases(phases=((0.0, 16), (0.5, SIDE))),
        merge=True, sized=True, verbose=False,
    )  # fmt: skip
    shapes = [tuple(each["pixel_values"].shape) for each in made.get_train_dataloader()]
    assert shapes == [(4, 3, SIDE, SIDE)] * 5


def test_the_first_batch_alone() -> None:
    size = Size(16, 16)
    ahead = iter([(size, 0), (size, 3), (size, 2)])
    assert [left for _, left in first_alone(ahead)] == [0, 1, 2]
    assert list(first_alone(iter(()))) == []


class Looks(TrainerCallback):
    """Looks at the first batch of the loader, after the first step of each epoch."""

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step % 3 == 1:
            before = torch.get_rng_state()
            next(iter(more["train_dataloader"]))
            torch.set_rng_state(before)


def test_a_loader_that_is_looked_at_within_an_epoch(tmp_path: Path) -> None:
    found = []
    for merge in (False, True):
        data, options = Cropped(40), {"sized": True, "final_size": SIDE}
        run = Run(tmp_path, merge, Net(), data, options=options)
        run.made.add_callback(Looks)
        found.append(run.train())
    check(*found)
    assert found[1].counts.passes[:3] == [16, 16, 8]
