"""fence_openstack: the fencing device that Standfast brings along. Speaks FenceAgentAPI: name=value lines on stdin, or options.

Owns: where credentials come from, calls with a limit, time. Does not own: what is done (openstack/ladder.py), what the parameters
mean (openstack/fence_settings.py). Nothing here ever prints a password.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from standfast.base.report import Refused, error
from standfast.openstack.api import Reply, Request
from standfast.openstack.fence_settings import NAME, FenceSettings, metadata, settings
from standfast.openstack.ladder import Ask, Result, fence
from standfast.openstack.wire import read_reply, request_fields
from standfast.tools.running import run_tool, say

INPUT_BYTES_MAX = 1 << 20
RC_BYTES_MAX = 1 << 16
SCRIPT_S = 20
SHORT = {"-o": "action", "-n": "plug", "-l": "username", "-p": "password", "-S": "password_script"}
SPOKEN = {
    ("status", 0): "Status: ON\n",
    ("status", 2): "Status: OFF\n",
    ("on", 0): "Success: Powered ON\n",
    ("off", 0): "Success: Powered OFF\n",
    ("reboot", 0): "Success: Rebooted\n",
}
"""(action, exit code): the words of fence-agents."""
USAGE = f"""\
usage: {NAME} -o ACTION [--cloud NAME] [-n SERVER] [--PARAMETER VALUE ...], or name=value lines on standard input
ACTIONS are on, off, reboot, status, list, list-status, monitor, metadata, validate-all; metadata lists the parameters.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent."""
    return run_tool(NAME, _work, argv)


def _work(argv: Sequence[str]) -> int:
    if {"-h", "--help"} & set(argv):
        say(USAGE)
        return 0
    given = from_options(argv) if argv else from_lines(sys.stdin.read(INPUT_BYTES_MAX))
    if given.get("action") in ("metadata", "meta-data"):
        say(metadata())
        return 0
    wanted = settings(given)
    if wanted.order.action == "validate-all":
        return 0
    result = carry_out(wanted)
    say(result.output or (SPOKEN.get((wanted.order.action, result.rc), "") if argv else ""))  # for a person who tries it
    remarks = (
        result.remarks if result.rc == 0 else ("; ".join(result.remarks),)
    )  # a cluster shows the last line of a failure alone
    for remark in remarks:
        sys.stderr.write(f"{remark}\n")
    return result.rc


def from_lines(text: str) -> dict[str, str]:
    """name=value lines; blank ones and comments are left out."""
    pairs = (line.strip().partition("=") for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return {name.strip(): value for name, found, value in pairs if found}


def from_options(argv: Sequence[str]) -> dict[str, str]:
    """--name=value, --name value, -o value. Raises Refused."""
    given: dict[str, str] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        name, has_value, value = word.removeprefix("--").partition("=") if word.startswith("--") else (SHORT.get(word), "", "")
        if name is None:
            raise Refused(error("fence.usage", f"{word!r} is not understood", "", f"{NAME} --help"))
        if name in ("", "ssl-insecure", "ssl_insecure", "verbose", "quiet"):
            given[name or word] = value or "1"
        elif has_value or words:
            given[name] = value if has_value else words.pop(0)
        else:
            raise Refused(error("fence.usage", f"{word} needs a value", "", f"{NAME} --help"))
    return given


def carry_out(wanted: FenceSettings) -> Result:
    """Drive the ladder. Raises Refused."""
    from standfast.runtime.cloud_session import Cloud

    cloud = Cloud(wanted.cloud, None if wanted.cloud else explicit(wanted), _tls(wanted))
    steps = fence(wanted.order)
    with ThreadPoolExecutor(4) as threads:

        def call(request: Request) -> Reply:
            return read_reply(cloud.call(request_fields(request, wanted.call_timeout_ms)))

        try:
            step = next(steps)
            while True:
                replies: tuple[Reply, ...] = ()
                if isinstance(step, Ask):
                    replies = tuple(threads.map(call, step.requests))
                else:
                    time.sleep(step.ms / 1000)
                step = steps.send((time.monotonic_ns() // 1_000_000, replies))
        except StopIteration as end:
            found: Result = end.value
            return found


def explicit(wanted: FenceSettings) -> dict[str, Any]:
    """The cloud as openstacksdk's configuration would have it. Raises Refused."""
    if wanted.openrc:
        made = from_openrc(wanted.openrc)
    else:
        made = {"auth_type": wanted.auth_type, "auth": dict(wanted.auth), "region_name": wanted.region or None}
    if wanted.password_script:
        try:
            done = subprocess.run([wanted.password_script], capture_output=True, text=True, timeout=SCRIPT_S, check=True)
        except (OSError, subprocess.SubprocessError) as fault:
            raise Refused(
                error("fence.password-script", f"{wanted.password_script} gives no password", type(fault).__name__)
            ) from fault
        made["auth"]["password"] = done.stdout.rstrip("\n")
    return made


def from_openrc(path: str) -> dict[str, Any]:
    """The OS_* lines of a file, which is read and never run. Raises Refused."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")[:RC_BYTES_MAX]
    except OSError as fault:
        raise Refused(error("fence.openrc", f"{path} cannot be read", os.strerror(fault.errno or 0))) from fault
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, has_value, value = line.strip().removeprefix("export ").partition("=")
        if has_value and name.startswith("OS_"):
            try:
                found[name.removeprefix("OS_").lower()] = "".join(shlex.split(value, comments=True))
            except ValueError as bad:
                raise Refused(error("fence.openrc", f"{path} has a line that cannot be read", f"{name}: {bad}")) from bad
    if "auth_url" not in found:
        raise Refused(error("fence.openrc", f"{path} names no OS_AUTH_URL", "", "the file that Horizon offers as openrc"))
    outer: dict[str, Any] = {
        name: found.pop(name) for name in ("auth_type", "region_name", "interface", "cacert") if name in found
    }
    for name in ("identity_api_version", "endpoint_type", "insecure", "cloud"):
        found.pop(name, None)
    return {"auth_type": "password", **outer, "auth": found}


def _tls(wanted: FenceSettings) -> dict[str, Any]:
    made: dict[str, Any] = {"verify": False} if wanted.is_insecure else {}
    return made | ({"cacert": wanted.cacert} if wanted.cacert else {})


if __name__ == "__main__":
    sys.exit(main())
