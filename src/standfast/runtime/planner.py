"""The scheduler's own process: a long decision never delays a lease, a monitor or an API call.

Forked from the manager before its event loop starts. Questions and answers are frames of `u32 length` and msgpack over a socket
pair; one is answered at a time, in order. A scheduler that fails answers with a report; one that dies ends the manager, whose
supervisor starts both again (addresses stay up meanwhile, see agents/ip).
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from lxml import etree

from standfast.base.report import Report, error
from standfast.runtime.archive import Archive
from standfast.runtime.supervisor import call_process, die_with_parent
from standfast.scheduler.api import Plan
from standfast.scheduler.plan import schedule

FRAME_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """Plan this document. `number` comes back with the answer; with `keep`, the document is kept if there is something to do."""

    number: int
    now_s: int
    xml: bytes
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The plan, or why there is none."""

    number: int
    plan: Plan | None
    fault: Report | None = None


_ENCODE = msgspec.msgpack.Encoder().encode
_QUESTION = msgspec.msgpack.Decoder(Question)
_ANSWER = msgspec.msgpack.Decoder(Answer)


class Planner:
    """The manager's end. `ask` never blocks; `answered` is called from the loop, in the order of the questions."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line = line
        self.pid = pid
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, answered: Callable[[Answer], None]) -> None:
        """Read answers until the worker is gone (then it returns)."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._line, limit=FRAME_BYTES_MAX)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4), "big")
                answered(_ANSWER.decode(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writer.close()

    def ask(self, question: Question) -> None:
        """Send one question."""
        assert self._writer is not None, "asked before serve() began"
        body = _ENCODE(question)
        self._writer.write(len(body).to_bytes(4, "big") + body)


def fork_planner(kept: Path) -> Planner:
    """Start the worker, which keeps what was planned in the folder `kept`. Call before any event loop or thread exists."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        os._exit(_work(theirs, Archive(kept)))
    theirs.close()
    return Planner(ours, pid)


def _work(line: socket.socket, archive: Archive) -> int:
    """The worker's whole life."""
    die_with_parent(signal.SIGKILL)
    call_process("planner")
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)  # the manager decides when both end
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    with line.makefile("rwb") as stream:
        while header := stream.read(4):
            question = _QUESTION.decode(stream.read(int.from_bytes(header, "big")))
            gc.disable()  # a plan makes 100,000s of objects and drops them all: walking them meanwhile costs a third of the time
            answer = _answer(question, parser)
            gc.enable()
            body = _ENCODE(answer)
            stream.write(len(body).to_bytes(4, "big") + body)
            stream.flush()
            if question.keep and answer.plan is not None and answer.plan.graph.actions:
                archive.keep(question.xml, question.now_s, answer.plan.notices)  # after the answer: nobody waits for a disk
    return 0


def _utc_offset_s(now_s: int) -> int:
    """Local time less UTC, which rules without a zone go by."""
    return time.localtime(now_s).tm_gmtoff


def _answer(question: Question, parser: etree.XMLParser) -> Answer:
    try:
        cib = etree.fromstring(question.xml, parser)
        # The controller has no connections to Pacemaker Remote nodes.
        return Answer(question.number, schedule(cib, question.now_s, _utc_offset_s(question.now_s), connects=False))
    except Exception as fault:
        traceback.print_exc()
        return Answer(
            question.number,
            None,
            error(
                "scheduler.bug",
                "the scheduler failed on this configuration",
                repr(fault),
                "report it with the output of cibadmin -Q",
            ),
        )
