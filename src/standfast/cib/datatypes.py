"""What an attribute of the CIB may hold: the types of the schemas, by the names that grammar.py uses.

White space at both ends never counts, as in XML Schema. Numbers have at most DIGITS_MAX digits, as libxml2 has it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

DIGITS_MAX: Final = 24
_BLANKS: Final = " \t\r\n"


class Datatype:
    """A type: a text without the white space around it is of it when `pattern` holds for the whole and `excluded` does not have
    it; or, where there are `words`, when it is one of them. `meaning` completes "must be ..."."""

    __slots__ = ("excluded", "meaning", "pattern", "words")

    def __init__(
        self, pattern: str, meaning: str, words: frozenset[str] = frozenset(), excluded: frozenset[str] = frozenset()
    ) -> None:
        self.pattern = re.compile(pattern, re.DOTALL)
        self.meaning = meaning
        self.words = words
        self.excluded = excluded

    def accepts(self, value: str) -> bool:
        """Whether the value is of this type."""
        if value in self.words:
            return True
        bare = value.strip(_BLANKS)
        if self.words:
            return bare in self.words
        return self.pattern.fullmatch(bare) is not None and (not self.excluded or " ".join(bare.split()) not in self.excluded)


def _type(pattern: str, meaning: str) -> Datatype:
    return Datatype(pattern, meaning)


def _but(meaning: str, words: str, *phrases: str) -> Datatype:
    return Datatype(".*", meaning, excluded=frozenset((*words.split(), *phrases)))


_DIGITS = rf"[0-9]{{1,{DIGITS_MAX}}}"
_COUNT = rf"\+?{_DIGITS}|-0{{1,{DIGITS_MAX}}}"
_NAME = r"[^\W\d][\w.\-\u00b7]*"

DATATYPES: Final[dict[str, Datatype]] = {
    "id": _type(_NAME, "an id: letters, digits, `_`, `-` and `.`, a letter or `_` first"),
    "idref": _type(_NAME, "the id of another element: letters, digits, `_`, `-` and `.`, a letter or `_` first"),
    "boolean": _type("true|false|1|0", "true or false"),
    "integer": _type(rf"[+-]?{_DIGITS}", "a whole number"),
    "count": _type(_COUNT, "a whole number, 0 or more"),
    "positive": _type(r"\+?0*[1-9][0-9]*", "a whole number, 1 or more"),
    "level": _type(r"\+?0*[1-9]", "a number from 1 to 9"),
    "score": _type(rf"[+-]?{_DIGITS}|[+-]?INFINITY", "a score: a whole number, INFINITY or -INFINITY"),
    "ports": _type(r"[0-9\-]+", "a port or a range of ports, such as 3000-3010"),
    "devices": _type(r"[a-zA-Z0-9_.\-]+(,[a-zA-Z0-9_.\-]+)*", "ids of fencing devices, parted by commas"),
    "stack": _but(
        "a cluster layer that still exists", "heartbeat openais cman", "classic openais", "classic openais (with plugin)"
    ),
    "option": _but(
        "an option that still exists",
        "cluster-infrastructure cluster_recheck_interval dc_deadtime default-action-timeout default_action_timeout"
        " default-migration-threshold default_migration_threshold default-resource-failure-stickiness"
        " default_resource_failure_stickiness default-resource-stickiness default_resource_stickiness election_timeout"
        " expected-quorum-votes is-managed-default is_managed_default no_quorum_policy notification-agent"
        " notification-recipient remove_after_stop shutdown_escalation startup_fencing stonith_action stonith_enabled"
        " stop_orphan_actions stop_orphan_resources symmetric_cluster transition_idle_timeout",
    ),
    "option4": _but(
        "an option that still exists",
        "crmd-finalization-timeout crmd-integration-timeout crmd-transition-delay remove-after-stop stonith-action",
    ),
    "stonith_action": _but("an action that still exists (use off)", "poweroff"),
    "meta": _but(
        "a meta-attribute that still exists", "isolation isolation-host isolation-instance isolation-wrapper"
    ),
    "meta4": _but("a meta-attribute that still exists", "restart-type"),
    "op_meta": _but("a meta-attribute of operations that still exists", "requires"),
    "op_meta4": _but("a meta-attribute of operations that still exists", "can_fail role_after_failure"),
    "param": _but(
        "a parameter that still exists",
        "pcmk_arg_map pcmk_list_cmd pcmk_monitor_cmd pcmk_off_cmd pcmk_on_cmd pcmk_reboot_cmd pcmk_status_cmd",
    ),
    "op_param": _but(
        "a parameter (properties of the operation are attributes of <op>)",
        "interval-origin start-delay enabled on-fail record-pending role timeout requires",
    ),
}  # fmt: skip


@cache
def enumeration(words: tuple[str, ...]) -> Datatype:
    """The type of an attribute that knows only these words."""
    return Datatype("", f"one of {' '.join(words)}" if len(words) > 1 else words[0], words=frozenset(words))
