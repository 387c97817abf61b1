"""corosync-cmapctl: the configuration and run-time keys of the engine, as flat lines.

Reading is whole. Of writing there is what means something here: `-s quorum.cancel_wait_for_all u8 1` and `-s
quorum.expected_votes u32 N`; other keys are refused by name, for the configuration is changed in corosync.conf.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from standfast.compat import corosync_text
from standfast.tools.engine_client import EXIT_FAILURE, connect, engine_status
from standfast.tools.options import option, parse_options
from standfast.tools.running import run_tool, say

HELP = """\

usage:  corosync-cmapctl [-b] [-q] [-m map] [-g] [key...]
        corosync-cmapctl -s quorum.cancel_wait_for_all u8 1

    -b show binary values
    -q print values only (with -g)
    -m select map to use: icmap (default, configuration and run-time keys) or stats (counters)
    -g get the keys that are named; without it, keys that start with what is given

"""
_OPTIONS = (
    *(option(letter, letter) for letter in "hqgsdDtTb"),
    *(option(letter, letter, takes="value") for letter in "mpC"),
)
_SETTABLE = {"quorum.cancel_wait_for_all": "cancel_wait_for_all", "quorum.expected_votes": "expected_votes"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("corosync-cmapctl", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS, exit_code=EXIT_FAILURE)
    if "h" in options:
        say(HELP)
        return 0
    which = options.value("m", "icmap")
    if which not in {"icmap", "default", "stats"}:
        return _failed("invalid map name, must be 'default', 'icmap' or 'stats'")
    for letter, what in (
        ("d", "deleting"),
        ("D", "deleting"),
        ("p", "loading"),
        ("C", "clearing"),
        ("t", "tracking"),
        ("T", "tracking"),
    ):
        if letter in options:
            return _failed(f"-{letter}: {what} keys is not offered: change corosync.conf, then corosync-cfgtool -R")
    if "s" in options:
        return _set(options.rest)
    if "g" in options and not options.rest:
        return _failed("Expected key after options")
    with connect("Failed to initialize the cmap API. Error CS_ERR_LIBRARY") as engine:
        status = engine_status(engine)
    keys = corosync_text.stats_of(status) if which == "stats" else corosync_text.cmap_of(status)
    if "g" in options:
        for key in options.rest:
            if key not in keys:
                return _failed(f"Can't get key {key}. Error CS_ERR_NOT_EXIST")
            say(corosync_text.cmap_lines({key: keys[key]}, quiet="q" in options))
        return 0
    return _list(keys, options.rest)


def _list(keys: dict[str, tuple[str, str]], prefixes: Sequence[str]) -> int:
    found = 0
    for prefix in prefixes or ("",):
        chosen = {key: value for key, value in keys.items() if key.startswith(prefix)}
        say(corosync_text.cmap_lines(chosen))
        found += bool(chosen)
    return 0 if found else EXIT_FAILURE


def _set(words: Sequence[str]) -> int:
    if len(words) < 3:
        return _failed("At least 3 parameters are expected for set")
    key, _, value = words[:3]
    if key not in _SETTABLE or not value.isdecimal():
        return _failed(f"Can't set key {key}. It is changed in corosync.conf, then corosync-cfgtool -R")
    with connect("Failed to initialize the cmap API. Error CS_ERR_LIBRARY") as engine:
        engine.call("engine.adjust", adjust=_SETTABLE[key], node=0, value=int(value))
    return 0


def _failed(text: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    return EXIT_FAILURE
