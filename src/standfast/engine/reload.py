"""One reload of corosync.conf for the whole cluster: every member reads and checks its own file, and all follow it or none. Pure.

Owns: the three words of a reload (ask, answer, drop), when it has succeeded, and its deadline. Does not own: reading the file,
what following it means.

    asker      ask, with a mark of every value of its file
    each       reads its own file as a whole; answers yes, or what is wrong or different
    all        when the last member's yes is delivered: follow.  At a no, a drop or another view: nobody does

The words travel in the order of the view, so all members see the same one decide: those who move together to the next view
have delivered the same words, and the last yes is among them or is not. Whoever dies meanwhile reads its file when it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from standfast.base.bounded import Full
from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_S, NodeId
from standfast.base.report import Refused, Report, error
from standfast.base.wire import Malformed, Reader, Writer
from standfast.engine.effects import Draft, FileRead, ReadFile, ReloadEnded
from standfast.engine.post import Post

DEADLINE_US = 5 * US_PER_S
"""So long may all answers take: names in the file may have to be resolved."""

AGAIN_US = US_PER_S
MARKS_MAX = 8192
NAME_BYTES_MAX = 255
REASON_BYTES_MAX = 1000
FIRST_BYTE = 32
"""Above the numbers of operators' orders: an engine that knows no reload passes these over, and its silence drops the reload."""

_ASK, _ANSWER, _DROP = range(FIRST_BYTE, FIRST_BYTE + 3)
_REMEDY = "nobody has applied anything; mend it, then corosync-cfgtool -R again"


@dataclass(slots=True)
class _Open:
    """The reload that is under way. `waiting`: who has not said yes; `draft`: this node's file, once read and accepted."""

    number: int
    asker: NodeId
    marks: tuple[tuple[str, int], ...]
    waiting: dict[NodeId, bool]
    draft: Draft | None = None


class Reload:
    """Invariants: at most one is open, the same at all members of a view; a deadline stands exactly while this node has asked."""

    __slots__ = ("_asked", "_boot", "_count", "_local", "_names", "_open", "_say", "next_us")

    def __init__(self, local: NodeId, boot: int, names: dict[NodeId, str], say: Callable[[int, bytes], None]) -> None:
        """`names` are for people; `say` puts a word into the order of the view, and may raise Full."""
        self._local = local
        self._boot = boot
        self._names = names
        self._say = say
        self._count = 0
        self._asked: int | None = None
        self._open: _Open | None = None
        self.next_us: int | None = None

    # ---- the asker ------------------------------------------------------------------------------------------------

    def ask(self, now_us: int, draft: Draft) -> None:
        """Begin with this node's own file. Raises Refused where one is under way."""
        if self._asked is not None or self._open is not None:
            raise Refused(error("reload.under-way", "another reload is under way", "", "wait a few seconds, then try again"))
        number = (self._boot + self._count) & 0xFFFF_FFFF_FFFF_FFFF
        try:
            self._say(now_us, _write_ask(number, draft.marks))
        except Full as full:
            raise Refused(error("engine.congested", "too much is waiting to be ordered", str(full), "try again")) from None
        self._count += 1
        self._asked, self.next_us = number, now_us + DEADLINE_US

    def due(self, now_us: int, post: Post) -> None:
        """The deadline: whoever is silent holds up everybody. Said in the order, since the last answer may be on its way."""
        if self.next_us is None or now_us < self.next_us:
            return
        mine = self._open
        if mine is None or mine.number != self._asked:
            why = "the reload could not be put into the cluster's order in time"
            self._end(post, self._asked or 0, error("reload.no-answer", "not reloaded", why, _REMEDY))
            return
        missing = ", ".join(self._name(node) for node in mine.waiting)
        self.next_us = now_us + AGAIN_US
        try:
            self._say(now_us, _write_word(_DROP, mine.number, f"no answer from {missing} within {DEADLINE_US // US_PER_S} s"))
        except Full:
            return  # again in a second

    # ---- every member ---------------------------------------------------------------------------------------------

    def delivered(self, now_us: int, post: Post, sender: NodeId, word: bytes, members: Sequence[NodeId]) -> Draft | None:
        """A word at its place in the order; gives what is to be followed from here on. Raises Malformed."""
        kind, number, marks, text = _read(word)
        if kind == _ASK:
            self._opened(now_us, post, _Open(number, sender, marks, dict.fromkeys(members, True)))
            return None
        opened = self._open
        if opened is None or opened.number != number:
            return None
        if kind == _DROP:
            if sender == opened.asker:
                self._end(post, number, error("reload.no-answer", "not reloaded", text, _REMEDY))
            return None
        if text:
            self._end(post, number, error("reload.refused", f"not reloaded: {self._name(sender)} refuses", text, _REMEDY))
            return None
        opened.waiting.pop(sender, None)
        if opened.waiting or opened.draft is None:
            return None
        self._end(post, number, None)
        return opened.draft

    def _opened(self, now_us: int, post: Post, new: _Open) -> None:
        if self._open is not None:
            if new.number == self._asked:
                self._asked = self.next_us = None
                post.ask(ReloadEnded(new.number, is_applied=False, is_asker=True, reports=(_BUSY,)))
            return
        self._open = new
        if new.asker == self._local and new.number != self._asked:
            self._answer(now_us, new, "given up by who asked")
        else:
            post.ask(ReadFile(new.number))

    def read(self, now_us: int, event: FileRead, refusal: str) -> None:
        """This node's own file was read; `refusal`: what the engine has against it."""
        opened = self._open
        if opened is None or opened.number != event.number or opened.draft is not None:
            return
        if event.draft is None:
            self._answer(now_us, opened, event.refusal or "its corosync.conf cannot be read")
            return
        found = refusal or _difference(opened.marks, event.draft.marks, self._name(opened.asker))
        if not found:
            opened.draft = event.draft
        self._answer(now_us, opened, found)

    def _answer(self, now_us: int, opened: _Open, text: str) -> None:
        try:
            self._say(now_us, _write_word(_ANSWER, opened.number, text))
        except Full:
            opened.draft = None  # no answer: the asker's deadline ends it

    def installed(self, post: Post) -> None:
        """Another view begins: what did not succeed in the old one has failed, at all who come from there."""
        if self._open is not None:
            why = "the membership changed before all had answered"
            self._end(post, self._open.number, error("reload.view-changed", "not reloaded", why, _REMEDY))

    def _end(self, post: Post, number: int, fault: Report | None) -> None:
        self._open = None
        is_asker = number == self._asked
        if is_asker:
            self._asked = self.next_us = None
        reports = () if fault is None else (fault,)
        post.ask(ReloadEnded(number, is_applied=fault is None, is_asker=is_asker, reports=reports))

    def _name(self, node: NodeId) -> str:
        return self._names.get(node) or f"node {node}"

    def check(self) -> None:
        """The invariant."""
        assert (self._asked is None) == (self.next_us is None)
        assert self._open is None or self._open.waiting


_BUSY = error("reload.under-way", "another node's reload came first", "", "wait a few seconds, then try again")


def _difference(asked: tuple[tuple[str, int], ...], mine: tuple[tuple[str, int], ...], asker: str) -> str:
    """In which values two files differ, by name: what is meant counts, not how it is written."""
    theirs, ours = dict(asked), dict(mine)
    names = sorted(name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name))
    if not names:
        return ""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"its corosync.conf differs from that of {asker} in {', '.join(names[:8])}{more}"


def _write_ask(number: int, marks: tuple[tuple[str, int], ...]) -> bytes:
    writer = Writer().u8(_ASK).u64(number).u16(len(marks))
    for name, mark in marks:
        writer.text(name).u64(mark)
    return writer.done()


def _write_word(kind: int, number: int, text: str) -> bytes:
    return Writer().u8(kind).u64(number).blob(text.encode()[:REASON_BYTES_MAX].decode(errors="ignore").encode()).done()


def _read(word: bytes) -> tuple[int, int, tuple[tuple[str, int], ...], str]:
    """Kind, number, marks and text of a word. Raises Malformed."""
    reader = Reader(word)
    kind, number = reader.u8("reload", _DROP), reader.u64("reload.number")
    if kind < _ASK:
        raise Malformed("reload", f"{kind} is unknown")
    marks: tuple[tuple[str, int], ...] = ()
    text = ""
    if kind == _ASK:
        count = reader.u16("reload.marks", MARKS_MAX)
        marks = tuple((reader.text("reload.name", NAME_BYTES_MAX), reader.u64("reload.mark")) for _ in range(count))
    else:
        text = "".join(each if each.isprintable() else "?" for each in reader.text("reload.text", REASON_BYTES_MAX))
    reader.end()
    return kind, number, marks, text
