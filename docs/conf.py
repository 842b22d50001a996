"""Sphinx: furo, and pages in MyST whose examples are executed."""

from importlib.metadata import version as _version

project = "upsize"
author = "The upsize developers"
copyright = f"2026, {author}"  # noqa: A001
release = version = _version("upsize")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = "upsize"
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
myst_enable_extensions = ["colon_fence"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
nitpicky = False
