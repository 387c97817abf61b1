"""The executor's effects on the world outside this process: agents as children, units over D-Bus, one face for both."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from standfast.executor.api import AgentExited, EndAgent, RunAgent, RunUnit
from standfast.runtime.children import Children
from standfast.runtime.systemd import BUS_PATH, OVERRIDE_DIR, Units

AGENTS_DIR = "/run/resource-agents"
"""Where agents keep their state files (HA_RSCTMP); the tmpfiles.d of resource-agents makes it, where that runs."""


class Processes:
    """Performs RunAgent, RunUnit and EndAgent. Invariant: every run gives one call of `exited`, never from inside `perform`."""

    def __init__(self, exited: Callable[[AgentExited], None], bus_path: str = BUS_PATH, override_dir: str = OVERRIDE_DIR) -> None:
        """To be made on the running loop. Makes the agents' own directory where nobody did (Pacemaker's executor does, too)."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # an agent that needs it says so itself
            os.makedirs(AGENTS_DIR, 0o755, exist_ok=True)
        self._children = Children(loop, exited)
        self._units = Units(loop, exited, bus_path, override_dir)

    def perform(self, effect: RunAgent | RunUnit | EndAgent) -> None:
        """Start or end one; an end for a run that is over already is nothing."""
        match effect:
            case RunAgent():
                self._children.run(effect)
            case RunUnit():
                self._units.run(effect)
            case EndAgent():
                if not self._children.end(effect):
                    self._units.end(effect)

    async def stop(self) -> None:
        """End what runs, without answers. Services that agents have started go on: a successor adopts them."""
        self._children.close()
        await self._units.close()
