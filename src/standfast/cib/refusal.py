"""Why a change or a document is refused: Pacemaker's exit codes, and one way to say it."""

from __future__ import annotations

from enum import IntEnum

from standfast.base.report import Refused, error


class Exit(IntEnum):
    """What a tool ends with (Pacemaker's `crm_exit_t`, as `crm_error -X -l` lists them)."""

    USAGE = 64
    DATA = 65
    TEMPORARY = 75
    CONFIG = 78
    OLD = 103
    DIGEST = 104
    NO_SUCH = 105
    EXISTS = 108


def refused(code: str, exit_code: Exit, what: str, why: str = "", remedy: str = "", where: str = "") -> Refused:
    """A Refused with one report, to be raised by the caller."""
    return Refused(error(f"cib.{code}", what, why, remedy, where), exit_code=int(exit_code))
