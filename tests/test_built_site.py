"""The check of the built documentation finds what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.built_site import faults

WHOLE = """
<h1 id="top">Title</h1><h2>A</h2><h3>B</h3><h2>C</h2>
<span class=" -Color -Color-Bold -Color-Bold-Faint">bold</span><p>Between 1/2 and ~/data/train.</p><pre>print(1)</pre>
<img src="a.png" alt="a picture"><a href="#top">up</a><a href="b.html#end">on</a>
<a href="https://example.org/lost">elsewhere</a>
"""

LONG = "decoding 1/9\n" * 70


def found(folder: Path, page: str) -> list[str]:
    (folder / "a.html").write_text(page)
    (folder / "b.html").write_text('<p id="end">End</p>')
    (folder / "a.png").touch()
    return list(faults(folder))


def test_a_page_as_it_should_be(tmp_path: Path) -> None:
    assert found(tmp_path, WHOLE) == []


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("<p>&lt;Figure size 640x400 with 1 Axes&gt;</p>", "shows a figure as text"),
        ("<pre>\x1b[1mbold</pre>", "shows a control code"),
        ("<pre>?[?25l 1/8</pre>", "shows a control code"),
        ("<pre>[2K 1/8</pre>", "shows a control code"),
        ("<pre>GPU available: False</pre>", "shows a framework's messages"),
        ("<p>in /home/me/lib.py:21</p>", "shows a path of the machine"),
        ("<pre>  \n</pre>", "has an empty code block"),
        (
            f"<div class=cell_output><pre>{LONG}</pre></div>",
            "has an output of 70 lines",
        ),
        ("<h1>A</h1><h1>B</h1>", "has 2 titles"),
        ("<h1>A</h1><h3>B</h3>", "has a heading of level 3 below one of level 1"),
        (
            '<span class=" -Color -Color-Bold -Color-Bold-Yellow">a</span>',
            "has a terminal's colours",
        ),
        ('<img src="a.png">', "has a picture without an alternative text: a.png"),
        ('<a href="lost.html">on</a>', "links to lost.html, which is not there"),
        ('<img src="lost.png" alt="a">', "links to lost.png, which is not there"),
        ('<a href="b.html#lost">on</a>', "links to b.html#lost, an anchor that"),
        ('<a href="#lost">up</a>', "links to #lost, an anchor that"),
    ],
)
def test_a_fault(page: str, fault: str, tmp_path: Path) -> None:
    (sentence,) = found(tmp_path, page)
    assert sentence.startswith(f"a.html {fault}")


def test_a_site_without_pages(tmp_path: Path) -> None:
    assert list(faults(tmp_path)) == [f"{tmp_path} holds no page"]
