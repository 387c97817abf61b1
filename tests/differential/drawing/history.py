"""The status section: node states, transient attributes, tickets, and each resource's history with digests that fit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree
from tests.differential.drawing.chance import Chance, add
from tests.differential.drawing.resources import Drawn, Leaf
from tests.differential.drawing.settings import NOW_S

UUID = "01234567-89ab-cdef-0123-456789abcdef"
FEATURE_SET = "3.16.1"
_STATES = {
    "online": ("true", "online", "member", "member"),
    "offline": ("false", "offline", "down", "down"),
    "lost": ("false", "offline", "member", "member"),
    "dead": ("true", "offline", "member", "member"),
    "pending": ("true", "online", "pending", "member"),
    "joining": ("true", "offline", "down", "down"),
    "leaving": ("false", "online", "member", "down"),
}


def draw_status(chance: Chance, root: etree._Element, drawn: Drawn, nodes: list[tuple[str, str]]) -> None:
    """Everything that a running cluster would have recorded."""
    status = add(root, "status")
    histories: dict[str, etree._Element] = {}
    for index, (name, node_id) in enumerate(nodes):
        kind = "online"
        if index and chance.may("bad-nodes", 0.35):
            kind = chance.pick(("offline", "offline", "lost", "lost", "dead", "missing", "leaving"))
        if kind == "online" and chance.may("pending-nodes", 0.3):
            kind = chance.pick(("pending", "joining"))
        if kind == "missing":
            continue
        member, crmd, join, expected = _STATES[kind]
        state = add(
            status, "node_state", id=node_id, uname=name, in_ccm=member, crmd=crmd, join=join, expected=expected,
            crm_debug_origin="do_update_resource",
        )  # fmt: skip
        state.attrib["in_ccm"] = state.attrib.pop("in-ccm")
        _draw_transient(chance, state, drawn, node_id)
        lrm = add(state, "lrm", id=node_id)
        histories[name] = add(lrm, "lrm_resources")
    History(chance, drawn, histories).draw()
    if chance.on["tickets"] and chance.happens(0.8):
        tickets = add(status, "tickets")
        for ticket in ("north", "south"):
            if chance.happens(0.7):
                state = add(tickets, "ticket_state", id=ticket, granted=chance.pick(("true", "false")))
                if chance.happens(0.4):
                    state.set("standby", chance.pick(("true", "false")))
                state.set("last-granted", str(NOW_S - 1000))


def _draw_transient(chance: Chance, state: etree._Element, drawn: Drawn, node_id: str) -> None:
    values: dict[str, str] = {}
    if chance.may("shutdown", 0.25):
        values["shutdown"] = str(NOW_S - 100)
    if chance.may("standby", 0.1):
        values["standby"] = "on"
    if chance.may("node-maintenance", 0.1):
        values["maintenance"] = "true"
    if chance.on["health"]:
        for name in ("#health-disk", "#health-cpu"):
            if chance.happens(0.5):
                values[name] = chance.pick(("red", "yellow", "green", "green", "-10", "5"))
    for leaf in drawn.leaves:
        if leaf.promotable and chance.happens(0.8):
            suffix = f":{chance.number(0, 1)}" if leaf.unique else ""
            values[f"master-{leaf.id}{suffix}"] = chance.pick(("1", "5", "10", "10", "100", "-1", "-INFINITY", "INFINITY"))
        if chance.may("fail-counts", 0.25):
            suffix = f":{chance.number(0, 1)}" if leaf.clone is not None and chance.happens(0.3) else ""
            operation = chance.pick(("monitor_10000", "start_0", "stop_0", "monitor_0"))
            values[f"fail-count-{leaf.id}{suffix}#{operation}"] = chance.pick(("1", "2", "3", "INFINITY"))
            if chance.happens(0.9):
                values[f"last-failure-{leaf.id}{suffix}#{operation}"] = str(NOW_S - chance.pick((5, 30, 100, 5000)))
    if chance.on["attributes"] and chance.happens(0.3):
        values["rack"] = chance.pick(("a", "b"))
    if not values:
        return
    block = add(add(state, "transient_attributes", id=node_id), "instance_attributes", id=f"status-{node_id}")
    for name, value in values.items():
        add(block, "nvpair", id=f"status-{node_id}-{name.replace('#', '.').replace(':', '.')}", name=name, value=value)


@dataclass
class Result:
    """One operation as the executor reported it."""

    task: str
    interval_ms: int = 0
    rc: int = 0
    status: int = 0
    target_rc: int = 0
    failure: bool = False
    source: str = ""
    target: str = ""


class History:
    """Draws, for each resource, where it runs and what was done to it on each node."""

    def __init__(self, chance: Chance, drawn: Drawn, histories: dict[str, etree._Element]) -> None:
        self.chance = chance
        self.drawn = drawn
        self.histories = histories
        self.calls: dict[str, int] = {}
        self.when = NOW_S - chance.number(20, 9000)

    def draw(self) -> None:
        homes: dict[str, str] = {}
        names = sorted(self.histories)
        if not names or self.chance.happens(0.06):
            return
        for leaf in self.drawn.leaves:
            if leaf.clone is not None:
                self._draw_clone(leaf, names)
                continue
            home = self.chance.pick(names)
            if leaf.group is not None:
                home = homes.setdefault(leaf.group.get("id", ""), home)
            if self.chance.may("migration", 0.4) and len(names) > 1:
                self._draw_migration(leaf, names)
                continue
            active = [home] if self.chance.happens(0.75) else []
            if self.chance.may("active-twice", 0.2):
                active.append(self.chance.pick(names))
            for name in names:
                self._draw_on(name, leaf, leaf.id, name in active, promoted=False)
        for number in range(self.chance.number(1, 2) if self.chance.on["orphans"] else 0):
            agent = self.chance.pick(("Dummy", "Stateful"))
            for name in self.chance.some(names, 1, 2):
                results = self.chance.pick((_active(), [Result("monitor", rc=7, target_rc=7)], [*_active(), Result("stop")]))
                self._write(name, None, f"gone{number}", {"class": "ocf", "provider": "pacemaker", "type": agent}, results)

    def _draw_clone(self, leaf: Leaf, names: list[str]) -> None:
        promoted = set(self.chance.some(names, 0, 2)) if leaf.promotable else set()
        old_names = self.chance.happens(0.15)
        number = 0
        for name in names:
            active = self.chance.happens(0.75) and number < leaf.instances
            if leaf.unique:
                for instance in range(leaf.instances):
                    runs = self.chance.happens(0.7 if instance == number and active else 0.1)
                    if runs or self.chance.happens(0.7):
                        self._draw_on(name, leaf, f"{leaf.id}:{instance}", runs, runs and name in promoted)
            else:
                self._draw_on(name, leaf, f"{leaf.id}:{number}" if old_names else leaf.id, active, active and name in promoted)
            number += active

    def _draw_on(self, node: str, leaf: Leaf, rsc_id: str, active: bool, promoted: bool) -> None:
        chance = self.chance
        if chance.may("unprobed", 0.2):
            return
        if active:
            results = _active(probe=chance.happens(0.2))
            if promoted:
                results += [Result("promote")] if chance.happens(0.8) else [Result("monitor", rc=8, target_rc=8)]
            for op in _operations(leaf):
                interval = _ms(op.get("interval"))
                role = (op.get("role") or "").lower()
                wanted = role in ("master", "promoted")
                fits = bool(interval) and role != "stopped" and (promoted == wanted or not role)
                if op.get("name") == "monitor" and fits and chance.happens(0.85):
                    results.append(Result("monitor", interval, rc=8 if promoted else 0, target_rc=8 if promoted else 0))
            if chance.may("orphans", 0.1):
                results.append(Result("monitor", 77_000))
        elif chance.happens(0.25):
            results = [*_active(), Result("stop")]
        else:
            results = [Result("monitor", rc=chance.pick((7, 7, 7, 7, 5)) if chance.on["failures"] else 7, target_rc=7)]
        if chance.may("failures", 0.3):
            results = self._failed(results, leaf, promoted)
        if chance.may("pending", 0.2):
            task = chance.pick(("start", "stop", "monitor", "monitor", *(("promote", "demote") if leaf.promotable else ())))
            interval = 10_000 if task == "monitor" and active else 0
            results.append(Result(task, interval, rc=193, status=-1, target_rc=7 if task == "monitor" and not active else 0))
        self._write(node, leaf, rsc_id, leaf.agent, results)

    def _failed(self, results: list[Result], leaf: Leaf, promoted: bool) -> list[Result]:
        chance = self.chance
        task = chance.pick(("monitor", "monitor", "start", "stop", "probe", *(("promote", "demote") if leaf.promotable else ())))
        rc = chance.pick((1, 1, 7, 5, 6, 2, 3, 4, 8, 9, 190, 191, 198))
        status = chance.pick((0, 0, 0, 4)) if rc != 198 else 2
        if status == 0 and chance.happens(0.1):
            status = chance.pick((5, 6, 7, 3, 1))
        if task == "probe":
            failed = Result("monitor", 0, rc, status, 7, failure=True)
        elif task == "monitor":
            failed = Result("monitor", 10_000, rc, status, 8 if promoted else 0, failure=True)
        else:
            failed = Result(task, 0, rc, status, 0, failure=True)
        where = chance.number(0, len(results)) if chance.happens(0.3) else len(results)
        return [*results[:where], failed, *results[where:]]

    def _draw_migration(self, leaf: Leaf, names: list[str]) -> None:
        chance = self.chance
        source, target = chance.some(names, 2, 2)
        to_ok, from_ok = chance.pick(((0, 0), (0, 0), (0, 1), (1, None), (0, None), (-1, None), (0, -1)))
        here = [*_active(), self._step("migrate_to", to_ok, source, target)]
        there = [Result("monitor", rc=7, target_rc=7)] if chance.happens(0.7) else []
        if from_ok is not None:
            there.append(self._step("migrate_from", from_ok, source, target))
        if from_ok == 0 and chance.happens(0.5):
            here.append(Result("stop"))
        for name in names:
            if name == source:
                self._write(name, leaf, leaf.id, leaf.agent, here)
            elif name == target:
                self._write(name, leaf, leaf.id, leaf.agent, there)
            else:
                self._draw_on(name, leaf, leaf.id, active=False, promoted=False)

    @staticmethod
    def _step(task: str, how: int | None, source: str, target: str) -> Result:
        if how == -1:
            return Result(task, rc=193, status=-1, source=source, target=target)
        return Result(task, rc=how or 0, failure=bool(how), source=source, target=target)

    def _write(self, node: str, leaf: Leaf | None, rsc_id: str, agent: dict[str, str], results: list[Result]) -> None:
        if not results:
            return
        resource = add(self.histories[node], "lrm_resource", id=rsc_id)
        for name, value in agent.items():
            resource.set(name, value)
        entries: dict[str, etree._Element] = {}
        for result in results:
            entry_id = _entry_id(rsc_id, result)
            if entry_id in entries:
                resource.remove(entries[entry_id])
            entries[entry_id] = self._entry(resource, node, leaf, rsc_id, entry_id, result)

    def _entry(
        self, parent: etree._Element, node: str, leaf: Leaf | None, rsc_id: str, entry_id: str, result: Result
    ) -> etree._Element:
        chance = self.chance
        call = self.calls[node] = self.calls.get(node, 0) + chance.number(1, 3)
        self.when = min(NOW_S - 1, self.when + chance.number(0, 20))
        key = f"{chance.number(1, 90)}:{call}:{result.target_rc}:{UUID}"
        entry = add(
            parent, "lrm_rsc_op", id=entry_id, operation_key=f"{rsc_id}_{result.task}_{result.interval_ms}",
            operation=result.task,
        )  # fmt: skip
        entry.attrib["operation_key"] = entry.attrib.pop("operation-key")
        values = {
            "crm-debug-origin": "do_update_resource",
            "crm_feature_set": chance.pick(("3.0.14", "3.2.0")) if chance.may("op-versions", 0.5) else FEATURE_SET,
            "transition-key": key,
            "transition-magic": f"{result.status}:{result.rc};{key}",
            "exit-reason": "it broke" if result.failure and chance.happens(0.3) else "",
            "on_node": node,
            "call-id": str(-1 if result.status == -1 else call),
            "rc-code": str(result.rc),
            "op-status": str(result.status),
            "interval": str(result.interval_ms),
            "last-rc-change": str(self.when),
            "exec-time": "10",
            "queue-time": "0",
        }
        if leaf is not None and chance.happens(0.9):
            values["op-digest"] = "0" * 32 if chance.may("changed", 0.1) else _digest(leaf, result)
        if result.source:
            values["migrate_source"], values["migrate_target"] = result.source, result.target
        for name, value in values.items():
            entry.set(name, value)
        return entry


def _active(probe: bool = False) -> list[Result]:
    return [Result("monitor", target_rc=7)] if probe else [Result("monitor", rc=7, target_rc=7), Result("start")]


def _entry_id(rsc_id: str, result: Result) -> str:
    """The id that the controller gives an entry: the last one-time result, the last failure, or one per recurring operation."""
    if result.failure:
        return f"{rsc_id}_last_failure_0"
    if result.interval_ms or result.task.startswith("migrate"):
        return f"{rsc_id}_{result.task}_{result.interval_ms}"
    return f"{rsc_id}_last_0"


def _operations(leaf: Leaf) -> list[etree._Element]:
    own = leaf.xml.findall("operations/op")
    inherited = [] if leaf.template is None else leaf.template.findall("operations/op")
    return own + inherited


def _ms(text: str | None) -> int:
    return int((text or "0").removesuffix("s")) * 1000


def _digest(leaf: Leaf, result: Result) -> str:
    params: dict[str, str] = {}
    for source in (leaf.template, leaf.xml):
        for block in () if source is None else source.findall("instance_attributes"):
            if block.find("rule") is None:
                params |= {pair.get("name", ""): pair.get("value", "") for pair in block.findall("nvpair")}
    if result.interval_ms:
        timeout = "20s"
        for op in _operations(leaf):
            if op.get("name") == result.task and _ms(op.get("interval")) == result.interval_ms:
                timeout = op.get("timeout", timeout)
                params |= {p.get("name", ""): p.get("value", "") for p in op.findall("instance_attributes/nvpair")}
        params["CRM_meta_timeout"] = str(_ms(timeout))
    text = "".join(f' {name}="{escape(params[name], {chr(34): "&quot;"})}"' for name in sorted(params))
    return hashlib.md5(f" <parameters{text}/>\n".encode(), usedforsecurity=False).hexdigest()
