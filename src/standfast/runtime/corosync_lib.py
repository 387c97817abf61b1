"""Corosync's client libraries, called as they are (cffi, ABI mode): one connection to the daemon of this host.

Owns: prototypes, handles, callbacks turned into events, errors turned into words. Does not own: what events mean
(engine/corosync.py), threads and deadlines (corosync_line.py): `open`, `leave`, `votes` and everything of the tools may block
for ever; `dispatch`, `quorum_dispatch`, `shutdown_dispatch` and `cast` do not. Prototypes: the headers of corosync 3.1 (cpg.h,
quorum.h, votequorum.h, cmap.h, cfg.h).
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import cffi  # type: ignore[import-untyped]

from standfast.base.ids import NodeId
from standfast.base.report import Refused, error
from standfast.engine.corosync_effects import GroupInput, Heard, MembersChanged, QuorumSaid, Reason, RingChanged
from standfast.runtime.apart import Unreachable

_DECLARATIONS = """
struct cpg_name { uint32_t length; char value[128]; };
struct cpg_address { uint32_t nodeid; uint32_t pid; uint32_t reason; };
struct cpg_ring_id { uint32_t nodeid; uint64_t seq; };
struct iovec { void *iov_base; size_t iov_len; };
typedef struct {
    int model;
    void (*deliver)(uint64_t, const struct cpg_name *, uint32_t, uint32_t, void *, size_t);
    void (*confchg)(uint64_t, const struct cpg_name *, const struct cpg_address *, size_t,
                    const struct cpg_address *, size_t, const struct cpg_address *, size_t);
    void (*totem_confchg)(uint64_t, struct cpg_ring_id, uint32_t, const uint32_t *);
    unsigned int flags;
} cpg_model_v1_data_t;
int cpg_model_initialize(uint64_t *, int, void *, void *);
int cpg_finalize(uint64_t);
int cpg_fd_get(uint64_t, int *);
int cpg_dispatch(uint64_t, int);
int cpg_join(uint64_t, const struct cpg_name *);
int cpg_leave(uint64_t, const struct cpg_name *);
int cpg_mcast_joined(uint64_t, int, const struct iovec *, unsigned int);
int cpg_local_get(uint64_t, unsigned int *);

struct quorum_ring_id { uint32_t nodeid; uint64_t seq; };
typedef struct {
    int model;
    void (*quorum)(uint64_t, uint32_t, struct quorum_ring_id, uint32_t, const uint32_t *);
    void (*nodelist)(uint64_t, struct quorum_ring_id, uint32_t, const uint32_t *, uint32_t, const uint32_t *, uint32_t,
                     const uint32_t *);
} quorum_model_v1_data_t;
int quorum_model_initialize(uint64_t *, int, void *, uint32_t *, void *);
int quorum_finalize(uint64_t);
int quorum_fd_get(uint64_t, int *);
int quorum_dispatch(uint64_t, int);
int quorum_trackstart(uint64_t, unsigned int);

struct votequorum_info {
    unsigned int node_id, node_state, node_votes, node_expected_votes, highest_expected, total_votes, quorum, flags,
    qdevice_votes; char qdevice_name[255];
};
int votequorum_initialize(uint64_t *, void *);
int votequorum_finalize(uint64_t);
int votequorum_getinfo(uint64_t, unsigned int, struct votequorum_info *);
int votequorum_setexpected(uint64_t, unsigned int);
int votequorum_setvotes(uint64_t, unsigned int, unsigned int);

int cmap_initialize_map(uint64_t *, int);
int cmap_finalize(uint64_t);
int cmap_get(uint64_t, const char *, void *, size_t *, int *);
int cmap_set(uint64_t, const char *, const void *, size_t, int);
int cmap_iter_init(uint64_t, const char *, uint64_t *);
int cmap_iter_next(uint64_t, uint64_t, char *, size_t *, int *);
int cmap_iter_finalize(uint64_t, uint64_t);

typedef struct { void (*shutdown)(uint64_t, int); } cfg_callbacks_t;
int corosync_cfg_initialize(uint64_t *, const cfg_callbacks_t *);
int corosync_cfg_finalize(uint64_t);
int corosync_cfg_fd_get(uint64_t, int *);
int corosync_cfg_dispatch(uint64_t, int);
int corosync_cfg_trackstart(uint64_t, uint8_t);
int corosync_cfg_replyto_shutdown(uint64_t, int);
int corosync_cfg_kill_node(uint64_t, unsigned int, const char *);
int corosync_cfg_try_shutdown(uint64_t, int);
int corosync_cfg_reload_config(uint64_t);
"""
_LIBRARIES = ("libcpg.so.4", "libquorum.so.5", "libvotequorum.so.8", "libcmap.so.4", "libcfg.so.7")
_PACKAGES = "apt-get install corosync libcpg4 libquorum5 libvotequorum8 libcmap4 libcfg7"

OK, LIBRARY, TRY_AGAIN, BAD_HANDLE = 1, 2, 6, 9
_WORDS = {2: "the daemon is gone, or not up yet", 6: "try again", 7: "invalid parameter", 8: "no memory", 9: "bad handle",
          10: "busy", 11: "access denied", 12: "does not exist", 14: "exists already", 20: "not supported"}  # fmt: skip
DISPATCH_ALL = 2
_TRACK = 1 | 2  # the state of now, and changes
_AGREED = 2
_QUORUM_SET = 1
_GROUP = b"standfast"
_FLAGS = ((1, "2Node"), (2, "Quorate"), (4, "WaitForAll"), (8, "LastManStanding"), (16, "AutoTieBreaker"), (32, "AllowDownscale"),
          (64, "Qdevice"))  # fmt: skip
_CMAP_TYPES = dict(enumerate(("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "flt", "dbl", "str", "bin"), 1))
CMAP_KEYS_MAX = 4096


class Libraries:
    """The five libraries, opened. Raises Refused where one is missing."""

    def __init__(self) -> None:
        self.ffi = cffi.FFI()
        self.ffi.cdef(_DECLARATIONS)
        self._opened: list[Any] = []
        for name in _LIBRARIES:
            try:
                self._opened.append(self.ffi.dlopen(name))
            except OSError as fault:
                raise Refused(
                    error("corosync.no-library", f"{name} is needed for engine: corosync", str(fault), _PACKAGES), exit_code=78
                ) from None
        self.cpg, self.quorum, self.votequorum, self.cmap, self.cfg = self._opened


class Connection:
    """One connection to the daemon, from `open` to `close`. All callbacks become events, taken by `dispatch`."""

    def __init__(self, libraries: Libraries) -> None:
        self._lib = libraries
        self._ffi = libraries.ffi
        self._name = self._ffi.new("struct cpg_name *")
        self._name.length = len(_GROUP)
        self._name.value = _GROUP
        self._events: list[GroupInput] = []
        self._quorate: list[tuple[tuple[int, int], bool]] = []
        self._shutdowns = 0
        self._handles: dict[str, int] = {}
        self._kept: list[Any] = []  # callbacks and their tables: C holds pointers to them
        self.node = NodeId(0)
        self.has_provider = False
        self.consensus_ms = 0
        self.token_ms = 0
        self.is_late = False

    # ---- may block: to be called apart ------------------------------------------------------------------------------

    def open(self, until_s: float) -> None:
        """Connect to every service and join the group; `until_s` of the monotonic clock bounds the waiting for a daemon that is
        still starting. Raises Unreachable. When the deadline of the caller has passed, what was opened is closed again."""
        try:
            self._open(until_s)
        except BaseException:
            self.close()
            raise
        if self.is_late:
            self.close()

    def _open(self, until_s: float) -> None:
        ffi, lib = self._ffi, self._lib
        number, type_ = ffi.new("uint64_t *"), ffi.new("uint32_t *")
        table = self._cpg_table()
        _until(until_s, "cpg_model_initialize", lambda: lib.cpg.cpg_model_initialize(number, 1, table, ffi.NULL))
        self._handles["cpg"] = number[0]
        local = ffi.new("unsigned int *")
        _check("cpg_local_get", lib.cpg.cpg_local_get(self._handles["cpg"], local))
        self.node = NodeId(local[0])
        table = self._quorum_table()
        _until(until_s, "quorum_initialize", lambda: lib.quorum.quorum_model_initialize(number, 1, table, type_, ffi.NULL))
        self._handles["quorum"] = number[0]
        self.has_provider = type_[0] == _QUORUM_SET
        if self.has_provider:
            _until(until_s, "votequorum_initialize", lambda: lib.votequorum.votequorum_initialize(number, ffi.NULL))
            self._handles["votequorum"] = number[0]
        _until(until_s, "cmap_initialize", lambda: lib.cmap.cmap_initialize_map(number, 0))
        self._handles["cmap"] = number[0]
        _until(until_s, "cfg_initialize", lambda: lib.cfg.corosync_cfg_initialize(number, self._cfg_table()))
        self._handles["cfg"] = number[0]
        _check("cfg_trackstart", lib.cfg.corosync_cfg_trackstart(self._handles["cfg"], 0))
        self.token_ms = int(self.value("runtime.config.totem.token") or 0)
        self.consensus_ms = int(self.value("runtime.config.totem.consensus") or 0)
        _check("quorum_trackstart", lib.quorum.quorum_trackstart(self._handles["quorum"], _TRACK))
        _until(until_s, "cpg_join", lambda: lib.cpg.cpg_join(self._handles["cpg"], self._name))

    def leave(self) -> None:
        """Leave the group politely, and disconnect."""
        if "cpg" in self._handles:
            self._lib.cpg.cpg_leave(self._handles["cpg"], self._name)
        self.close()

    def votes(self, ring: tuple[int, int], *, quorate: bool) -> QuorumSaid:
        """Votequorum's numbers, for what it said about a ring."""
        if "votequorum" not in self._handles:
            return QuorumSaid(ring, quorate, 0, 0, 0, (), has_provider=False)
        info = self._info(self.node)
        flags = tuple(word for bit, word in _FLAGS if info.flags & bit)
        return QuorumSaid(ring, quorate, info.total_votes, info.quorum, info.highest_expected, flags)

    def votes_of(self, node: NodeId) -> int:
        """The votes of a node, as votequorum counts them."""
        return int(self._info(node).node_votes) if "votequorum" in self._handles else 0

    def value(self, key: str) -> str | None:
        """A value of cmap as corosync-cmapctl prints it; None where there is none."""
        ffi, length, type_ = self._ffi, self._ffi.new("size_t *"), self._ffi.new("int *")
        name = key.encode()
        if self._lib.cmap.cmap_get(self._handles["cmap"], name, ffi.NULL, length, type_) != OK:
            return None
        data = ffi.new("char[]", max(1, length[0]))
        if self._lib.cmap.cmap_get(self._handles["cmap"], name, data, length, type_) != OK:
            return None
        return _shown(bytes(ffi.buffer(data, length[0])), type_[0])

    def values(self) -> list[tuple[str, str, str]]:
        """Everything in cmap: (key, type, value)."""
        ffi, number = self._ffi, self._ffi.new("uint64_t *")
        _check("cmap_iter_init", self._lib.cmap.cmap_iter_init(self._handles["cmap"], ffi.NULL, number))
        key, length, type_ = ffi.new("char[256]"), ffi.new("size_t *"), ffi.new("int *")
        found: list[tuple[str, str, str]] = []
        while len(found) < CMAP_KEYS_MAX:
            if self._lib.cmap.cmap_iter_next(self._handles["cmap"], number[0], key, length, type_) != OK:
                break
            name, kind = ffi.string(key).decode("utf-8", "replace"), _CMAP_TYPES.get(type_[0], "bin")
            found.append((name, kind, self.value(name) or ""))
        self._lib.cmap.cmap_iter_finalize(self._handles["cmap"], number[0])
        return sorted(found)

    def adjust(self, verb: str, node: NodeId, value: int) -> None:
        """An operator's order (engine/effects.Adjusted). Raises Unreachable."""
        lib, handles = self._lib, self._handles
        if verb in ("expected_votes", "votes") and not self.has_provider:
            raise Unreachable(f"{verb}: no quorum provider is configured")
        match verb:
            case "expected_votes":
                _check("votequorum_setexpected", lib.votequorum.votequorum_setexpected(handles["votequorum"], value))
            case "votes":
                _check("votequorum_setvotes", lib.votequorum.votequorum_setvotes(handles["votequorum"], node, value))
            case "cancel_wait_for_all":
                one = self._ffi.new("uint8_t *", 1)
                _check("cmap_set", lib.cmap.cmap_set(handles["cmap"], b"quorum.cancel_wait_for_all", one, 1, 2))
            case "kill":
                _check("cfg_kill_node", lib.cfg.corosync_cfg_kill_node(handles["cfg"], node, b"killed by an operator"))
            case "leave":
                _check("cfg_try_shutdown", lib.cfg.corosync_cfg_try_shutdown(handles["cfg"], 1 if value else 0))
            case _:
                raise Unreachable(f"{verb!r} is no order")

    def reload(self) -> None:
        """Let the daemons of all nodes read their corosync.conf again."""
        _check("cfg_reload_config", self._lib.cfg.corosync_cfg_reload_config(self._handles["cfg"]))

    def answer_shutdown(self, *, may: bool) -> None:
        """Corosync asks whether it may shut down."""
        self._lib.cfg.corosync_cfg_replyto_shutdown(self._handles["cfg"], int(may))

    # ---- never block ------------------------------------------------------------------------------------------------

    def fds(self) -> tuple[int, int, int]:
        """To be watched: of the group, of quorum, of shutdown requests."""
        return tuple(  # type: ignore[return-value]  # three
            self._fd(name, call)
            for name, call in (
                ("cpg", self._lib.cpg.cpg_fd_get),
                ("quorum", self._lib.quorum.quorum_fd_get),
                ("cfg", self._lib.cfg.corosync_cfg_fd_get),
            )
        )

    def dispatch(self) -> list[GroupInput]:
        """What has happened in the group, in order. Raises Unreachable when the daemon is gone."""
        code = self._lib.cpg.cpg_dispatch(self._handles["cpg"], DISPATCH_ALL)
        taken, self._events = self._events, []
        if code not in (OK, TRY_AGAIN):
            raise Unreachable(_said("cpg_dispatch", code))
        return taken

    def quorum_dispatch(self) -> list[tuple[tuple[int, int], bool]]:
        """(ring, quorate), as it changes. Raises Unreachable when the daemon is gone."""
        code = self._lib.quorum.quorum_dispatch(self._handles["quorum"], DISPATCH_ALL)
        taken, self._quorate = self._quorate, []
        if code not in (OK, TRY_AGAIN):
            raise Unreachable(_said("quorum_dispatch", code))
        return taken

    def shutdown_dispatch(self) -> bool:
        """Whether corosync asks if it may shut down. Raises Unreachable when the daemon is gone."""
        code = self._lib.cfg.corosync_cfg_dispatch(self._handles["cfg"], DISPATCH_ALL)
        asked, self._shutdowns = self._shutdowns > 0, 0
        if code not in (OK, TRY_AGAIN):
            raise Unreachable(_said("cfg_dispatch", code))
        return asked

    def cast(self, data: bytes) -> bool:
        """Multicast to the group; False: not now (flow control). Raises Unreachable when the daemon is gone."""
        ffi = self._ffi
        buffer = ffi.from_buffer(data)
        vector = ffi.new("struct iovec *", {"iov_base": ffi.cast("void *", buffer), "iov_len": len(data)})
        code = self._lib.cpg.cpg_mcast_joined(self._handles["cpg"], _AGREED, vector, 1)
        if code not in (OK, TRY_AGAIN):
            raise Unreachable(_said("cpg_mcast_joined", code))
        return bool(code == OK)

    def close(self) -> None:
        """Give every handle back. A daemon that is gone does not mind."""
        ends = {
            "cpg": self._lib.cpg.cpg_finalize,
            "quorum": self._lib.quorum.quorum_finalize,
            "votequorum": self._lib.votequorum.votequorum_finalize,
            "cmap": self._lib.cmap.cmap_finalize,
            "cfg": self._lib.cfg.corosync_cfg_finalize,
        }
        handles, self._handles = self._handles, {}
        for name, handle in handles.items():
            ends[name](handle)

    # ---- parts ------------------------------------------------------------------------------------------------------

    def _info(self, node: NodeId) -> Any:
        info = self._ffi.new("struct votequorum_info *")
        code = self._lib.votequorum.votequorum_getinfo(self._handles["votequorum"], node, info)
        _check("votequorum_getinfo", code)
        return info

    def _fd(self, name: str, call: Callable[[int, Any], int]) -> int:
        fd = self._ffi.new("int *")
        _check(f"{name}_fd_get", call(self._handles[name], fd))
        return int(fd[0])

    def _cpg_table(self) -> Any:
        ffi = self._ffi

        def deliver(_handle: int, _name: Any, node: int, pid: int, message: Any, length: int) -> None:
            self._events.append(Heard((NodeId(node), pid), bytes(ffi.buffer(message, length))))

        def confchg(_handle: int, _name: Any, here: Any, n: int, gone: Any, n_gone: int, _joined: Any, _n: int) -> None:
            members = tuple((NodeId(here[i].nodeid), here[i].pid) for i in range(n))
            left = tuple(((NodeId(gone[i].nodeid), gone[i].pid), _reason(gone[i].reason)) for i in range(n_gone))
            self._events.append(MembersChanged(members, left))

        def totem(_handle: int, ring: Any, n: int, nodes: Any) -> None:
            self._events.append(RingChanged((ring.nodeid, ring.seq), tuple(sorted(NodeId(nodes[i]) for i in range(n)))))

        table = ffi.new("cpg_model_v1_data_t *")
        table.model, table.flags = 1, 1  # flag: the ring of now is told after the join
        table.deliver = self._callback("void(uint64_t, const struct cpg_name *, uint32_t, uint32_t, void *, size_t)", deliver)
        table.confchg = self._callback(
            "void(uint64_t, const struct cpg_name *, const struct cpg_address *, size_t, const struct cpg_address *, size_t,"
            " const struct cpg_address *, size_t)",
            confchg,
        )
        table.totem_confchg = self._callback("void(uint64_t, struct cpg_ring_id, uint32_t, const uint32_t *)", totem)
        self._kept.append(table)
        return table

    def _quorum_table(self) -> Any:
        def quorum(_handle: int, quorate: int, ring: Any, _n: int, _nodes: Any) -> None:
            self._quorate.append(((ring.nodeid, ring.seq), bool(quorate)))

        def nodelist(*_: Any) -> None:
            """Not needed: the group tells of its rings itself."""

        table = self._ffi.new("quorum_model_v1_data_t *")
        table.model = 1
        table.quorum = self._callback("void(uint64_t, uint32_t, struct quorum_ring_id, uint32_t, const uint32_t *)", quorum)
        table.nodelist = self._callback(
            "void(uint64_t, struct quorum_ring_id, uint32_t, const uint32_t *, uint32_t, const uint32_t *, uint32_t,"
            " const uint32_t *)",
            nodelist,
        )
        self._kept.append(table)
        return table

    def _cfg_table(self) -> Any:
        def shutdown(_handle: int, _flags: int) -> None:
            self._shutdowns += 1

        table = self._ffi.new("cfg_callbacks_t *")
        table.shutdown = self._callback("void(uint64_t, int)", shutdown)
        self._kept.append(table)
        return table

    def _callback(self, declaration: str, function: Callable[..., None]) -> Any:
        made = self._ffi.callback(declaration, function)
        self._kept.append(made)
        return made


def _reason(number: int) -> Reason:
    return Reason(number) if number in tuple(Reason) else Reason.UNKNOWN


def _said(call: str, code: int) -> str:
    return f"{call}: {_WORDS.get(code, f'error {code}')}"


def _check(call: str, code: int) -> None:
    if code != OK:
        raise Unreachable(_said(call, code))


def _until(until_s: float, name: str, call: Callable[[], int]) -> None:
    """Repeat what says "try again" (a daemon before its first view does) until the instant."""
    while (code := call()) == TRY_AGAIN and time.monotonic() < until_s:
        time.sleep(0.05)
    _check(name, code)


def _shown(data: bytes, kind: int) -> str:
    """A value of cmap as text."""
    if kind == 11:
        return data.rstrip(b"\0").decode("utf-8", "replace")
    if kind in range(1, 9):
        return str(int.from_bytes(data, sys.byteorder, signed=kind % 2 == 1))
    if kind in (9, 10):
        return str(struct.unpack("=f" if kind == 9 else "=d", data)[0])
    return data.hex()
