"""stonith_admin: fencing devices and levels, fencing by hand, and what was fenced."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from standfast.base.report import Refused, error
from standfast.compat.dates import ctime_text
from standfast.compat.fencing_text import attributes, newest, sentence
from standfast.compat.xml_text import tag
from standfast.tools.manager_client import EXIT_NO_SUCH, EXIT_USAGE, Manager, absent
from standfast.tools.options import Options, option, parse_options
from standfast.tools.running import run_tool, say

HELP = """\
usage: stonith_admin OPTION

  -l, --list=HOST            devices that can fence a node
  -L, --list-registered      all configured devices     -I, --list-installed   agents on this host
  -s, --list-targets=DEVICE  nodes that a device says it fences
  -Q, --query=DEVICE         ask a device whether it works
  -M, --metadata -a AGENT    what an agent says of itself
  -F, --fence=HOST           turn a node off            -B, --reboot=HOST      restart a node
  -U, --unfence=HOST         give a node its access     -C, --confirm=HOST     I know that this node is down
  -H, --history=NODE         last success ('*' all, -v everything, -c forget)   -h, --last=NODE   when it was fenced
  -t, --timeout=SECONDS  -y, --delay=SECONDS  --tolerance=TIME  -q, --quiet  --output-as=text|xml

Devices and levels are made in the configuration: crm configure primitive fence-n1 stonith:..., crm configure fencing_topology.
"""
_OPTIONS = (
    option("list", "l", "list", takes="value"),
    option("registered", "L", "list-registered"),
    option("installed", "I", "list-installed"),
    option("targets", "s", "list-targets", takes="value"),
    option("query", "Q", "query", takes="value"),
    option("metadata", "M", "metadata"),
    option("agent", "a", "agent", takes="value"),
    option("fence", "F", "fence", takes="value"),
    option("reboot", "B", "reboot", takes="value"),
    option("unfence", "U", "unfence", takes="value"),
    option("confirm", "C", "confirm", takes="value"),
    option("history", "H", "history", takes="value"),
    option("last", "h", "last", takes="value"),
    option("cleanup", "c", "cleanup"),
    option("broadcast", "b", "broadcast"),
    option("timeout", "t", "timeout", takes="value"),
    option("delay", "y", "delay", takes="value"),
    option("tolerance", "tolerance", takes="value"),
    option("tag", "T", "tag", takes="value"),
    option("as", "output-as", takes="value"),
    option("quiet", "q", "quiet"),
    option("verbose", "V", "v", "verbose"),
    option("version", "$", "version"),
    option("help", "?", "help", "help-all"),
)
_ACTIONS = ("list", "registered", "installed", "targets", "query", "metadata", "fence", "reboot", "unfence", "confirm", "history",
            "last", "version", "help")  # fmt: skip
_FENCE = {"fence": "off", "reboot": "reboot", "unfence": "on"}
SBIN = "/usr/sbin"
NAME = "fence_openstack"
DEFAULT_TIMEOUT_S = 120
AGENT_TIMEOUT_S = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("stonith_admin", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS)
    action = options.last(_ACTIONS)
    if action in ("", "help", "version"):
        say("Pacemaker 2.1.5\n" if action == "version" else HELP)
        return 0 if action else EXIT_USAGE
    if action == "installed":
        return _listed(options, installed())
    if action == "metadata":
        return _metadata(options.value("agent"))
    timeout_s = _number(options, "timeout", DEFAULT_TIMEOUT_S)
    manager = Manager("stonith_admin", timeout_s=timeout_s + 10)
    try:
        return _ask(manager, options, action, timeout_s)
    except Refused as refused:
        absent("stonith_admin", refused)
        raise


def _ask(manager: Manager, options: Options, action: str, timeout_s: int) -> int:
    value = options.value(action)
    if action in _FENCE:
        if _is_done(manager, options, value, _FENCE[action]):
            return 0
        delay_s = _number(options, "delay", 0)
        manager.call("fence", node=value, action=_FENCE[action], client=_client(options), delay_s=delay_s, timeout_s=timeout_s)
        return 0
    if action == "confirm":
        manager.call("fence.confirm", node=value, client=_client(options))
        return 0
    if action in ("history", "last"):
        return _history(manager, options, action, value)
    if action in ("list", "registered"):
        reply = manager.call("fence.devices", **({"node": value} if action == "list" else {}))
        return _listed(options, [name for name, _, _ in reply["devices"]], at_least_one=action == "list")
    return _device(manager, options, action, value)


def _is_done(manager: Manager, options: Options, target: str, action: str) -> bool:
    """Whether the same has succeeded within --tolerance."""
    tolerance_s = _number(options, "tolerance", 0)
    if not tolerance_s:
        return False
    records = manager.call("fence.history", node=target)["records"]
    since_s = time.time() - tolerance_s
    return any(r["phase"] == "success" and r["action"] == action and r["completed_s"] >= since_s for r in records)


def _listed(options: Options, names: Sequence[str], *, at_least_one: bool = False) -> int:
    noun = "fence device" if len(names) == 1 else "fence devices"
    if options.value("as") == "xml":
        say("".join(f"{tag('item', {'name': 'device', 'value': name})}\n" for name in names))
    else:
        say("".join(f"  * {name}\n" for name in names))
        if "quiet" not in options:
            say(f"{len(names)} {noun} found\n")
    if at_least_one and not names:
        sys.stderr.write("stonith_admin: no device fences this node\n")
        return EXIT_NO_SUCH
    return 0


def _history(manager: Manager, options: Options, action: str, target: str) -> int:
    everything = target in ("", "*")
    arguments: dict[str, Any] = {} if everything else {"node": target}
    if "cleanup" in options:
        manager.call("fence.history", forget=True, **arguments)
        say(f"cleaning up fencing-history{'' if everything else f' for node {target}'}\n")
        return 0
    records = manager.call("fence.history", **arguments)["records"]
    if action == "last":
        when = max((r["completed_s"] for r in records if r["phase"] == "success"), default=0)
        say(f"Node {target} last fenced at: {ctime_text(when)}\n" if when else f"Node {target} has never been fenced\n")
        return 0
    shown = records if "verbose" in options else [r for r in newest(records) if r["phase"] == "success"]
    if options.value("as") == "xml":
        events = "".join(f"  {tag('fence_event', attributes(r))}\n" for r in shown)
        say(f'<fence_history status="0">\n{events}</fence_history>\n')
    elif "quiet" in options:
        say("".join(f"{r['completed_s']}\n" for r in shown[:1]))
    else:
        say("".join(f"{sentence(r, records, is_full='verbose' in options)}\n" for r in shown))
        say(f"{len(shown)} event{'' if len(shown) == 1 else 's'} found\n")
    return 0


def _device(manager: Manager, options: Options, action: str, name: str) -> int:
    """--query and --list-targets: the agent is asked from here, as a monitor of the device would ask it."""
    devices = {device: agent for device, agent, _ in manager.call("fence.devices")["devices"]}
    if name not in devices:
        raise Refused(
            error("fencing.no-such-device", f"there is no device {name}", "", "stonith_admin -L"), exit_code=EXIT_NO_SUCH
        )
    found = manager.found(f"//primitive[@id='{name}']/instance_attributes/nvpair")
    pairs = {a["name"]: a.get("value", "") for _, a in found if not a["name"].startswith("pcmk_")}
    lines = "".join(f"{key}={value}\n" for key, value in pairs.items())
    if action == "query":
        code, _, complaint = _run(devices[name], f"action=monitor\n{lines}")
        if code:
            sys.stderr.write(complaint)
        return 1 if code else 0
    code, output, complaint = _run(devices[name], f"action=list\n{lines}")
    if code:
        sys.stderr.write(f"stonith_admin: Couldn't list targets: {complaint.strip()}\n")
        return 1
    targets = [line.replace(",", " ").split()[0] for line in output.splitlines() if line.replace(",", " ").strip()]
    say("".join(f"  * {target}\n" for target in targets))
    if "quiet" not in options:
        say(f"{len(targets)} fence target{'' if len(targets) == 1 else 's'} found\n")
    return 0


def installed() -> list[str]:
    """Names of the fence agents on this host."""
    try:
        found = {name for name in os.listdir(SBIN) if name.startswith("fence_")}
    except OSError:
        found = set()
    return sorted(found | {NAME} if os.access(_path(NAME), os.X_OK) else found)


def _path(agent: str) -> str:
    """The agent's file: the one that comes with Standfast lies beside its Python, and goes before another of the same name."""
    own = Path(sys.executable).parent / agent
    return str(own) if agent == NAME and own.exists() else f"{SBIN}/{agent}"


def _metadata(agent: str) -> int:
    if not agent:
        sys.stderr.write("Please specify an agent to query using -a,--agent [value]\n")
        return EXIT_USAGE
    code, output, complaint = _run(agent, "action=metadata\n")
    if code:
        sys.stderr.write(f"stonith_admin: Can't get fence agent meta-data: {complaint.strip() or f'exit code {code}'}\n")
        return 1
    say(output)
    return 0


def _run(agent: str, lines: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of an agent. Raises Refused for one that is not there."""
    path = _path(agent)
    if "/" in agent or not os.access(path, os.X_OK):
        raise Refused(error("fencing.agent", f"there is no fence agent {agent} here", "", "stonith_admin -I"), exit_code=5)
    try:
        done = subprocess.run([path], input=lines, capture_output=True, text=True, timeout=AGENT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return 124, "", f"{agent} did not answer within {AGENT_TIMEOUT_S} s\n"
    return done.returncode, done.stdout, done.stderr


def _client(options: Options) -> str:
    return options.value("tag") or f"stonith_admin.{os.getpid()}"


def _number(options: Options, key: str, default: int) -> int:
    text = options.value(key).removesuffix("s")
    if not text:
        return default
    if not text.isdecimal():
        raise Refused(error("tool.option", f"--{key} {text!r} is no number of seconds", "", "see --help"), exit_code=EXIT_USAGE)
    return int(text)
