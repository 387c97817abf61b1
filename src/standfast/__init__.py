"""Standfast: keeps services, and first of all a failover IP, on whichever of several hosts is alive.

The rooms and the doors between them are described in docs/internals/rooms.md; the flow of one event is
`runtime -> pure rooms -> effects -> runtime`, and nothing else happens anywhere.
"""

__version__ = "0.1.0"
