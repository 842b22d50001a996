"""No example fails by how fast the machine is."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("schedule", deadline=None)
settings.load_profile("schedule")
