"""An accelerator counts and weighs the plain batches of which merged ones are made."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.data_loader import prepare_data_loader
from accelerate.utils import (
    DataLoaderConfiguration,
    DistributedType,
    GradientAccumulationPlugin,
)
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torchvision.transforms.v2 import CenterCrop, Compose, Resize
from tqdm import tqdm

from upsize.accelerate import ProgressiveResize, ResizeHook, sized
from upsize.accelerate._loaders import completes_last
from upsize.accelerate._merged import check_lengths, check_merges
from upsize.schedule import Phases

GROWS = Phases(phases=((0.0, 8), (0.5, 16)))  # four batches have the pixels of one


class Net(nn.Module):
    """Exact, and each image by itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 2, 3), nn.Linear(2, 2)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(self.conv(images).sin().mean((2, 3)))
        return out


def data(count: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, 16, 16, generator=generator, dtype=torch.float64)
    return TensorDataset(images, torch.randint(2, (count,), generator=generator))


class Stream(IterableDataset[Any]):
    """The same without a length."""

    def __init__(self, count: int) -> None:
        self.data = data(count)

    def __repr__(self) -> str:  # the name of a test
        return f"Stream({len(self.data)})"

    def __iter__(self) -> Any:
        return iter([self.data[n] for n in range(len(self.data))])


class Loop:
    """A training of two epochs; notes what the accelerator says of each batch."""

    def __init__(
        self,
        merge: Any = True,
        *,
        dataset: Dataset[Any] | None = None,
        accumulate: int = 4,
        sync: bool = True,
        schedule: Any = GROWS,
        step_with_optimizer: bool = True,
        loader: dict[str, Any] | None = None,
        given: Any = None,  # in the place of a prepared loader
        **length: Any,
    ) -> None:
        self.accelerator = Accelerator(
            cpu=True,
            gradient_accumulation_plugin=GradientAccumulationPlugin(
                num_steps=accumulate, sync_with_dataloader=sync
            ),
            step_scheduler_with_optimizer=step_with_optimizer,
            dataloader_config=DataLoaderConfiguration(**loader or {}),
        )
        model = Net()
        sgd = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        plain: Any = DataLoader(data(22) if dataset is None else dataset, 4)
        self.model, self.optimizer, self.loader, self.scheduler = (
            self.accelerator.prepare(
                model, sgd, plain, optim.lr_scheduler.LambdaLR(sgd, lambda n: 0.9**n)
            )
        )
        self.loader = self.loader if given is None else given
        self.resize = ProgressiveResize(
            schedule, self.accelerator, loader=self.loader, merge=merge,
            verbose=False, **(length or {"epochs": 2}),
        )  # fmt: skip
        self.seen: list[tuple[int, bool, bool]] = []
        self.rates: list[float] = []
        self.known = not isinstance(dataset, Stream)  # where the epoch ends

    def body(self, batch: Any) -> None:
        with self.accelerator.accumulate(self.model):
            loss = nn.functional.cross_entropy(self.model(batch[0]), batch[1])
            self.accelerator.backward(loss)
            self.note(batch)
            self.step()
        if self.accelerator.sync_gradients:
            self.rates.append(self.scheduler.get_last_lr()[0])

    def step(self) -> None:
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()

    def note(self, batch: Any) -> None:
        state = self.accelerator.gradient_state
        self.seen.append((len(batch[1]), state.end_of_dataloader, state.sync_gradients))
        if self.known:
            assert self.resize.ends_window == state.sync_gradients

    def train(
        self,
        epochs: int = 2,
        body: Callable[[Loop, Any], object] | None = None,
        loader: Any = None,
    ) -> Loop:
        for _ in range(epochs):
            for batch in self.resize.batches(loader or self.loader):
                (body or Loop.body)(self, batch)
        return self

    def weights(self) -> list[Tensor]:
        momenta = [each["momentum_buffer"] for each in self.optimizer.state.values()]
        return [p.detach().clone() for p in (*self.model.parameters(), *momenta)]


def same(one: Loop, other: Loop) -> None:
    for mine, theirs in zip(one.weights(), other.weights(), strict=True):
        torch.testing.assert_close(theirs, mine, rtol=0, atol=1e-9)
    assert one.rates == other.rates
    assert one.resize.state_dict() == other.resize.state_dict()
    assert one.accelerator.step == other.accelerator.step
    assert sum(n for n, *_ in one.seen) == sum(n for n, *_ in other.seen)
    ends = [
        [seen[1:] for seen in loop.seen if seen[1] or seen[2]] for loop in (one, other)
    ]
    assert ends[0] == ends[1]


def test_the_last_batch_of_an_epoch_ends_it_alone() -> None:
    """Also where the loader has told its end before the micro-batch before it."""
    merged = Loop(accumulate=6).train()
    assert merged.seen[:4] == [
        (12, False, False), (8, False, False), (2, True, True), (4, False, False),
    ]  # fmt: skip
    same(Loop(False, accumulate=6).train(), merged)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sync": False},  # windows go on in the next epoch
        {"sync": False, "total_steps": 3},
        {
            "dataset": Stream(22),
            "total_steps": 4,
            "loader": {"dispatch_batches": False},
        },
        {"dataset": Stream(22), "total_steps": 4},
        {"dataset": Stream(24), "total_steps": 4},
        {"total_steps": 6, "accumulate": 2},
        {"merge": {8: 12, 16: 4}, "accumulate": 3},
        {"loader": {"use_stateful_dataloader": True}},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # by torchdata
def test_the_weights_of_the_plain_run(settings: dict[str, Any]) -> None:
    without: dict[str, Any] = settings | {"merge": False}
    plain = Loop(**without).train()
    merged = Loop(**settings).train()
    same(plain, merged)
    assert len(merged.seen) < len(plain.seen)


@pytest.mark.parametrize("at", [3, 6])
def test_resumed_between_and_within_windows(at: int, tmp_path: Path) -> None:
    """Accelerate keeps no gradients: both runs lose those of the open window."""
    settings: dict[str, Any] = {
        "dataset": data(36), "accumulate": 6, "merge": {8: 12, 16: 8},
    }  # fmt: skip

    def with_merge(merge: Any) -> dict[str, Any]:
        return settings | {"merge": merge}

    def saved(merge: Any) -> Loop:
        loop, done = Loop(**with_merge(merge)), 0
        for batch in loop.resize.batches(loop.loader):
            loop.body(batch)
            done += len(batch[1]) // 4
            if done == at:
                break
        assert loop.accelerator.step == at
        loop.accelerator.save_state(str(tmp_path / str(merge)))
        return loop

    def resumed(merge: Any) -> Loop:
        saved(merge)
        loop = Loop(**with_merge(merge))
        loop.accelerator.load_state(str(tmp_path / str(merge)))
        done = loop.accelerator.step
        rest = loop.accelerator.skip_first_batches(loop.loader, done)
        return loop.train(1, loader=rest).train(1)

    plain, merged = resumed(False), resumed(settings["merge"])
    same(plain, merged)
    assert len(merged.seen) < len(plain.seen)


def test_a_batch_that_the_loop_leaves_out() -> None:
    """The accelerator counts it in neither run."""

    def body(loop: Loop, batch: Any) -> None:
        drawn.append(len(batch[1]))
        if drawn.count(12) != 1 or len(batch[1]) != 12:
            loop.body(batch)

    drawn: list[int] = []
    loop = Loop(merge={8: 12, 16: 4}, accumulate=6, dataset=data(36))
    loop.train(1, body)
    assert drawn == [12, 12, 12]
    assert loop.seen == [(12, False, False), (12, True, True)]
    assert loop.resize.state_dict()["batch"] == 0


def test_the_last_batch_that_others_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """``gather_for_metrics`` leaves out samples of it, so it is not merged."""
    given = SimpleNamespace(dataset=range(9), total_batch_size=8, _drop_last=False)
    assert not completes_last(given)  # in one process
    monkeypatch.setattr(
        "upsize.accelerate._loaders.PartialState",
        lambda: SimpleNamespace(num_processes=2),
    )
    assert completes_last(given)
    assert not completes_last(None)
    for other in ({"dataset": range(16)}, {"dataset": iter(())}, {"_drop_last": True}):
        assert not completes_last(SimpleNamespace(**vars(given) | other))
    # Batches that are skipped come from a sampler without a batch_size.
    skips = SimpleNamespace(dataset=given.dataset, _drop_last=False)
    assert not completes_last(skips)
    monkeypatch.setattr("upsize.accelerate._counter.completes_last", lambda _: True)
    merged = Loop(dataset=data(24), merge=16).train()
    assert [number for number, *_ in merged.seen[:4]] == [16, 4, 4, 4]
    same(Loop(False, dataset=data(24)).train(), merged)


class Lengths:
    """A batch sampler of one's own, without a ``batch_size``."""

    def __iter__(self) -> Any:
        return iter([[0, 1, 2, 3], [4, 5], [6, 7, 8, 9], [10, 11, 12, 13]])

    def __len__(self) -> int:
        return 4


def test_batches_of_any_length_in_two_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loader: Any = DataLoader(data(14), batch_sampler=Lengths())  # type: ignore[arg-type]
    prepared = prepare_data_loader(
        loader, num_processes=2, process_index=0, even_batches=False,
        put_on_device=False,
    )  # fmt: skip
    monkeypatch.setattr(
        "upsize.accelerate._loaders.PartialState",
        lambda: SimpleNamespace(num_processes=2),
    )
    assert not completes_last(prepared)

    def accelerator(each: bool, kind: Any = DistributedType.MULTI_CPU) -> Any:
        state = SimpleNamespace(plugin_kwargs={"sync_each_batch": each})
        return SimpleNamespace(
            num_processes=2, gradient_state=state, distributed_type=kind
        )

    check_lengths(accelerator(False), prepared)
    check_lengths(accelerator(True), None)
    for each, kind in (
        (True, DistributedType.MULTI_CPU),
        (False, DistributedType.FSDP),
    ):
        with pytest.raises(ValueError, match="may merge other numbers of them"):
            check_lengths(accelerator(each, kind), prepared)


@pytest.mark.parametrize("merge", [False, True])
def test_the_rest_of_an_epoch_that_was_left(merge: bool) -> None:
    """Without a load: the sized loader draws what Accelerate skips, too."""
    whole = Loop(merge, dataset=Crops(40))
    whole.train(loader=sized(whole.loader, whole.resize))
    left = Loop(merge, dataset=Crops(40))
    loader = sized(left.loader, left.resize)
    for batch in left.resize.batches(loader):
        left.body(batch)
        if left.accelerator.sync_gradients:
            break
    done = left.resize.state_dict()["batch"]
    assert done == 4
    left.train(1, loader=left.accelerator.skip_first_batches(loader, done))
    left.train(1, loader=loader)
    same(whole, left)
    assert left.seen == whole.seen
    assert left.resize.mismatched == 0


def test_windows_that_change_within_the_run() -> None:
    loop = Loop(dataset=data(32), accumulate=4).train(epochs=1)
    loop.accelerator.gradient_accumulation_steps = 2
    with pytest.raises(ValueError, match="gradient_accumulation_steps is 2, and was 4"):
        loop.train(epochs=1)


def test_a_sum_that_is_divided_by_what_it_counts() -> None:
    """As the documentation says: a sum needs no weight."""

    def body(loop: Loop, batch: Any) -> None:
        with loop.accelerator.accumulate(loop.model):
            loss = nn.functional.cross_entropy(
                loop.model(batch[0]), batch[1], reduction="sum"
            )
            loop.accelerator.backward(loss / (loop.resize.loss_weight * 4))
            loop.note(batch)
            loop.step()

    same(Loop(False).train(body=body), Loop(True).train(body=body))


def test_batches_that_are_not_prepared() -> None:
    """Accelerate does not see where they end, and windows go on."""
    batches = list(DataLoader(data(24), 4))

    def trained(merge: Any) -> Loop:
        loop = Loop(merge, given=batches, total_steps=3)
        evaluated = loop.accelerator.prepare(DataLoader(data(8), 4))
        for _ in evaluated:
            break  # Accelerate takes it to go on
        return loop.train()

    plain, merged = trained(False), trained(True)
    same(plain, merged)
    assert [number for number, *_ in merged.seen[:3]] == [16, 8, 8]


def test_in_a_progress_bar_and_left() -> None:
    """The next pass begins another epoch, and goes on with the open window."""

    def left(merge: Any) -> Loop:
        loop = Loop(merge, dataset=data(36), accumulate=6, epochs=3)
        images = 0
        for batch in loop.resize.batches(tqdm(loop.loader, disable=True)):
            loop.body(batch)
            images += len(batch[1])
            if images == 12:
                break
        assert loop.accelerator.step == 3
        return loop.train()

    with pytest.warns(UserWarning, match="was left after 3"):
        plain = left(False)
    with pytest.warns(UserWarning, match="was left after 3"):
        merged = left({8: 12, 16: 4})
    same(plain, merged)
    assert len(merged.seen) < len(plain.seen)


class Crops(Dataset[Any]):
    """Images that are cropped to their size."""

    def __init__(self, count: int) -> None:
        self.transform, self.plain = Compose([Resize(18), CenterCrop(16)]), data(count)

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: int) -> Any:
        image, label = self.plain[index]
        return self.transform(image), label


def test_a_loader_that_is_looked_at_within_an_epoch() -> None:
    def training(merge: bool) -> Loop:
        loop = Loop(merge, dataset=Crops(72))
        loader, looks = sized(loop.loader, loop.resize), []

        def body(loop: Loop, batch: Any) -> None:
            loop.body(batch)
            if loop.accelerator.step == 4:
                looks.append(next(iter(loader)))

        loop.train(body=body, loader=loader)
        assert len(looks) == 2
        return loop

    plain, merged = training(False), training(True)
    same(plain, merged)
    assert [n for n, *_ in merged.seen[:5]] == [16, 16, 16, 16, 8]


def test_a_loader_that_something_hides_is_refused() -> None:
    loop = Loop()
    for hidden in (islice(loop.loader, 3), chain(loop.loader, loop.loader)):
        with pytest.raises(ValueError, match=f"which a {type(hidden).__name__} around"):
            loop.train(1, loader=hidden)
    with pytest.warns(UserWarning, match="has more batches|this epoch had"):
        Loop(False).train(1, loader=islice(loop.loader, 3))


def test_what_it_counts_with_is_asked_for() -> None:
    def unseen(loop: Loop, batch: Any) -> None:
        nn.functional.cross_entropy(loop.model(batch[0]), batch[1]).backward()
        loop.step()

    def within(loop: Loop, batch: Any) -> None:
        with loop.accelerator.accumulate(loop.model):
            unseen(loop, batch)

    with pytest.raises(ValueError, match=r"trained within accelerator\.accumulate"):
        Loop().train(body=unseen)
    with pytest.raises(ValueError, match=r"not called accelerator\.backward\(loss\)"):
        Loop().train(body=within)
    Loop(False).train(body=within)


@pytest.mark.parametrize(("merge", "texts"), [(True, 1), (False, 0)])
def test_a_scheduler_that_steps_at_each_call(merge: bool, texts: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = Loop(merge, step_with_optimizer=False).train()
    said = [str(each.message) for each in caught if "merged" in str(each.message)]
    assert len(said) == texts
    assert all("4 batches were merged, and the learning-rate" in text for text in said)
    loop.resize.remove()
    assert "step" not in vars(loop.scheduler)


def test_what_cannot_merge_is_refused() -> None:
    with pytest.raises(ValueError, match="each batch is one: accumulate gradients"):
        Loop(accumulate=1)
    loop = Loop()
    with pytest.raises(ValueError, match="this hook only sees those that"):
        ResizeHook(loop.resize, loop.optimizer)
    loop.resize.remove()
    with pytest.raises(ValueError, match=r"merge= allows 2 images .* has 4"):
        Loop(2).train()
    for kind in ("DEEPSPEED", "MEGATRON_LM"):
        engine = SimpleNamespace(distributed_type=DistributedType(kind))
        with pytest.raises(ValueError, match=f"{kind} counts the batches"):
            check_merges(engine)


def test_it_is_restored() -> None:
    loop = Loop()
    assert "backward" in vars(loop.accelerator)
    loop.train().resize.remove()
    assert "backward" not in vars(loop.accelerator)
    assert "accumulate" not in vars(loop.accelerator)
