"""The interactive prompt: history, completion by TAB, continuation lines. prompt_toolkit is imported here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle

from standfast.base.report import Refused
from standfast.compat.crm.lexer import statements
from standfast.shell.completion import Completer as Words
from standfast.shell.session import Session

LINES_MAX = 1000
"""Lines of one statement."""


class _Completer(Completer):
    """prompt_toolkit's face of completion.py."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Candidates for the word before the cursor."""
        assert complete_event is not None
        text = document.text_before_cursor
        begun = "" if not text or text[-1].isspace() else text.split()[-1]
        for name in self._words.complete(text):
            ending = "" if name.endswith(("=", ":")) else " "
            yield Completion(name + ending, -len(begun), display=name)


def interact(session: Session) -> int:
    """Read and run lines until the person leaves; gives the exit code."""
    prompt: PromptSession[str] = PromptSession(
        history=_history(),
        completer=_Completer(Words(session)),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,  # what TAB does is done when the next key comes
    )
    while not session.has_ended:
        try:
            text = _read(prompt, session.prompt)
        except KeyboardInterrupt:
            continue
        except EOFError:
            session.end()
            break
        run_line(session, text)
    return 0


def run_line(session: Session, text: str) -> bool:
    """One line of the person; whatever is wrong with it is said."""
    try:
        found = statements(text, "line")
        return all(session.run_statement(statement) for statement in found)
    except Refused as refused:
        session.output.say_all(refused.reports)
    except KeyboardInterrupt:
        session.output.progress("")
    return False


def _read(prompt: PromptSession[str], first: str) -> str:
    lines = [prompt.prompt(first)]
    while lines[-1].rstrip().endswith("\\") and len(lines) < LINES_MAX:
        lines.append(prompt.prompt("   > "))
    return "\n".join(lines)


def _history() -> History:
    """The history file of this user, or one in memory where none can be written."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    path = os.path.join(base, "standfast", "crm_history")
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "ab"):
            os.chmod(path, 0o600)  # what was typed may hold passwords
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
