"""The benchmark of evidence runs, in a tiny form, and its table and picture are drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.benchmarks.evidence import __main__ as evidence
from tests.benchmarks.evidence.report import draw, insert, table
from tests.benchmarks.evidence.task import CELLS, GridNet, made, modules, split
from tests.benchmarks.evidence.train import BATCH_SIZE

from upsize.demo._files import cells

DOCS = Path(__file__).parents[1] / "docs"


def test_it_runs_and_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found.json"
    evidence.main(["--tiny", "--least", "4", "--json", str(file)])
    found = json.loads(file.read_text("utf-8"))
    kinds = ["full size", "progressive", "progressive, longer", "16 px alone"]
    kinds += ["progressive, from 16 px", "full size, shorter"]
    assert [(run["name"], run["seed"]) for run in found["runs"]] == [
        (kind, seed) for kind in kinds for seed in (0, 1)
    ]
    assert all(0 <= run["accuracy"] <= 1 for run in found["runs"])
    assert [run["pixel_share"] for run in found["runs"][:3:2]] == [1.0, 0.515625]
    assert table(found) in capsys.readouterr().out

    # A seed that the file lacks is trained again, and gives the same: all that is drawn
    # at random comes from the seed.
    first = found["runs"].pop(0)
    file.write_text(json.dumps(found), "utf-8")
    evidence.main(["--tiny", "--least", "4", "--json", str(file)])
    again = json.loads(file.read_text("utf-8"))["runs"]
    assert again[:-1] == found["runs"]
    assert again[-1] | {"cpu": 0.0} == first | {"cpu": 0.0}

    page = "a\n\n<!-- figures: begin -->\nold\n<!-- figures: end -->\n\nb\n"
    whole = insert(page, found)
    assert (whole[:2], whole[-3:]) == ("a\n", "\nb\n")
    assert "old" not in whole
    assert insert(whole, found) == whole
    draw(tmp_path / "picture.png", found)
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_modules_hold_each_cell_once_with_its_class() -> None:
    part = made(4, BATCH_SIZE * CELLS**2).train
    part.images[:] = part.labels[:, None, None, None].to(torch.uint8)
    (batch,) = modules(part, BATCH_SIZE, torch.Generator().manual_seed(3), mirror=True)
    side = part.images.shape[-1]
    assert batch.images.shape == (BATCH_SIZE, 1, CELLS * side, CELLS * side)
    # The pixels of a cell are its class: they stand where the label says.
    told = batch.labels.view(BATCH_SIZE, 1, CELLS, CELLS)
    told = told.repeat_interleave(side, 2).repeat_interleave(side, 3)
    assert torch.equal(batch.images.long(), told)
    assert torch.equal(batch.labels.flatten().bincount(), part.labels.bincount())
    assert not torch.equal(batch.labels.flatten(), part.labels)


def test_no_photograph_is_in_two_parts() -> None:
    labels = torch.tensor([cell.label for cell in cells()])
    parts = split(labels)
    assert [len(part) for part in parts] == [1578, 523, 523]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(2624))
    for part in parts:
        share = labels[part].bincount() / len(part)
        assert torch.allclose(share, labels.bincount() / 2624, atol=0.01)
    torch.manual_seed(5)
    assert torch.equal(split(labels)[2], parts[2])


def test_a_zoomed_image_shows_a_part_of_its_module() -> None:
    part = made(4, BATCH_SIZE * CELLS**2).train
    part.images[:] = part.labels[:, None, None, None].to(torch.uint8)
    generator = torch.Generator().manual_seed(3)
    shown = set()
    for _ in range(40):
        (batch,) = modules(part, BATCH_SIZE, generator, mirror=True, least=2)
        assert batch.images.shape == (BATCH_SIZE, 1, 8, 8)
        for image, labels in zip(*batch, strict=True):
            told = labels[labels >= 0]
            count = round(len(told) ** 0.5)
            shown.add(count)
            assert len(told) == count**2
            assert bool((labels[len(told) :] == -100).all())
            if count == 2:  # shown as it is: the pixels of a cell are its class
                whole = told.view(2, 2).repeat_interleave(4, 0)
                assert torch.equal(image[0].long(), whole.repeat_interleave(4, 1))
    assert shown == set(range(2, CELLS + 1))


def test_the_net_scores_each_cell_at_any_size() -> None:
    net = GridNet().eval()
    for side in (32, 48, 72):
        scores = net(torch.zeros(2, 1, side, side), torch.tensor([CELLS**2, 9]))
        assert scores.shape == (CELLS**2 + 9, 4)


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the page needs <!-- figures: begin -->"):
        insert("<!-- figures: begin -->", {})


def test_the_page_has_the_table_of_the_file() -> None:
    found = json.loads((DOCS / "evidence.json").read_text("utf-8"))
    page = (DOCS / "evidence.md").read_text("utf-8")
    assert insert(page, found) == page
