"""Check the built documentation: `python tests/built_site.py docs/_build/html`.

What a page shows comes from code that ran while it was built, so only the built page
tells whether a picture is there, or a progress bar's control codes are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

__all__ = ["faults"]

WRONG = {
    "a figure as text": re.compile(r"<Figure size"),
    "a control code": re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|\[\?25[lh]|\[\d+[mKJA]"),
    "a framework's messages about the machine": re.compile(r"GPU available: "),
    "a path of the machine that built it": re.compile(
        r"(?<![\w.~/])/(home|root|tmp|work|Users|opt)/\w"
    ),
}
# Of the classes that myst-nb gives to text with control codes: bold is fine.
_COLOUR = re.compile(r"^-Color-.*(Red|Green|Yellow|Blue|Magenta|Cyan|White|C\d+)$")
# A longer output is a progress bar, or a log that nobody reads.
MOST_LINES = 60
SHOWN = 70


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong with the pages of a built site, a sentence each."""
    site = site.resolve()
    pages = {
        path: BeautifulSoup(path.read_text("utf-8"), "html.parser")
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    if not pages:
        yield f"{site} holds no page"
    anchors = {
        path: {tag["id"] for tag in page.find_all(id=True)}
        for path, page in pages.items()
    }
    for path, page in pages.items():
        name = path.relative_to(site)
        for fault in (*_shown(page), *_broken(page, path, anchors)):
            yield f"{name} {fault}"


def _shown(page: BeautifulSoup) -> Iterator[str]:
    """Yield what is wrong with what a page shows."""
    text = page.get_text()
    for what, pattern in WRONG.items():
        if found := pattern.search(text):
            around = text[max(0, found.start() - SHOWN // 2) : found.end() + SHOWN]
            yield f"shows {what}: {around!r}"
    for block in page.find_all("pre"):
        code = block.get_text().strip()
        if not code:
            yield "has an empty code block"
        is_output = block.find_parent(class_="cell_output") is not None
        if is_output and code.count("\n") >= MOST_LINES:
            yield f"has an output of {code.count(chr(10)) + 1} lines: {code[:SHOWN]!r}"
    levels = [int(tag.name[1]) for tag in page.find_all(re.compile(r"^h[1-6]$"))]
    if levels.count(1) > 1:
        yield f"has {levels.count(1)} titles"
    for above, level in pairwise(levels):
        if level > above + 1:
            yield f"has a heading of level {level} below one of level {above}"
    if page.find(class_=_COLOUR):
        yield "has a terminal's colours, which cannot be read on a light ground"
    for picture in page.find_all("img"):
        if not picture.get("alt"):
            yield f"has a picture without an alternative text: {picture.get('src')}"


def _broken(
    page: BeautifulSoup, path: Path, anchors: dict[Path, set[str]]
) -> Iterator[str]:
    """Yield the links within the site that lead nowhere."""
    for tag in page.find_all(["a", "img", "link", "script"]):
        link = tag.get("href") or tag.get("src") or ""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        is_anchor = parts.fragment and there in anchors
        if not there.exists():
            yield f"links to {link}, which is not there"
        elif is_anchor and unquote(parts.fragment) not in anchors[there]:
            yield f"links to {link}, an anchor that is not there"


if __name__ == "__main__":
    wrong = list(faults(Path(sys.argv[1])))
    print("\n".join(wrong) or "every page is as it should be")
    sys.exit(bool(wrong))
