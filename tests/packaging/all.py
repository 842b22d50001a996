"""The extra `all`: every public module is imported, and the command forecasts."""

import importlib
import pkgutil
import subprocess
import sys

import upsize

names = [
    module.name
    for module in pkgutil.walk_packages(upsize.__path__, "upsize.")
    if not any(part.startswith("_") for part in module.name.split("."))
    and module.name != "upsize.ray"  # an extra of its own
]
for name in names:
    importlib.import_module(name)
assert {"upsize.fastai", "upsize.lightning", "upsize.transformers"} <= set(names)
command = [sys.executable, "-P", "-m", "upsize", "forecast", "--demo"]
subprocess.run([*command, "--size", "32", "--seconds", "1"], check=True)
print(len(names), "modules")
