"""What holds for all tests: an example may take as long as a busy machine makes it; the time limit of a test bounds it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("busy-machine", deadline=None)
settings.load_profile("busy-machine")
