"""The one gate for every verb: who may ask what. Deny by default; a verb that is not in the table is nobody's.

The caller's identity is the kernel's word (SO_PEERCRED), never the request's. The right to change the CIB is root's right on all
nodes, because the CIB names programs that run as root (Pacemaker Explained, ACLs): so it is root's and the cluster
administrators' (group haclient, as Pacemaker has it).
"""

from __future__ import annotations

from enum import Enum

from standfast.base.report import Report, error

EXIT_INSUFFICIENT_PRIV = 4  # Pacemaker's CRM_EX_INSUFFICIENT_PRIV


class Right(Enum):
    """READ shows, CHANGE decides what runs as root."""

    READ = "read"
    CHANGE = "change"


VERBS: dict[str, Right] = {
    "cib.apply": Right.CHANGE,
    "cib.query": Right.READ,
    "events": Right.READ,
    "fence": Right.CHANGE,
    "fence.confirm": Right.CHANGE,
    "fence.devices": Right.READ,
    "fence.history": Right.CHANGE,
    "node.forget": Right.CHANGE,
    "node.local": Right.READ,
    "node.shutdown": Right.CHANGE,
    "plan": Right.READ,
    "resource.cleanup": Right.CHANGE,
    "status": Right.READ,
    "wait": Right.READ,
}


def refusal(verb: str, uid: int, gid: int, admin_gid: int | None) -> Report | None:
    """None when the caller may; else the report that says why not. `admin_gid` is the group haclient's, where there is one.

    The socket's mode keeps everybody but root and that group out already; this is the second lock.
    """
    right = VERBS.get(verb)
    if right is None:
        return error("api.unknown-verb", f"unknown verb {verb!r}", "", "this tool and the manager are of different releases")
    if uid == 0 or (admin_gid is not None and gid == admin_gid):
        return None
    if right is Right.READ:
        return None
    return error(
        "api.not-permitted",
        f"user {uid} may not use {verb}",
        "it changes the cluster",
        "run it as root, or as a member of haclient",
    )
