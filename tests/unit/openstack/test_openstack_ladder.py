"""Fencing through Nova and Neutron: what counts as proof, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from standfast.base.report import Refused
from standfast.openstack.api import Fault, Reply, Request
from standfast.openstack.fence_settings import NAME, metadata, settings
from standfast.openstack.ladder import Ask, Order, Pause, Result, fence
from standfast.sim.cloud import FakeCloud

NODE = "5e5c0f3a-1111-4222-8333-944444444444"


class Nova:
    """One server with one port. `obeys` are the orders that are carried out (after two looks); the others are only accepted."""

    def __init__(self, *obeys: str) -> None:
        self.neutron = FakeCloud()
        self.neutron.add_subnet("net", "172.16.0.0/24")
        self.port = self.neutron.add_port("net", "172.16.0.11", NODE)
        self.obeys = obeys
        self.refuses: tuple[str, ...] = ()
        self.status, self.task, self.host = "ACTIVE", "", ""
        self.due: list[Any] = []
        self.recorded: list[dict[str, Any]] = []
        self.done: list[str] = []
        self.now_ms = 0
        self.cut: Callable[[Request], bool] = lambda _request: False

    @property
    def is_port_up(self) -> bool:
        return self.neutron.ports[self.port].get("admin_state_up") is not False

    def call(self, request: Request) -> Reply:
        if self.cut(request):
            return Reply(fault=Fault.TIMEOUT)
        if request.service == "network":
            return self.neutron.call(request)
        what = request.path.split("/")
        if request.method == "POST":
            return self.order(next(iter(request.body or {})))
        if what[-1] == "os-instance-actions":
            return Reply(200, {"instanceActions": [dict(item, events=None) for item in reversed(self.recorded)]})
        if "os-instance-actions" in what:
            (found,) = [item for item in self.recorded if item["request_id"] == what[-1]]
            return Reply(200, {"instanceAction": found})
        if request.path == "/servers/detail":
            return Reply(200, {"servers": [{"id": NODE, "name": "node-a", "status": self.status}]})
        if request.path == "/servers":
            return Reply(200, {"servers": [{"id": NODE, "name": "node-a"}] if "node" in str(request.query) else []})
        if what[2] != NODE:
            return Reply(404, {"itemNotFound": {"message": "Instance could not be found."}})
        self.work()
        shown = {"id": NODE, "name": "node-a", "status": self.status, "OS-EXT-STS:task_state": self.task or None}
        return Reply(200, {"server": shown | ({"host_status": self.host} if self.host else {})})

    def order(self, name: str) -> Reply:
        if name in self.refuses:
            return Reply(403, {"forbidden": {"message": f"Policy doesn't allow {name} to be performed."}})
        if self.task:
            return Reply(409, {"conflictingRequest": {"message": f"Cannot {name} while it is in task_state {self.task}"}})
        self.task = {"reboot": "reboot_started_hard", "os-stop": "powering-off", "os-start": "powering-on"}[name]
        self.recorded.append({"action": name.removeprefix("os-"), "request_id": f"req-{len(self.recorded)}", "events": []})
        if name in self.obeys:
            self.due = [name, 2]
        return Reply(202)

    def work(self) -> None:
        if self.due:
            self.due[1] -= 1
            if self.due[1] <= 0:
                name, self.task, self.due = self.due[0], "", []
                self.status = "SHUTOFF" if name == "os-stop" else "ACTIVE"
                self.recorded[-1]["events"] = [{"result": "Success", "finish_time": "now"}]
                self.done.append(name)


def run(nova: Nova, order: Order, cut_after: int = 10**6) -> Result:
    steps = fence(order)
    step: Ask | Pause = next(steps)
    for count in range(10_000):
        replies: tuple[Reply, ...] = ()
        if isinstance(step, Ask):
            if count >= cut_after:
                nova.cut = lambda _request: True
            nova.now_ms += 50
            replies = tuple(nova.call(request) for request in step.requests)
        else:
            nova.now_ms += step.ms
        try:
            step = steps.send((nova.now_ms, replies))
        except StopIteration as end:
            result: Result = end.value
            return result
    raise AssertionError("it does not end")


def test_a_reboot_is_done_when_nova_has_written_it_down() -> None:
    nova = Nova("reboot")
    result = run(nova, Order("reboot", NODE))
    assert result.rc == 0
    assert nova.done == ["reboot"]
    assert nova.is_port_up, "its network is back"
    assert nova.neutron.ports[nova.port]["description"] == ""


def test_the_ports_are_down_before_the_reboot_is_asked_for() -> None:
    nova = Nova("reboot")
    order, was_up = nova.order, []
    nova.order = lambda name: was_up.append(nova.is_port_up) or order(name)  # type: ignore[method-assign, func-returns-value]
    run(nova, Order("reboot", NODE))
    assert was_up == [False]


def test_a_dead_hypervisor_is_no_success_and_is_named() -> None:
    nova = Nova()
    result = run(nova, Order("reboot", NODE))
    assert result.rc == 1
    assert any("accepted the hard reboot, and after 20 s it is not done" in text for text in result.remarks)
    assert any("hypervisor is probably dead" in text for text in result.remarks)
    assert not nova.is_port_up, "it may still run: it stays cut off"
    assert nova.now_ms < 50_000, "within stonith-timeout"
    nova = Nova()
    nova.host = "DOWN"
    assert any("its hypervisor is DOWN" in text for text in run(nova, Order("off", NODE)).remarks)


def test_ports_that_are_down_are_enough_where_it_is_said_so() -> None:
    nova = Nova()
    result = run(nova, Order("off", NODE, network="enough"))
    assert result.rc == 0
    assert not nova.is_port_up
    assert run(nova, Order("status", NODE, network="enough")).rc == 2
    assert run(nova, Order("status", NODE)).rc == 0
    nova.task, nova.obeys = "", ("os-start",)
    assert run(nova, Order("on", NODE, network="enough")).rc == 0
    assert nova.is_port_up


def test_whoever_may_not_reboot_stops_and_starts() -> None:
    nova = Nova("os-stop", "os-start")
    nova.refuses = ("reboot",)
    result = run(nova, Order("reboot", NODE))
    assert result.rc == 0
    assert nova.done == ["os-stop", "os-start"]
    assert nova.is_port_up


def test_refused_by_all_leaves_everything_as_it_was() -> None:
    nova = Nova()
    nova.refuses = ("reboot", "os-stop")
    result = run(nova, Order("reboot", NODE))
    assert result.rc == 1
    assert nova.is_port_up
    assert any("Policy doesn't allow reboot" in text for text in result.remarks)


def test_a_reboot_that_is_written_down_as_failed_is_none() -> None:
    nova = Nova("reboot", "os-stop", "os-start")
    work = nova.work

    def fails() -> None:
        work()
        if nova.done == ["reboot"]:
            nova.recorded[-1]["events"] = [{"result": "Error", "finish_time": "now"}]

    nova.work = fails  # type: ignore[method-assign]
    result = run(nova, Order("reboot", NODE))
    assert result.rc == 0
    assert nova.done == ["reboot", "os-stop", "os-start"], "the next rung"


def test_off_on_status_list_monitor() -> None:
    nova = Nova("os-stop", "os-start")
    assert run(nova, Order("status", NODE)).rc == 0
    assert run(nova, Order("off", NODE)).rc == 0
    assert run(nova, Order("status", NODE)).rc == 2
    assert run(nova, Order("off", NODE)).rc == 0
    assert nova.done == ["os-stop"]
    assert run(nova, Order("on", "node-a")).rc == 0
    assert run(nova, Order("list")).output == f"{NODE},node-a\n"
    assert run(nova, Order("monitor")).rc == 0
    nova.status = "PAUSED"
    assert run(nova, Order("status", NODE)).rc == 1


def test_a_server_that_is_not_there_is_not_fenced() -> None:
    wrong = NODE.replace("5", "6")
    assert run(Nova("reboot"), Order("off", wrong)).rc == 1
    other = Nova("reboot")
    result = run(other, Order("reboot", "db-1"))
    assert result.rc == 1
    assert "no servers are called db-1" in result.remarks[0]


@pytest.mark.parametrize("calls", range(40))
@pytest.mark.parametrize("obeys", [("reboot",), (), ("os-stop",)])
def test_the_api_goes_away_at_every_call(calls: int, obeys: tuple[str, ...]) -> None:
    nova = Nova(*obeys)
    result = run(nova, Order("reboot", NODE), cut_after=calls)
    if result.rc == 0:
        assert nova.done, "success needs a deed"
    assert result.rc == 0 or result.remarks


OLD = {"login": "admin", "passwd": "s3cret", "auth-url": "http://k:5000/v3", "project-name": "ha", "port": NODE, "action": "off"}


def test_the_parameters_of_the_known_agent_work_unedited() -> None:
    found = settings(OLD)
    assert found.order == Order("off", NODE)
    assert found.auth["username"] == "admin"
    assert found.auth["project_name"] == "ha"
    assert found.auth["user_domain_name"] == "Default"
    assert "s3cret" not in repr(found)
    assert settings({"cloud": "lab", "uuid": NODE, "plug": "n1", "nodename": "n1"}).order.server == NODE
    assert settings({"cloud": "lab", "nodename": "n1"}).order == Order("reboot", "n1")


@pytest.mark.parametrize(("value", "is_insecure"), [("", False), ("0", False), ("false", False), ("1", True), ("true", True)])
def test_certificates_are_checked_unless_it_is_switched_off(value: str, is_insecure: bool) -> None:
    assert settings({"cloud": "lab", "plug": NODE, "ssl_insecure": value}).is_insecure is is_insecure
    assert settings({"cloud": "lab", "plug": NODE, "ssl-insecure": value}).is_insecure is is_insecure


@pytest.mark.parametrize(
    "given", [{}, {"cloud": "x", "action": "off"}, {"cloud": "x", "action": "explode"}, {"cloud": "x", "network_fence": "maybe"}]
)
def test_what_cannot_be_meant_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(Refused):
        settings(given)


def test_the_meta_data_can_be_read_and_knows_the_actions() -> None:
    root = etree.fromstring(metadata().encode())
    assert root.get("name") == NAME
    names = {p.get("name") for p in root.iterfind("parameters/parameter")}
    assert {"plug", "uuid", "cloud", "auth_url", "project_name", "ssl_insecure"} <= names
    assert {"on", "off", "reboot", "status", "list", "monitor"} <= {a.get("name") for a in root.iterfind("actions/action")}


def test_an_order_that_was_lost_and_a_record_that_cannot_be_read_prove_nothing() -> None:
    """ACTIVE with no task is also what a server looks like that never heard of the reboot."""
    nova = Nova("reboot", "os-stop")
    nova.cut = lambda request: request.method == "POST" or "os-instance-actions" in request.path
    result = run(nova, Order("reboot", NODE))
    assert result.rc == 1
    assert nova.done == []
    assert "Nova accepted the hard reboot" not in " ".join(result.remarks)


def test_a_record_that_cannot_be_read_leaves_the_task_as_proof_where_nova_took_the_order() -> None:
    nova = Nova("reboot")
    nova.cut = lambda request: "os-instance-actions" in request.path
    assert run(nova, Order("reboot", NODE)).rc == 0
    assert nova.done == ["reboot"]


def test_a_server_in_error_is_rebooted_and_one_that_ends_there_is_not() -> None:
    nova = Nova("reboot")
    nova.status = "ERROR"
    assert run(nova, Order("reboot", NODE)).rc == 0
    nova = Nova()
    nova.work = lambda: vars(nova).update(status="ERROR", task="")  # type: ignore[method-assign]
    nova.refuses = ("os-stop",)
    result = run(nova, Order("reboot", NODE))
    assert result.rc == 1
    assert "the hard reboot has ended in ERROR" in result.remarks
