"""The demo on OpenStack: an address that the cluster has and nobody hears, `crm openstack allow`, and what happens from then on.

Owns: the steps, in order. Does not own: the steps that are the same anywhere (story.py), the servers (project.py).
"""

from __future__ import annotations

import json
import time

from standfast.lab import files
from standfast.lab.lab import VIP, Host, wait_until
from standfast.lab.measures import BACK_S, Rig
from standfast.lab.port_security import dropped
from standfast.lab.project import CLOUD, Project
from standfast.lab.story import PAUSE_S, Chapter, Listener, Step, Story

DEAD_S = 3.0
"""How long the client asks in vain before the step is over."""
AFTER_S = 5.0
"""How long the API is watched after a failover: a new coordinator's first look comes after three seconds."""
REPAIR_S = 30.0
FOREIGN = "10.9.0.0/16"


class OpenStackStory(Story):
    """Plays once, on the rig whose hosts are the project's servers."""

    name = "openstack"

    def __init__(self, rig: Rig, project: Project, listener: Listener, pause_s: float = PAUSE_S) -> None:
        super().__init__(rig, listener, pause_s)
        self._project = project

    def _chapters(self) -> list[Chapter]:
        return [
            ("Nova boots two servers; the switch lets through what their ports say", self._boot),
            ("Install the key and start both hosts", self._start),
            ("Configure the failover IP: the cluster has it, Neutron does not know it", self._configure),
            ("Allow it in OpenStack", self._allow),
            ("Have it kept so", self._keep),
            ("The active host falls silent", self._cut),
            ("Its cable is plugged in again", self._heal),
            ("Terraform writes its own list over the active host's pairs", self._overwrite),
            ("Move the address, as planned", self._move),
            ("Delete the resource", self._remove),
        ]

    def _boot(self, step: Step) -> None:
        start_s = time.monotonic()
        self._project.boot()
        self._project.plug()
        ports = self._project.ports()
        took_s = time.monotonic() - start_s
        step.detail = f"ACTIVE after {took_s:.1f} s; " + "; ".join(
            f"{name} may send from {', '.join(port.addresses)}" for name, port in ports.items()
        )

    def _configure(self, step: Step) -> None:
        before = self._dropped()
        self._type(step, self._hosts()[0], f"crm configure load update {files.CRM_PATH}")
        wait_until("a host has the address", self.rig.watch.holders, BACK_S)
        start_s = time.monotonic()
        time.sleep(DEAD_S)
        answers = len(self.rig.probe.answers(start_s))
        step.detail = (
            f"{self.rig.watch.holders()[0]} has {VIP}; {answers} answers in {DEAD_S:g} s, "
            f"the switch has dropped {self._dropped() - before} packets: the address is dead"
        )
        step.is_ok = answers == 0

    def _allow(self, step: Step) -> None:
        called, start_s = len(self._project.relay.requests), time.monotonic()
        self._type(step, self._hosts()[0], f"crm openstack allow ha-vip --cloud {CLOUD}")
        took_s = time.monotonic() - start_s
        self._served("")
        first_s = self.rig.probe.first_answer_s(start_s)
        calls = len(self._project.relay.requests) - called
        step.detail = f"{took_s:.1f} s, {calls} requests; the client's first answer after {first_s or 0:.1f} s"
        step.is_ok = all(port.allows(VIP) for port in self._project.ports().values())

    def _keep(self, step: Step) -> None:
        first, second = self._hosts()
        start_s = time.monotonic()
        self._type(step, first, f"crm configure property openstack-cloud={CLOUD}")
        wait_until("nothing is left to do", lambda: self._drift(second) == [], REPAIR_S, 0.5)
        step.outage_s = self.rig.probe.outage_s(start_s)
        self._say(step, second, "crm openstack status")
        vip = self._project.vips()[0]
        step.detail = f"no drift; {VIP} has a port of its own, {vip.id[:8]}, owner {vip.owner}"

    def _cut(self, step: Step) -> None:
        before = self._records()
        called = len(self._project.relay.requests)
        super()._cut(step)
        calls = len(self._project.relay.requests) - called
        time.sleep(AFTER_S)
        writes = [line for _, line in self._project.relay.requests[called:] if line.startswith(("PUT", "DELETE"))]
        is_same = self._records() == before
        step.detail += (
            f"; {calls} API calls until then; the ports in Neutron are {'as before' if is_same else 'changed'}: "
            + ", ".join(f"{name} revision {revision}" for name, revision in self._records().items())
        )
        step.is_ok = step.is_ok and is_same and not writes

    def _overwrite(self, step: Step) -> None:
        name, start_s = self._active().name, time.monotonic()
        self._say(step, self.rig.lab.hosts[name], "(terraform apply, elsewhere)")
        self._project.overwrite_pairs(name, FOREIGN)
        wait_until("the pair is back", lambda: self._project.ports()[name].allows(VIP), REPAIR_S, 0.1)
        took_s = time.monotonic() - start_s
        self._served("")
        self._measure(step, start_s)
        has_both = {FOREIGN, VIP} <= {pair.ip for pair in self._project.ports()[name].pairs}
        step.detail = f"back after {took_s:.1f} s; Terraform's {FOREIGN} {'stays' if has_both else 'is LOST'}" + step.detail
        step.is_ok = step.is_ok and has_both

    def _remove(self, step: Step) -> None:
        first = self._hosts()[0]
        self._type(step, first, "crm resource stop ha-vip")
        self._type(step, first, "crm -w configure delete ha-vip")
        wait_until("the ports allow it no more", lambda: not self._allowed() and not self._project.vips(), REPAIR_S, 0.2)
        left = {name: [pair.ip for pair in port.pairs] for name, port in self._project.ports().items()}
        step.detail = "its port and pairs are gone; left: " + "; ".join(
            f"{name} {', '.join(pairs) or 'none'}" for name, pairs in left.items()
        )

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _allowed(self) -> bool:
        return any(port.allows(VIP) for port in self._project.ports().values())

    def _drift(self, host: Host) -> list[str] | None:
        """What `crm openstack status` finds wrong with the address; None while it finds no address."""
        shown = json.loads(host.type("crm openstack status -o json 2>/dev/null", check=False) or "{}")
        addresses = shown.get("addresses", ())
        return list(addresses[0]["drift"]) if addresses else None

    def _records(self) -> dict[str, int | None]:
        return {name: port.revision for name, port in self._project.ports().items()}

    def _dropped(self) -> int:
        return dropped(self.rig.lab.switch) or 0
