"""The `standfast` command: chooses the sub-command and imports only what it needs.

Owns: the list of sub-commands. Does not own: what they do. A sub-command is (module, function, whether it takes its own name).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from standfast import __version__

EXIT_USAGE = 64

COMMANDS: dict[str, tuple[str, str, bool]] = {
    "node": ("standfast.daemon", "main", True),
    "engine": ("standfast.daemon", "main", True),
    "manager": ("standfast.daemon", "main", True),
    "demo": ("standfast.tools.demo", "main", False),
    "bench": ("standfast.tools.bench", "main", False),
    "rehearse": ("standfast.tools.rehearse", "main", False),
    "config": ("standfast.tools.config_check", "main", False),
}

HELP = """\
usage: standfast COMMAND [OPTIONS]

  node                 run engine and manager in the foreground, and restart them when they die
  engine               run the cluster engine alone (the unit standfast-engine.service does)
  manager              run the resource manager alone (the unit standfast.service does)
  demo                 two hosts in namespaces of this machine, one failover IP, and what goes wrong; live in this terminal
  bench failover       outages as a client sees them, beside Pacemaker and keepalived where these are installed
  rehearse CONF CIB    play every single and double fault against a corosync.conf and a CIB; no cluster is touched
  config check [FILE]  read a corosync.conf and say what is wrong or without effect
  version              print the version

The cluster itself is driven with crm, crm_mon, crm_resource, cibadmin, corosync-quorumtool and their siblings.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command and give its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words.pop(0) if words else "help"
    if name in {"help", "-h", "--help"}:
        sys.stdout.write(HELP)
        return 0
    if name in {"version", "--version"}:
        sys.stdout.write(f"Standfast {__version__}\n")
        return 0
    if name == "config" and words[:1] == ["check"]:
        words.pop(0)
    elif name == "config" or name not in COMMANDS:
        sys.stderr.write(f"standfast: there is no command {' '.join([name, *words[:1]])!r}\n{HELP}")
        return EXIT_USAGE
    module, function, takes_name = COMMANDS[name]
    run = getattr(import_module(module), function)
    code: int = run(name, words) if takes_name else run(words)
    return code
