"""The manager's line to its cluster layer: one face, whichever provider is behind it (engine/api.py is what it says).

Owns: the face. Does not own: any provider.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from standfast.engine.api import ClientEvent, ClientRequest

Said = Callable[[ClientEvent], None]
Lost = Callable[[str], None]


class ClusterLine(Protocol):
    """Serves one client for its whole life, and connects again whenever it has to."""

    async def serve(self, said: Said, lost: Lost) -> None:
        """Until cancelled: `said` for each event in order; `lost` with the reason when everything said so far is void (the view
        is over for this client; the next one is told anew). Both are called on the loop."""

    def say(self, request: ClientRequest) -> None:
        """Ask something; nothing happens while there is no connection."""

    async def close(self) -> None:
        """What was said last (a Leave) gets through, or a short deadline passes; then everything ends."""
