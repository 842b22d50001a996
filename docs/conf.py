"""Sphinx: furo, and pages in MyST whose examples are executed."""

import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version as _version
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sphinx import builders

project = "upsize"
author = "The upsize developers"
copyright = f"2026, {author}"  # noqa: A001
release = version = _version("upsize")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx_copybutton",
]
# What is copied from an example is its code, without prompts and without results.
copybutton_exclude = ".linenos, .gp, .go"
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = "upsize"
html_show_sourcelink = True
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "top_of_page_buttons": ["view"],
    # Blue and orange of the pictures, in a blue that can be read on each ground.
    "light_css_variables": {
        "color-brand-primary": "#0072B2",
        "color-brand-content": "#0072B2",
    },
    "dark_css_variables": {
        "color-brand-primary": "#56B4E9",
        "color-brand-content": "#56B4E9",
    },
}
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 900
nb_merge_streams = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autosummary_generate = False
# Not installed here: its pages show code that `nox -s streams` runs.
autodoc_mock_imports = ["ray"]
nitpicky = False

# Links into the documentation of others need the network, which tests do without.
if os.environ.get("READTHEDOCS") or os.environ.get("GITHUB_ACTIONS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "lightning": ("https://lightning.ai/docs/pytorch/stable", None),
    }

# Three pages are executed at a time: several threads in each would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Pages show what a command prints to a file, without a progress bar's control codes and
# the colours of a dark terminal, and no advice about the notebook that executes them.
os.environ["TTY_COMPATIBLE"] = "0"
os.environ["NO_COLOR"] = "1"
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"

# `!upsize ...` is the command beside this Python, whatever else is on the path, and one
# that fails fails the build: by itself IPython goes on.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)
_profile = Path(tempfile.mkdtemp(), "profile_default")
_profile.mkdir()
(_profile / "ipython_kernel_config.py").write_text(
    "c.InteractiveShell.system_raise_on_error = True\n"
)
os.environ["IPYTHONDIR"] = str(_profile.parent)


# The pages that take longest, which begin first: else the build waits for one of them.
_LONGEST = ("tour", "start", "fastai", "forecast")


def _chunks(pages: Sequence[str], _processes: int) -> list[list[str]]:
    """Hand out pages one by one, and those of the reference, which import all, at once.

    Sphinx itself makes four parts of all, of which the last one, executed in one
    process, keeps the build waiting.
    """
    reference = [page for page in pages if page.startswith("api/")]
    first = [page for page in _LONGEST if page in pages]
    others = [page for page in pages if page not in {*first, *reference}]
    chunks = [[page] for page in (*first, *others)]
    return [*chunks[:1], reference, *chunks[1:]] if reference else chunks


builders.make_chunks = _chunks


def _model_signature(
    _app: Any, _what: str, _name: str, owner: Any, *_: Any
) -> tuple[str, None] | None:
    """Show the fields of a model, which pydantic makes known at its first use."""
    if not (isinstance(owner, type) and issubclass(owner, BaseModel)):
        return None
    given = [
        name if field.is_required() else f"{name}={field.default!r}"
        for name, field in owner.model_fields.items()
        if name != "kind"
    ]
    return f"(*, {', '.join(given)})", None


def setup(app: Any) -> None:
    """Connect what Sphinx asks while it reads the pages."""
    app.connect("autodoc-process-signature", _model_signature)
