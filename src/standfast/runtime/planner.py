"""The scheduler's own process: a long decision never delays a lease, a monitor or an API call.

Forked from the manager before its event loop starts. It follows the document (scheduler/follower.py) by what the controller tells
it, answers questions in order, and prepares for what may come while nothing else is to be done (foresight.py). Frames are `u32
length`, one byte for the kind, and msgpack, over a socket pair. A scheduler that fails answers with a report; one that dies ends
the manager, whose supervisor starts both again (addresses stay up meanwhile, see agents/ip).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
from lxml import etree

from standfast.base.report import error
from standfast.base.wire import Malformed
from standfast.controller.effects import AskPlan, Document, Follow, Foresee, ForScheduler, PlanMade
from standfast.runtime.archive import Archive
from standfast.runtime.foresight import Foresight
from standfast.runtime.supervisor import call_process, die_with_parent
from standfast.scheduler.follower import Follower
from standfast.scheduler.plan import schedule

FRAME_BYTES_MAX = 256 * 1024 * 1024
BEHIND_BYTES_MAX = 64 * 1024 * 1024
"""A worker that is so far behind is told no more changes; it says that it lost the document when it is asked again."""

_ENCODE = msgspec.msgpack.Encoder().encode
_KINDS: dict[bytes, type[ForScheduler]] = {b"A": AskPlan, b"D": Document, b"F": Follow, b"S": Foresee}
_MARKS = {kind: mark for mark, kind in _KINDS.items()}
_DECODERS = {mark[0]: msgspec.msgpack.Decoder(kind).decode for mark, kind in _KINDS.items()}
_PLAN_MADE = msgspec.msgpack.Decoder(PlanMade)


class Planner:
    """The manager's end. `tell` never blocks; `answered` is called from the loop, in the order of the questions."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self.line = line
        self.pid = pid
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, answered: Callable[[PlanMade], None]) -> None:
        """Read answers until the worker is gone (then it returns)."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self.line, limit=FRAME_BYTES_MAX)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4), "big")
                answered(_PLAN_MADE.decode(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writer.close()

    def tell(self, news: ForScheduler) -> None:
        """Send one frame."""
        assert self._writer is not None, "told before serve() began"
        if isinstance(news, Follow) and self._writer.transport.get_write_buffer_size() > BEHIND_BYTES_MAX:
            return
        self._writer.write(frame(news))


def frame(news: ForScheduler) -> bytes:
    """What the worker is sent."""
    body = _MARKS[type(news)] + _ENCODE(news)
    return len(body).to_bytes(4, "big") + body


def read_answer(line: socket.socket) -> PlanMade:
    """The next answer, waited for: for whoever has no loop. Raises ConnectionError when the worker is gone."""
    length = int.from_bytes(_exactly(line, 4), "big")
    return _PLAN_MADE.decode(_exactly(line, length))


def _exactly(line: socket.socket, length: int) -> bytes:
    parts: list[bytes] = []
    while length:
        part = line.recv(min(length, 1 << 20))
        if not part:
            raise ConnectionError("the other end is gone")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def fork_planner(kept: Path | None) -> Planner:
    """Start the worker, which keeps what was planned in the folder `kept`. Call before any event loop or thread exists."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os._exit(_Worker(theirs, None if kept is None else Archive(kept)).work())
    theirs.close()
    return Planner(ours, pid)


class _Worker:
    """The worker's whole life. What comes in goes first: while a frame waits, nothing is prepared."""

    def __init__(self, line: socket.socket, archive: Archive | None) -> None:
        self._line = line
        self._archive = archive
        self._follower = Follower()
        self._foresight = Foresight(self._follower, _utc_offset_s)
        self._parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)

    def work(self) -> int:
        """Serve until the manager is gone."""
        die_with_parent(signal.SIGKILL)
        call_process("planner")
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sign, signal.SIG_IGN)  # the manager decides when both end
        # A plan makes 100,000s of objects and drops them all: looking for cycles meanwhile costs a third of the time.
        gc.disable()
        with contextlib.suppress(ConnectionError):
            while True:
                self._wait()
                body = _exactly(self._line, int.from_bytes(_exactly(self._line, 4), "big"))
                self._take(_DECODERS[body[0]](body[1:]))
        self._foresight.stop()
        return 0

    def _wait(self) -> None:
        """Prepare until a frame comes."""
        while True:
            lines = [self._line.fileno(), *self._foresight.lines]
            ready, _, _ = select.select(lines, [], [], self._foresight.pause_s())
            if self._line.fileno() in ready:
                return
            self._foresight.go_on()

    def _take(self, news: ForScheduler) -> None:
        self._foresight.interrupt()
        match news:
            case Document(xml):
                self._foresight.forget()
                try:
                    self._follower.take(xml)
                except Malformed:
                    self._follower.lose()
            case Follow(before, after, change):
                self._foresight.forget()
                self._follower.follow(before, after, change)
            case Foresee(changes):
                self._foresight.prepare(changes)
            case AskPlan():
                self._answer(news)

    def _answer(self, question: AskPlan) -> None:
        answer = self._plan(question)
        body = _ENCODE(answer)
        self._line.sendall(len(body).to_bytes(4, "big") + body)
        if question.keep and self._archive is not None and answer.plan is not None and answer.plan.graph.actions:
            # After the answer: nobody waits for a disk.
            self._archive.keep(question.xml or self._follower.xml(), question.wall_s, answer.plan.notices)
        if not select.select([self._line], [], [], 0)[0]:
            gc.collect()
            gc.freeze()  # what is left stays, the document above all; the next search need not look at it

    def _plan(self, question: AskPlan) -> PlanMade:
        number, now_s = question.number, question.wall_s
        offset_s = _utc_offset_s(now_s)
        try:
            # The controller has no connections to Pacemaker Remote nodes.
            if question.xml is not None:
                cib = etree.fromstring(question.xml, self._parser)
                return PlanMade(number, schedule(cib, now_s, offset_s, connects=False))
            # Who carries a plan out does not look at scores and reasons; who asks about it does.
            made = self._follower.plan(now_s, offset_s, connects=False, tells=not question.keep)
            return PlanMade(number, None, lost=True) if made is None else PlanMade(number, made.plan)
        except Exception as fault:
            traceback.print_exc()
            self._follower.lose()
            remedy = "report it with the output of cibadmin -Q"
            return PlanMade(
                number, None, error("scheduler.bug", "the scheduler failed on this configuration", repr(fault), remedy)
            )


def _utc_offset_s(now_s: int) -> int:
    """Local time less UTC, which rules without a zone go by."""
    return time.localtime(now_s).tm_gmtoff
