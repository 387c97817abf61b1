"""`crm cluster`: the services of this node."""

from __future__ import annotations

import subprocess

from standfast.base.report import Refused, error
from standfast.shell.command import Call, Level, command

UNITS = ("standfast-engine.service", "standfast.service")
"""In the order in which they start."""


class ClusterLevel(Level):
    """The level `cluster`."""

    name = "cluster"

    @command("status", "show whether this node's services run, and the links")
    def do_status(self, call: Call) -> bool:
        """systemd's words, then corosync-cfgtool -s."""
        assert call.name
        self.session.output.write("Name                      Active     Enabled")
        for unit in UNITS:
            active, enabled = (_systemctl(verb, unit, is_quiet=True)[1] for verb in ("is-active", "is-enabled"))
            self.session.output.write(f"{unit:<25} {active or 'unknown':<10} {enabled or 'unknown'}")
        self.session.output.write("")
        return self.session.level("corosync").run(self.session.level("corosync").table["status"], Call("status", ()))

    @command("start", "start this node's services")
    def do_start(self, call: Call) -> bool:
        """Does nothing when they run."""
        assert call.name
        if all(_systemctl("is-active", unit, is_quiet=True)[0] == 0 for unit in UNITS):
            self.session.output.info("The cluster stack already started on this node")
            return True
        return self._act("start", UNITS)

    @command("stop", "stop this node's services: its resources move away first", destructive=True)
    def do_stop(self, call: Call) -> bool:
        """In the opposite order."""
        assert call.name
        return self._act("stop", UNITS[::-1])

    @command("restart", "stop and start this node's services", destructive=True)
    def do_restart(self, call: Call) -> bool:
        """Both."""
        assert call.name
        return self._act("stop", UNITS[::-1]) and self._act("start", UNITS)

    @command("enable", "start this node's services at boot")
    def do_enable(self, call: Call) -> bool:
        """systemctl enable."""
        assert call.name
        return self._act("enable", UNITS)

    @command("disable", "do not start this node's services at boot", destructive=True)
    def do_disable(self, call: Call) -> bool:
        """systemctl disable."""
        assert call.name
        return self._act("disable", UNITS)

    @command("rotate-key [begin|finish|status]", "change the cluster's key while it runs, node by node in any order")
    def do_rotate_key(self, call: Call) -> bool:
        """begin: make the next key, or take the one that was copied here; finish: drop the old one; status: who lacks it."""
        from standfast.client.connection import Connection

        step = call.words[0] if call.words else "status"
        if step not in ("begin", "finish", "status") or len(call.words) > 1:
            raise Refused(
                error("shell.usage", f"{' '.join(call.words)!r} is no step", "", "usage: rotate-key [begin|finish|status]")
            )
        answer = Connection("engine").call("engine.rekey", step=step)
        write, file = self.session.output.write, answer["file"]
        lacking = ", ".join(map(str, answer["lacking"]))
        if step == "finish":
            write("This node uses the next key alone. Finish on the others too, in any order.")
        elif not answer["moving"]:
            write("One key is in use. `crm cluster rotate-key begin` makes the next one.")
        elif lacking:
            write(f"{'Made ' if answer['made'] else ''}{file}: both keys are accepted here.")
            write(f"Not seen with the next key yet: {lacking}. On each of them: copy {file} there (mode 0400, by scp),")
            write("then `crm cluster rotate-key begin`. In any order; nothing stops meanwhile, and there is no hurry.")
        else:
            write("All nodes have the next key. `crm cluster rotate-key finish` on each of them, in any order.")
        return True

    def _act(self, verb: str, units: tuple[str, ...]) -> bool:
        for unit in units:
            code, text = _systemctl(verb, unit)
            if code != 0:
                why = text or f"systemctl ended with {code}"
                raise Refused(error("shell.systemd", f"systemctl {verb} {unit} failed", why, f"journalctl -u {unit}"))
        return True


def _systemctl(verb: str, unit: str, *, is_quiet: bool = False) -> tuple[int, str]:
    """Exit code and what was said. Raises Refused where there is no systemd, unless `is_quiet`."""
    try:
        done = subprocess.run(
            ["systemctl", verb, unit],  # noqa: S607 - its folder differs between distributions
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=None if verb in ("start", "stop") else 60,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        if is_quiet:
            return 1, ""
        remedy = "`standfast node` runs a node in the foreground"
        raise Refused(error("shell.systemd", "systemctl cannot be run", str(fault), remedy)) from fault
    return done.returncode, (done.stdout if is_quiet else done.stderr).strip()
