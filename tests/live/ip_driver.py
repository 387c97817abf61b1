"""One node's failover IPs on the real kernel, without the rest of Standfast: commands on stdin, events on stdout (JSON lines).

Run inside a network namespace by test_live_ip.py. Commands: {"pulse": bool}, {"revoke": reason}, {"doubt": bool},
{"adopt": parameters}, {"operate": {...}}.
Every line out has `at`, seconds of CLOCK_MONOTONIC, which all namespaces of a host share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from standfast.agents.ip.api import (
    Adopt,
    Announce,
    Ask,
    Changed,
    Done,
    Doubted,
    DropAddress,
    IpEffect,
    IpInput,
    Look,
    Operate,
    Promote,
    Pulsed,
    PutAddress,
    Revoked,
    SetTimer,
    Survey,
    Tell,
    TimerFired,
    Watch,
)
from standfast.agents.ip.machine import FailoverIps
from standfast.runtime.netlink import Network

KERNEL = (PutAddress, DropAddress, Ask, Survey, Announce, Watch, Promote, Look)


def now_us() -> int:
    return time.monotonic_ns() // 1000


class Driver:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.ips = FailoverIps()
        self.network = Network(loop, self.give, lambda report: self.say("report", text=report.sentence()))
        self.timer: asyncio.TimerHandle | None = None
        self.pulsing = True

    def say(self, kind: str, **more: Any) -> None:
        sys.stdout.write(json.dumps({"kind": kind, "at": time.monotonic(), **more}) + "\n")
        sys.stdout.flush()

    def give(self, event: IpInput) -> None:
        now = now_us()
        effects = self.ips.step(now, event)
        self.ips.check(now)
        for effect in effects:
            self.perform(effect)

    def perform(self, effect: IpEffect) -> None:
        if isinstance(effect, KERNEL):
            self.network.perform(effect)
            if isinstance(effect, PutAddress | DropAddress | Announce):
                self.say(type(effect).__name__, ip=effect.ip)
        elif isinstance(effect, SetTimer):
            if self.timer is not None:
                self.timer.cancel()
            self.timer = self.loop.call_later(max(0, effect.at_us - now_us()) / 1e6, self.give, TimerFired())
        elif isinstance(effect, Done):
            self.say("Done", run=effect.run, rc=effect.rc, reason=effect.reason)
        elif isinstance(effect, Changed):
            self.say("Changed", rc=effect.rc, reason=effect.reason)
        elif isinstance(effect, Tell):
            self.say("Tell", code=effect.report.code, text=effect.report.sentence())

    def command(self) -> None:
        line = sys.stdin.readline()
        if not line:
            self.loop.stop()
            return
        said = json.loads(line)
        if "pulse" in said:
            self.pulsing = said["pulse"]
        if "revoke" in said:
            self.pulsing = False
            self.give(Revoked(said["revoke"]))
        if "doubt" in said:
            self.give(Doubted(said["doubt"]))
        if "adopt" in said:
            self.give(Adopt("vip", tuple(sorted(said["adopt"].items()))))
        if "operate" in said:
            parameters = tuple(sorted(said["operate"].pop("parameters").items()))
            self.give(Operate(resource="vip", parameters=parameters, timeout_ms=20_000, **said["operate"]))

    def pulse(self) -> None:
        if self.pulsing:
            self.give(Pulsed(now_us() + 1_500_000))
        self.loop.call_later(0.5, self.pulse)


def main() -> None:
    loop = asyncio.new_event_loop()
    driver = Driver(loop)
    driver.network.open()
    loop.add_reader(0, driver.command)
    loop.call_soon(driver.pulse)
    driver.say("ready")
    with contextlib.suppress(KeyboardInterrupt):
        loop.run_forever()
    driver.network.close()
    loop.close()


if __name__ == "__main__":
    main()
