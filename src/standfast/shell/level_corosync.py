"""`crm corosync`: the cluster layer of this node, in the words of corosync's own tools."""

from __future__ import annotations

import os
import subprocess
import sys

from standfast.base.report import Refused, error
from standfast.shell.command import Call, Level, command

CONFIGURATION = os.environ.get("COROSYNC_MAIN_CONFIG_FILE", "/etc/corosync/corosync.conf")
CONFIGURATION_BYTES_MAX = 1 << 20
_TOOLS = {
    "ring": ("standfast.tools.corosync_cfgtool", ("-s",)),
    "quorum": ("standfast.tools.corosync_quorumtool", ("-s",)),
}


def is_two_node() -> bool:
    """Whether this host's corosync.conf has quorum.two_node. A file that is not there, or not right, says no: it has tools of its
    own (standfast config check)."""
    from standfast.config.parse import parse_config

    addresses: dict[str, str] = {}  # nobody is asked for them: which they are does not matter here

    def resolve(name: str, _version: str) -> str | None:
        return addresses.setdefault(name, f"192.0.2.{len(addresses) + 1}")

    try:
        with open(CONFIGURATION, "rb") as file:
            config = parse_config(file.read(CONFIGURATION_BYTES_MAX), CONFIGURATION, resolve)
    except (OSError, Refused):
        return False
    return config.quorum.two_node


class CorosyncLevel(Level):
    """The level `corosync`."""

    name = "corosync"

    @command("status [ring|quorum]", "show links or quorum", completes=("corosync_status",))
    def do_status(self, call: Call) -> bool:
        """corosync-cfgtool -s or corosync-quorumtool -s."""
        kind = call.words[0] if call.words else "ring"
        if kind not in _TOOLS or len(call.words) > 1:
            raise Refused(error("shell.usage", f"unknown status {' '.join(call.words)!r}", "", "usage: status [ring|quorum]"))
        module, arguments = _TOOLS[kind]
        # In a process of its own: a tool owns its streams and its exit.
        return subprocess.call([sys.executable, "-c", f"import {module} as t, sys; sys.exit(t.main())", *arguments]) in (0, 2)

    @command("show", "show corosync.conf")
    def do_show(self, call: Call) -> bool:
        """As it is."""
        assert call.name
        try:
            with open(CONFIGURATION, encoding="utf-8", errors="replace") as file:
                self.session.output.write(file.read())
        except OSError as fault:
            raise Refused(error("shell.file", f"{CONFIGURATION} cannot be read", fault.strerror or str(fault))) from fault
        return True

    @command("reload", "make corosync read its configuration again")
    def do_reload(self, call: Call) -> bool:
        """corosync-cfgtool -R."""
        assert call.name
        return subprocess.call(
            [sys.executable, "-c", "import standfast.tools.corosync_cfgtool as t, sys; sys.exit(t.main())", "-R"]
        ) in (0,)
