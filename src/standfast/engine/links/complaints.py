"""Complaints: what is counted and said about datagrams that are not believed.

Owns: the counters, and one report a minute per kind and source. Does not own: any decision; a complaint changes nothing else.
Invariant: at most SOURCES_MAX sources are remembered, so that forged addresses cannot fill memory; beyond that it only counts.
"""

from __future__ import annotations

from enum import StrEnum

from standfast.base.ids import US_PER_S
from standfast.base.report import Report, Severity

SOURCES_MAX = 128
QUIET_US = 60 * US_PER_S


class Complaint(StrEnum):
    """Why a datagram was not believed. STALE is ordinary: its session has just ended, or is not there yet; OUTLIVED is not: its
    session ended long ago. FLOOD was not looked at."""

    MALFORMED = "malformed"
    FOREIGN_CLUSTER = "foreign-cluster"
    UNKNOWN_SOURCE = "unknown-source"
    OTHER_KEY = "other-key"
    FORGED = "forged"
    REPLAYED = "replayed"
    STALE = "stale"
    OUTLIVED = "outlived"
    FLOOD = "flood"


_TEXTS: dict[Complaint, tuple[Severity, str, str, str]] = {
    Complaint.MALFORMED: (
        Severity.NOTICE,
        "datagrams from {source} are not of our kind",
        "{detail}",
        "something else sends to our port, or the peer runs another release: check the port in corosync.conf (mcastport)",
    ),
    Complaint.FOREIGN_CLUSTER: (
        Severity.WARNING,
        "datagrams from {source} belong to another cluster",
        "its cluster_name is not ours, which is {detail}",
        "give each cluster its own port (mcastport), or make cluster_name in corosync.conf the same on all nodes",
    ),
    Complaint.UNKNOWN_SOURCE: (
        Severity.WARNING,
        "datagrams from {source} are not from a node of ours",
        "{detail}",
        "check the addresses, node ids and ports in the nodelist: corosync.conf has to be the same on all nodes",
    ),
    Complaint.OTHER_KEY: (
        Severity.ERROR,
        "datagrams from {source} cannot be opened",
        "its authkey differs from ours",
        "copy /etc/corosync/authkey from one node to all, and restart the nodes that had another",
    ),
    Complaint.FORGED: (
        Severity.WARNING,
        "datagrams from {source} cannot be opened",
        "they name our key, but were damaged on the way or forged",
        "look for a faulty network device, or for a stranger in this network",
    ),
    Complaint.REPLAYED: (
        Severity.NOTICE,
        "datagrams from {source} came twice, or very late",
        "the network duplicates or delays, or somebody repeats recorded datagrams; they are dropped",
        "",
    ),
    Complaint.OUTLIVED: (
        Severity.NOTICE,
        "datagrams from {source} belong to a session that is over",
        "they were sealed for an earlier start of one of us, or with an earlier key; they are dropped",
        "if that node does not hear this one, look for what drops our datagrams; else somebody repeats recorded ones",
    ),
    Complaint.FLOOD: (
        Severity.WARNING,
        "datagrams from {source} come too fast",
        "more than {detail}; the rest is dropped unread",
        "look at that node and at this network: no member of a cluster sends so much",
    ),
}


class Complaints:
    """Counts every complaint and tells a person about few."""

    __slots__ = ("_said_us", "_since", "counters")

    def __init__(self) -> None:
        self.counters = dict.fromkeys(Complaint, 0)
        self._said_us: dict[tuple[Complaint, str], int] = {}
        self._since: dict[tuple[Complaint, str], int] = {}

    def about(self, now_us: int, kind: Complaint, source: str, detail: str = "") -> tuple[Report, ...]:
        """Count, and give a report if none was given for this kind and source within a minute."""
        self.counters[kind] += 1
        if kind not in _TEXTS:
            return ()
        key = (kind, source)
        said_us = self._said_us.get(key)
        if said_us is not None and now_us - said_us < QUIET_US:
            self._since[key] = self._since.get(key, 0) + 1
            return ()
        if said_us is None and not self._has_room(now_us):
            return ()
        self._said_us[key] = now_us
        return (self._report(kind, source, detail, self._since.pop(key, 0)),)

    def _has_room(self, now_us: int) -> bool:
        if len(self._said_us) < SOURCES_MAX:
            return True
        for key in [key for key, said_us in self._said_us.items() if now_us - said_us >= QUIET_US]:
            del self._said_us[key]
            self._since.pop(key, None)
        return len(self._said_us) < SOURCES_MAX

    @staticmethod
    def _report(kind: Complaint, source: str, detail: str, unsaid: int) -> Report:
        severity, what, why, remedy = _TEXTS[kind]
        why = why.format(source=source, detail=detail)
        if unsaid:
            why += f"; {unsaid} more since the last report"
        return Report(f"links.{kind}", severity, what.format(source=source), why, remedy)

    def check(self) -> None:
        """The invariant, for tests and the simulator."""
        assert len(self._said_us) <= SOURCES_MAX
        assert len(self._since) <= SOURCES_MAX
