"""One training run: what no single way of training shows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from upsize.resize import Resizer
from upsize.run import BatchCounter, Options, TrainingRun
from upsize.schedule import Phases, Ramp

RAMP = Ramp(increase_by=8)
QUIET = Options(RAMP, verbose=False)


def counter(total: int = 4, batches: int | None = None) -> BatchCounter:
    return BatchCounter(total, 1, batches)


def images(side: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, side, side)


def trained(run: TrainingRun, clock: BatchCounter, steps: int) -> list[int]:
    sides = []
    for _ in range(steps):
        sides.append(run.train(images()).shape[-1])
        clock.count()
    return sides


class TestPlan:
    def test_of_the_first_batch(self) -> None:
        clock, said = counter(), []
        run = TrainingRun(Options(RAMP), clock, say=said.append)
        assert (run.plan, run.size, run.state_dict()) == (None, None, {})
        assert list(run.sizes_ahead()) == []
        run.end_epoch()
        assert trained(run, clock, 4) == [16, 16, 24, 32]
        assert run.plan is not None
        assert said == [run.plan.summary(), "resizing batch 3x32x32"]

    def test_what_is_resized_is_said_once_with_the_first_training_batch(self) -> None:
        clock, said = counter(), []
        options = Options(Ramp(final_size=32, increase_by=8))
        run = TrainingRun(options, clock, say=said.append)
        batch = {"text": torch.rand(2, 77, 64), "image": images(), "label": 1}
        assert said == [run.plan.summary()]  # type: ignore[union-attr]
        run.validate(batch)
        for _ in range(2):
            assert run.train(batch)["image"].shape[-1] == 16
            assert said[1:] == [
                'resizing batch["image"] 3x32x32; leaving "text", "label"'
            ]
            clock.count()

    def test_a_silent_run_warns_where_it_cannot_know(self) -> None:
        batch = {"image": images(), "y": images(16), "label": 1}
        run = TrainingRun(QUIET, counter())
        with pytest.warns(
            UserWarning, match='leaving "y", "label": name all images in'
        ):
            assert run.train(batch)["y"] is batch["y"]
        run.train(batch)  # warnings are errors: not again
        keep = Resizer(targets={"y": "keep"})
        for options in (
            replace(QUIET, resizer=keep),
            replace(QUIET, resizer=Resizer(images="image")),
        ):
            TrainingRun(options, counter()).train(batch)
        TrainingRun(QUIET, counter(), say=None).train(batch)  # another process

    def test_crops_of_two_sizes_grow_together(self) -> None:
        clock = counter()
        run = TrainingRun(QUIET, clock)
        seen = []
        for _ in range(4):
            crops, _ = run.train(([images(12), images(), images()], torch.zeros(2)))
            seen.append([crop.shape[-1] for crop in crops])
            clock.count()
        assert seen == [[6, 16, 16], [6, 16, 16], [9, 24, 24], [12, 32, 32]]

    def test_a_sized_loader_makes_crops_of_two_sizes(self) -> None:
        run = TrainingRun(Options(Ramp(final_size=32), verbose=False), counter())
        next(run.sizes_ahead())
        small = [images(6), images(16)]
        assert run.train(small) is small
        assert [crop.shape[-1] for crop in run.train([images(12), images()])] == [6, 16]
        assert run.mismatched == 1

    def test_the_full_size_is_that_of_the_image_that_has_it(self) -> None:
        run = TrainingRun(Options(Ramp(final_size=32), verbose=False), counter())
        pair = run.train((images(32), images(64)))
        assert [image.shape[-1] for image in pair] == [16, 32]

    def test_labels_in_the_shape_of_images_are_refused_at_the_first_batch(self) -> None:
        one = torch.rand(2, 1, 32, 32)
        batch = (one, (one > 0.5).float())
        with pytest.raises(ValueError, match=r"batch\[1\] .*targets=\{1: \"mask\"\}"):
            TrainingRun(QUIET, counter()).train(batch)
        masks = replace(QUIET, resizer=Resizer(targets={1: "mask"}))
        _, mask = TrainingRun(masks, counter()).train(batch)
        assert mask.unique().tolist() == [0, 1]

    @pytest.mark.parametrize("how", ["validate", "at_full_size", "preallocate"])
    def test_of_another_first_use(self, how: str) -> None:
        run = TrainingRun(QUIET, counter())
        batch = images()
        if how == "preallocate":
            run.preallocate(torch.nn.Conv2d(3, 1, 1), batch)
        else:
            assert getattr(run, how)(batch) is batch
        assert (run.plan is None) == (how == "validate")

    def test_of_the_saved_run(self) -> None:
        clock = counter()
        run = TrainingRun(QUIET, clock)
        trained(run, clock, 2)
        state = json.loads(json.dumps(run.state_dict()))
        resumed = TrainingRun(QUIET, counter())
        resumed.load_state_dict(state)
        assert resumed.plan == run.plan
        assert resumed.state_dict() == state

    def test_epochs_without_a_length_say_what_to_give(self) -> None:
        options = Options(Ramp(start=1, finish=2, final_size=32), verbose=False)
        with pytest.raises(ValueError, match="counts epochs") as caught:
            TrainingRun(options, counter())
        assert "no fixed number of steps" in caught.value.__notes__[0]

    def test_another_error_has_no_such_note(self) -> None:
        options = Options(Ramp(initial_size=48), 32, verbose=False)
        with pytest.raises(ValueError, match="48") as caught:
            TrainingRun(options, counter(batches=2))
        assert not hasattr(caught.value, "__notes__")

    def test_a_trial_need_not_reach_full_size(self) -> None:
        options = Options(Phases(phases=[(0, 16), ("9st", 32)]), verbose=False)
        clock = counter(2)
        run = TrainingRun(options, clock, is_trial=True)
        assert trained(run, clock, 2) == [16, 16]
        run.finish()


class TestReports:
    def test_every_change_once(self) -> None:
        clock, seen = counter(), []
        run = TrainingRun(QUIET, clock, report=lambda *each: seen.append(each))
        trained(run, clock, 4)
        expected = [("image_size", 16, 0), ("image_size", 24, 2), ("image_size", 32, 3)]
        assert seen == expected

    def test_none(self) -> None:
        clock, seen = counter(), []
        options = Options(RAMP, verbose=False, log=None)
        run = TrainingRun(options, clock, report=lambda *each: seen.append(each))
        trained(run, clock, 4)
        assert seen == []

    def test_an_early_end(self) -> None:
        clock = counter()
        run = TrainingRun(QUIET, clock)
        trained(run, clock, 3)
        with pytest.warns(UserWarning, match=r"ended at 24x24, not at .* 32x32"):
            run.finish()
        run.finish(completed=False)

    def test_an_end_without_a_batch_or_at_full_size(self) -> None:
        clock = counter()
        run = TrainingRun(QUIET, clock)
        run.finish()
        trained(run, clock, 4)
        run.finish()


class TestSizedLoaders:
    def test_count_only_while_they_are_used(self) -> None:
        clock = counter(9, batches=3)
        run = TrainingRun(Options(Ramp(final_size=32), verbose=False), clock)
        small = images(next(run.sizes_ahead(3)).height)
        assert run.train(small) is small
        clock.count()
        run.train(images(32))  # made for another step
        assert run.mismatched == 1
        run.end_epoch()
        run.train(images(32))  # of a plain loader
        assert run.mismatched == 1

    def test_wrong_sizes_are_told_early_and_at_the_end(self) -> None:
        clock = counter(9, batches=3)
        run = TrainingRun(Options(Ramp(final_size=32), verbose=False), clock)
        run.sizes_ahead(3)
        trained(run, clock, 3)
        with pytest.warns(UserWarning, match="3 batches came from the sized loader"):
            trained(run, clock, 1)
        before = run.mismatched
        trained(run, clock, 5)
        assert run.mismatched > before
        text = f"{run.mismatched} batches came from the sized loader"
        with pytest.warns(UserWarning, match=text):
            run.finish()
        run.finish()

    def test_without_epochs_they_are_told_at_the_end(self) -> None:
        clock = counter(4)
        run = TrainingRun(Options(RAMP, 32, verbose=False), clock)
        run.sizes_ahead()
        trained(run, clock, 4)
        with pytest.warns(UserWarning, match="3 batches came from the sized loader"):
            run.finish()

    def test_a_size_of_another_step_is_resized_and_no_other_is(self) -> None:
        clock = counter()
        run = TrainingRun(Options(RAMP, 32, verbose=False), clock)
        run.sizes_ahead()
        assert run.train(images(24)).shape[-1] == 16
        with pytest.raises(ValueError, match="images are 20x20"):
            run.train(images(20))

    def test_without_one_small_images_are_refused(self) -> None:
        run = TrainingRun(Options(RAMP, 32, verbose=False), counter())
        with pytest.raises(ValueError, match=r"images are 16x16 .* 32x32"):
            run.train(images(16))


class TestOptions:
    @pytest.mark.parametrize("schedule", ["ramp", None, Ramp])
    def test_no_schedule(self, schedule: Any) -> None:
        with pytest.raises(TypeError, match="schedule must be"):
            Options(schedule)

    def test_two_full_sizes(self) -> None:
        with pytest.raises(ValueError, match="leave one of them out"):
            Options(Ramp(final_size=32), 64)

    def test_empty_cache(self, monkeypatch: pytest.MonkeyPatch) -> None:
        emptied: list[int] = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
        clock = counter()
        run = TrainingRun(Options(RAMP, verbose=False, empty_cache=True), clock)
        trained(run, clock, 4)
        assert len(emptied) == 3
