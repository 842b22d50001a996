from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from upsize.loop import ProgressiveResize
from upsize.resize import Resizer
from upsize.schedule import Phases, Plan, Ramp, Size

RAMP = Ramp(final_size=32, increase_by=8)


def batches(n: int = 5, side: int = 32) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.rand(4, 3, side, side, generator=generator),
            torch.randint(2, (4,), generator=generator),
        )
        for _ in range(n)
    ]


def widths(resize: ProgressiveResize, loader: Any) -> list[int]:
    return [images.shape[-1] for images, _ in resize.batches(loader)]


class TestSizes:
    def test_by_hand(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5)
        for step in range(20):
            images, _ = resize(batches(1)[0])
            assert images.shape[-2:] == resize.size == resize.plan.size_at(step)
            resize.step()

    def test_step_in_the_body_of_batches_counts_once(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5)
        for _ in resize.batches(batches()):
            resize.step()
        assert resize.optimizer_steps == 5

    def test_a_batch_at_its_size_is_the_same_object(self) -> None:
        resize = ProgressiveResize(Ramp(initial_size=1.0, final_size=32), total_steps=5)
        loader = batches()
        for given, got in zip(loader, resize.batches(loader), strict=True):
            assert got is given

    def test_final_size_may_be_given_beside_the_schedule(self) -> None:
        resize = ProgressiveResize(Ramp(), total_steps=8, final_size=(32, 48))
        assert resize.plan.final_size == (32, 48)
        assert resize(torch.rand(2, 3, 32, 48)).shape == (2, 3, 16, 24)

    def test_a_resizer_of_your_own(self) -> None:
        resize = ProgressiveResize(
            RAMP, total_steps=8, resizer=Resizer(targets={1: "mask"})
        )
        images, mask = resize((torch.rand(2, 3, 32, 32), torch.ones(2, 32, 32).long()))
        assert images.shape[-2:] == mask.shape[-2:] == (16, 16)
        assert mask.dtype == torch.int64

    def test_images_that_a_loader_made_small_pass(self) -> None:
        resize = ProgressiveResize(RAMP, total_steps=8)
        next(resize.sizes_ahead())  # as a sized loader does
        small = torch.rand(2, 3, 16, 16)
        assert resize(small) is small
        assert resize(torch.rand(2, 3, 32, 32)).shape[-2:] == (16, 16)
        assert resize.mismatched == 1

    def test_whether_a_loader_is_sized_is_a_fact_of_the_loader(self) -> None:
        resize = ProgressiveResize(Phases(phases=((0, 16), ("4st", 32))), total_steps=8)
        small, full = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 32, 32)

        def sized() -> Iterator[Tensor]:
            next(resize.sizes_ahead())  # as a sized loader does in each pass
            yield from (small, full)

        assert [batch.shape[-1] for batch in resize.batches(sized())] == [16, 16]
        assert resize.mismatched == 1
        plain = list(resize.batches([full]))  # what another loader made is its own
        assert [batch.shape[-1] for batch in plain] == [16]
        assert resize.mismatched == 1
        with pytest.raises(ValueError, match="final_size is 32x32"):
            list(resize.batches([small]))
        with pytest.warns(UserWarning, match="1 batches|training ended") as caught:
            resize.finish()
        assert "1 batches came from the sized loader" in str(caught[0].message)

    def test_a_sized_loader_that_is_left_is_no_longer_in_use(self) -> None:
        resize = ProgressiveResize(Phases(phases=((0, 16), ("4st", 32))), total_steps=8)
        small = torch.rand(2, 3, 16, 16)
        next(resize.sizes_ahead())
        for _ in resize.batches([small, small]):
            break
        with pytest.raises(ValueError, match="final_size is 32x32"):
            list(resize.batches([small]))

    def test_small_images_are_no_accident_of_the_first_size(self) -> None:
        # final_size is twice the images' size: found at once, not at half of training.
        resize = ProgressiveResize(Ramp(final_size=64), total_steps=8)
        assert resize.size == (32, 32)
        with pytest.raises(
            ValueError, match="images are 32x32 and final_size is 64x64"
        ):
            resize(torch.rand(2, 3, 32, 32))


class TestAccumulation:
    def test_without_epochs_the_loader_s_end_closes_a_window(self) -> None:
        resize = ProgressiveResize(RAMP, total_steps=12, accumulate=2)
        for _ in range(2):
            widths(resize, batches())
        assert resize.optimizer_steps == 6

    def test_by_hand_the_end_of_an_epoch_closes_a_window(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=3, accumulate=2)
        done = []
        for _ in range(6):
            resize.step()
            done.append(resize.optimizer_steps)
        assert done == [0, 1, 2, 2, 3, 4]

    @pytest.mark.parametrize("accumulate", [0, -1, 1.5, True])
    def test_bad(self, accumulate: Any) -> None:
        with pytest.raises(ValueError, match=f"accumulate .* not {accumulate}"):
            ProgressiveResize(RAMP, total_steps=12, accumulate=accumulate)


class TestBadUse:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "length of the run is missing"),
            ({"epochs": 3}, "length of the run is missing"),
            ({"epochs": 3, "steps_per_epoch": 0}, "steps_per_epoch .* not 0"),
            ({"total_steps": -3}, "total_steps .* not -3"),
            ({"epochs": 3, "total_steps": 5}, "both set the length"),
            ({"total_steps": 5, "final_size": 64}, "leave one of them out"),
        ],
    )
    def test_lengths(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ProgressiveResize(RAMP, **arguments)

    def test_no_final_size(self) -> None:
        with pytest.raises(ValueError, match="final_size is missing"):
            ProgressiveResize(Ramp(), total_steps=5)

    def test_a_loader_of_another_length_warns(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=5)
        with pytest.warns(
            UserWarning, match="has 3 batches, but steps_per_epoch leaves 5"
        ):
            assert len(widths(resize, batches(3))) == 3

    def test_a_loader_without_length_does_not(self) -> None:
        class Endless(torch.utils.data.IterableDataset[Any]):
            def __iter__(self) -> Iterator[Any]:
                yield from batches()

        resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=5)
        loader = torch.utils.data.DataLoader(Endless(), batch_size=None)
        assert len(widths(resize, loader)) == 5
        assert len(widths(resize, iter(batches()))) == 5


class TestEnd:
    def test_an_early_end_is_said_on_request(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=5)
        widths(resize, batches())
        with pytest.warns(UserWarning, match=r"training ended at 16x16, not .* 32x32"):
            resize.finish()

    def test_a_whole_run_ends_silently(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=5)
        for _ in range(2):
            widths(resize, batches())
        resize.finish()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Linear(8, 2)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        out: Tensor = self.head(self.body(x).mean((2, 3)))
        return out


class Run:
    """A real run that can be saved after any batch, and go on elsewhere."""

    def __init__(self, accumulate: int = 1) -> None:
        torch.manual_seed(0)
        self.model = Net()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-2)
        self.resize = ProgressiveResize(
            RAMP, epochs=3, steps_per_epoch=5, accumulate=accumulate
        )
        self.accumulate = accumulate
        self.widths: list[int] = []
        self.saved: list[dict[str, Any]] = []

    def save(self) -> dict[str, Any]:
        return {
            "model": copy.deepcopy(self.model.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "grads": [copy.deepcopy(p.grad) for p in self.model.parameters()],
            "resize": json.loads(json.dumps(self.resize.state_dict())),
            "random": torch.get_rng_state(),
        }

    def load(self, saved: dict[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(copy.deepcopy(saved["optimizer"]))
        for parameter, grad in zip(
            self.model.parameters(), saved["grads"], strict=True
        ):
            parameter.grad = copy.deepcopy(grad)
        self.resize.load_state_dict(saved["resize"])
        torch.set_rng_state(saved["random"])

    def train(self, done: int = 0) -> None:
        for _ in range(done // 5, 3):
            loader = batches()[done % 5 :]
            for images, labels in self.resize.batches(loader):
                self.widths.append(images.shape[-1])
                loss = nn.functional.cross_entropy(self.model(images), labels)
                (loss / self.accumulate).backward()
                done += 1
                if done % 5 % self.accumulate == 0 or done % 5 == 0:
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                self.saved.append(self.save())


@pytest.mark.parametrize("accumulate", [1, 2])
def test_resumed_at_any_step_it_is_bit_identical(accumulate: int) -> None:
    whole = Run(accumulate)
    whole.train()
    assert len(set(whole.widths)) == 3
    for done in range(1, 15):
        resumed = Run(accumulate)
        resumed.load(whole.saved[done - 1])
        resumed.train(done)
        assert resumed.widths == whole.widths[done:]
        assert resumed.resize.state_dict() == whole.resize.state_dict()
        for name, value in whole.model.state_dict().items():
            assert torch.equal(resumed.model.state_dict()[name], value), (done, name)


class TestState:
    def test_after_a_break_the_current_batch_counts(self) -> None:
        resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=5)
        for _ in resize.batches(batches()):
            break
        assert resize.state_dict()["step"] == 1
        assert widths(resize, batches()[1:]) == [16, 16, 16, 16]
        assert resize.optimizer_steps == 5

    def test_mid_window_state_needs_its_window(self) -> None:
        saved = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=8, accumulate=4)
        for _ in range(3):
            saved.step()
        other = ProgressiveResize(RAMP, epochs=3, steps_per_epoch=8, accumulate=2)
        with pytest.raises(ValueError, match=r"after 3 of 4 batches.*accumulate=4"):
            other.load_state_dict(saved.state_dict())
        saved.step()
        with pytest.warns(UserWarning, match="saved run has 6 steps and this one 12"):
            other.load_state_dict(saved.state_dict())

    @pytest.mark.parametrize(
        "state",
        [
            {},
            None,
            [],
            {"step": 3},
            {"param_groups": [], "state": {}},
            {"version": 2},
            {"step": -1},
            {"step": 1.5},
            {"step": "3"},
            {"batch": None},
            {"window": 1},
            {"accumulate": 0},
            {"plan": {}},
            {"extra": 1},
            {"version": True},
            {"batch": 3},
            {"unit": 3},
            {"shift": 1},
            # Numbers that Python does not write out.
            {"shift": 10**5000},
            {"step": 10**5000},
            {"unit": [10**5000]},
            {10**5000: 1},
            {"x" * 10_000: 1},
            {"plan": {"total_steps": 10**5000}},
        ],
        ids=lambda _: "state",  # pytest would write out the numbers
    )
    def test_corrupt_or_foreign_state_is_refused(self, state: Any) -> None:
        resize = ProgressiveResize(RAMP, epochs=2, steps_per_epoch=5)
        resize.step()
        before = resize.state_dict()
        if isinstance(state, dict) and state and "param_groups" not in state:
            state = (
                before | state if len(state) == 1 and state != {"step": 3} else state
            )
        with pytest.raises(ValueError, match=r"not a state_dict\(\) of up") as refused:
            resize.load_state_dict(state)
        assert len(str(refused.value)) < 2_000
        assert resize.state_dict() == before

    def test_far_beyond_the_plan_is_refused(self) -> None:
        resize = ProgressiveResize(RAMP, total_steps=5)
        far = {"step": 10**9, "epoch_step": 10**9}
        with pytest.raises(ValueError, match="1000000000 steps into a run of 5"):
            resize.load_state_dict(resize.state_dict() | far)
        assert resize.optimizer_steps == 0

    def test_a_state_of_another_way_of_training_has_no_position(self) -> None:
        resize = ProgressiveResize(RAMP, total_steps=5)
        state = {n: v for n, v in resize.state_dict().items() if n in ("unit", "plan")}
        with pytest.raises(ValueError, match=r"step: Field required"):
            resize.load_state_dict(state)

    @pytest.mark.parametrize(
        ("batches_now", "accumulate", "step", "batch"),
        [(5, 1, 14, 4), (20, 1, 54, 14), (10, 2, 14, 8), (5, 2, 9, 0)],
    )
    def test_with_other_batches_the_run_resumes_at_its_share_of_training(
        self, batches_now: int, accumulate: int, step: int, batch: int
    ) -> None:
        saved = ProgressiveResize(RAMP, epochs=4, steps_per_epoch=10)
        for _ in range(27):
            saved.step()
        assert saved.size == (24, 24)
        resumed = ProgressiveResize(
            RAMP, epochs=4, steps_per_epoch=batches_now, accumulate=accumulate
        )
        with pytest.warns(UserWarning, match="the saved run has 40 steps"):
            resumed.load_state_dict(saved.state_dict())
        state = resumed.state_dict()
        assert (state["step"], state["batch"]) == (step, batch)
        assert resumed.size == resumed.plan.size_at(step) >= saved.size
        # It ends where its own plan does, at full size.
        while resumed.optimizer_steps < resumed.plan.total_steps:
            last = resumed.size
            resumed.step()
        assert last == (32, 32)

    @pytest.mark.parametrize(
        ("was", "now"),
        [
            ({"total_steps": 12, "accumulate": 3}, {"total_steps": 12}),
            ({"total_steps": 12}, {"total_steps": 12, "accumulate": 3}),
            (
                {"epochs": 3, "steps_per_epoch": 4},
                {"epochs": 3, "steps_per_epoch": 11, "accumulate": 3},
            ),
        ],
    )
    def test_another_accumulate_counts_its_own_batches(
        self, was: dict[str, int], now: dict[str, int]
    ) -> None:
        """Each step of the saved run has its place, and one of as many batches now."""
        saved, resumed = (ProgressiveResize(RAMP, **each) for each in (was, now))
        for _ in range(3 * was.get("accumulate", 1)):
            saved.step()
        resumed.load_state_dict(saved.state_dict())
        state = resumed.state_dict()
        batch = 3 * now.get("accumulate", 1)
        assert (state["step"], state["batch"]) == (3, batch)
        again = ProgressiveResize(RAMP, **now)
        again.load_state_dict(state)
        assert again.state_dict() == state

    def test_the_plan_s_own_types_come_back(self) -> None:
        resize = ProgressiveResize(RAMP, total_steps=5)
        resize.load_state_dict(json.loads(json.dumps(resize.state_dict())))
        assert isinstance(resize.plan, Plan)
        assert isinstance(resize.size, Size)
