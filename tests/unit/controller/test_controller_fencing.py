"""Nodes that fence each other: the plan's fencing carried out by an agent, its failures, its lies, and what people do by hand."""

from __future__ import annotations

from typing import Any

import pytest
from node_rig import DUMMY, Host, Rig, options

from standfast.executor import api as ex

METADATA = (
    b'<resource-agent><parameters><parameter name="plug"/></parameters>'
    b'<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/><action name="list"/>'
    b"</actions></resource-agent>"
)
DEVICE = (
    '<primitive id="{0}" class="stonith" type="fence_test"><instance_attributes id="{0}-i">{1}</instance_attributes>'
    '<operations><op id="{0}-m" name="monitor" interval="60s"/></operations></primitive>'
)


def device(name: str = "fence", **parameters: str) -> str:
    pairs = "".join(f'<nvpair id="{name}-{k}" name="{k}" value="{v}"/>' for k, v in parameters.items())
    return DEVICE.format(name, pairs)


class FencedRig(Rig):
    """Fence agents answer as `replies` say: action -> (rc, stdout), or None for an agent that hangs."""

    def __init__(self, count: int = 2) -> None:
        self.asked: list[str] = []
        self.replies: dict[str, tuple[int, bytes] | None] = {"metadata": (0, METADATA), "status": (2, b"")}
        self.kills = True
        super().__init__(count)

    def touch(self, host: Host, effect: Any) -> None:
        if not isinstance(effect, ex.RunAgent) or not effect.argv[0].rpartition("/")[2].startswith("fence_"):
            super().touch(host, effect)
            return
        words = dict(line.split("=", 1) for line in effect.stdin.decode().splitlines())
        action, target = words["action"], words.get("plug", "")
        self.asked.append(f"{host.name} {action} {target}".strip())
        reply = self.replies.get(action, (0, b""))
        if reply is None:
            return
        if action in ("off", "reboot") and reply[0] == 0 and self.kills:
            for victim in [h for h in self.hosts.values() if h.name == target]:
                victim.is_up, victim.addresses = False, {}
        self.at(5_000, ("fence", host.id, effect.run, *reply))

    def happen(self, what: Any) -> None:
        if what[0] == "fence":
            _, host, run, rc, output = what
            if self.hosts[host].is_up:
                self.step(self.hosts[host], self.exited(run, rc, output))
            return
        super().happen(what)

    @staticmethod
    def exited(run: int, rc: int, output: bytes) -> Any:
        from standfast.controller import effects as fx

        return fx.FromAgent(ex.AgentExited(run, rc, output, b"the device says no" if rc == 1 else b""))

    def status(self, name: str) -> dict[str, Any]:
        return self.ask(name, "status")

    def node(self, name: str, seen_by: str) -> dict[str, Any]:
        found: dict[str, Any] = next(n for n in self.status(seen_by)["situation"]["nodes"] if n["name"] == name)
        return found

    def fencings(self, name: str) -> list[tuple[str, str, str, str]]:
        return [(r["target"], r["action"], r["phase"], r["delegate"]) for r in self.status(name)["fencing"]]


def fenced(count: int = 2, *devices: str, **wanted: str) -> FencedRig:
    """A cluster with fencing on, a service on n1 and the devices."""
    rig = FencedRig(count)
    rig.configure("n1", "crm_config", options(stonith_enabled="true", no_quorum_policy="ignore", **wanted))
    for xml in devices or (device(pcmk_host_list=" ".join(f"n{i + 1}" for i in range(count))),):
        rig.configure("n1", "resources", xml, "create")
    rig.configure("n1", "resources", DUMMY, "create")
    rig.configure("n1", "constraints", '<rsc_location id="l" rsc="dummy" node="n1" score="100"/>', "create")
    rig.run(1)
    assert rig.where()["dummy"] == "n1"
    rig.asked.clear()
    rig.ran.clear()
    return rig


def cut(rig: FencedRig, *survivors: int) -> None:
    """n1 is silent; it is still there."""
    rig.install(*(survivors or (2,)))


def test_a_lost_node_is_fenced_before_its_service_starts_elsewhere() -> None:
    rig = fenced()
    cut(rig)
    rig.run(2)
    assert [a for a in rig.asked if "monitor" not in a] == ["n2 metadata", "n2 reboot n1"]
    assert rig.where("n2")["dummy"] == "n2"
    assert "n2 Dummy start" in rig.ran
    lost = rig.node("n1", "n2")
    assert (lost["online"], lost["unclean"]) == (False, False)
    assert rig.fencings("n2") == [("n1", "reboot", "success", "n2")]
    state = rig.ask("n2", "cib.query", xpath="//node_state[@id='1']")["xml"]
    assert "lrm" not in state.replace("lrm_", "")
    assert 'expected="down"' in state
    assert not rig.host("n1").is_up


def test_a_failing_device_starts_nothing_and_says_so_and_is_not_tried_for_ever() -> None:
    rig = fenced(stonith_max_attempts="3")
    rig.replies["reboot"] = (1, b"")
    cut(rig)
    rig.run(30)
    assert "n2 Dummy start" not in rig.ran
    lost = rig.node("n1", "n2")
    assert (lost["online"], lost["unclean"]) == (False, True)
    assert rig.asked.count("n2 reboot n1") == 2 * 3, "two tries in each of three attempts"
    found = rig.status("n2")["fencing"]
    assert {r["phase"] for r in found} == {"failed"}
    assert "the device says no" in found[0]["reason"]
    assert any("crm node clearstate n1" in line for line in rig.host("n2").told)


def test_a_hanging_device_is_ended_in_time() -> None:
    rig = fenced(stonith_max_attempts="1")
    rig.replies["reboot"] = None
    cut(rig)
    rig.run(120)
    assert "n2 Dummy start" not in rig.ran
    assert rig.fencings("n2")[0][2] == "failed"
    assert "did not complete within" in rig.status("n2")["fencing"][0]["reason"]


def test_an_off_that_is_not_off_is_a_failure() -> None:
    rig = fenced(stonith_action="off", stonith_max_attempts="1")
    rig.replies |= {"off": (0, b""), "status": (0, b"")}
    rig.kills = False
    cut(rig)
    rig.run(30)
    assert "n2 Dummy start" not in rig.ran
    assert "its status says that it is on" in rig.status("n2")["fencing"][0]["reason"]
    rig.replies["status"] = (2, b"")
    rig.configure("n2", "crm_config", options(cluster_delay="61s"))
    rig.run(5)
    assert "n2 Dummy start" in rig.ran


def test_a_device_that_names_others_fences_nobody() -> None:
    rig = fenced(2, device(pcmk_host_list="n7"))
    cut(rig)
    rig.run(5)
    assert rig.asked == [] or all("reboot" not in a for a in rig.asked)
    assert rig.status("n2")["fencing"][0]["reason"] == "No fence device"
    assert "n2 Dummy start" not in rig.ran


def test_a_dynamic_list_is_asked() -> None:
    rig = fenced(2, device("other"), device("right"))
    rig.replies["list"] = (0, b"n1,\nn2,\n")
    cut(rig)
    rig.run(3)
    assert [a for a in rig.asked if "monitor" not in a] == ["n2 metadata", "n2 list", "n2 reboot n1"]


LEVELS = (
    '<fencing-topology><fencing-level id="f1" index="1" target="n1" devices="a,b"/>'
    '<fencing-level id="f2" index="2" target="n1" devices="c"/></fencing-topology>'
)


def test_two_supplies_are_off_before_either_is_on() -> None:
    rig = fenced(2, device("a", pcmk_host_map="n1:1"), device("b", pcmk_host_map="n1:2"), device("c", pcmk_host_map="n1:3"))
    rig.configure("n1", "configuration", LEVELS, "create")
    rig.kills = False
    rig.asked.clear()
    cut(rig)
    rig.run(3)
    acts = [a for a in rig.asked if a.split()[1] in ("on", "off", "reboot")]
    assert acts == ["n2 off 1", "n2 off 2", "n2 on 1", "n2 on 2"]
    rig.asked.clear()


def test_the_next_level_when_the_first_fails() -> None:
    rig = fenced(2, device("a", pcmk_host_map="n1:1"), device("b", pcmk_host_map="n1:2"), device("c", pcmk_host_map="n1:3"))
    rig.configure("n1", "configuration", LEVELS, "create")
    rig.replies["off"] = (1, b"")
    cut(rig)
    rig.run(6)
    assert rig.asked[-1] in ("n2 reboot 3", "n2 monitor")
    assert "n2 reboot 3" in rig.asked
    assert rig.where("n2")["dummy"] == "n2"


def test_a_person_says_that_it_is_down() -> None:
    rig = fenced(stonith_max_attempts="1")
    rig.replies["reboot"] = (1, b"")
    assert not rig.ask("n2", "fence.confirm", node="n1")["ok"], "it is in the cluster"
    cut(rig)
    rig.run(10)
    assert "n2 Dummy start" not in rig.ran
    assert rig.ask("n2", "fence.confirm", node="n9")["exit_code"] == 105
    assert rig.ask("n2", "fence.confirm", node="n1")["ok"]
    rig.run(1)
    assert "n2 Dummy start" in rig.ran
    assert rig.fencings("n2")[0] == ("n1", "off", "success", "a human")


def test_a_person_fences_a_member_and_everybody_remembers() -> None:
    rig = fenced(3)
    answer = rig.ask("n2", "fence", node="n3", action="reboot")
    assert (answer["ok"], answer["delegate"]) == (True, "n1")
    rig.install(1, 2)
    rig.run(1)
    assert rig.fencings("n1") == rig.fencings("n2") == [("n3", "reboot", "success", "n1")]


def test_a_person_fences_the_coordinator_and_gets_an_answer() -> None:
    rig = fenced(3)
    rig.ask("n3", "fence", node="n1", action="reboot")
    rig.install(2, 3)
    rig.run(1)
    assert rig.host("n3").answers[rig.requests][0]["ok"]
    assert rig.fencings("n2") == rig.fencings("n3")
    assert ("n1", "reboot", "success", "n2") in rig.fencings("n3")
    assert rig.where("n2")["dummy"] in ("n2", "n3")
    assert rig.ask("n3", "fence.history", forget=True)["ok"]
    assert rig.fencings("n2") == []


def test_the_view_changes_while_the_agent_is_at_work() -> None:
    """The victim of a fencing leaves the view, before its agent has said that it is done: it is not fenced twice."""
    rig = fenced(3)
    rig.replies["reboot"] = None
    rig.ask("n3", "fence", node="n1", wait=False)
    rig.run(0.5)
    rig.install(2, 3)
    rig.run(1)
    acts = [a for a in rig.asked if "reboot" in a]
    assert acts in (["n2 reboot n1"], ["n2 reboot n1", "n2 reboot n1"], ["n3 reboot n1"])
    assert "n2 Dummy start" not in rig.ran


def test_who_hears_of_its_own_fencing_stops() -> None:
    rig = fenced(3)
    rig.kills = False
    rig.ask("n3", "fence", node="n2")
    stopped = rig.host("n2").stopped
    assert stopped is not None
    assert stopped.exit_code == 78
    assert rig.host("n2").left


def test_a_newcomer_learns_the_history() -> None:
    rig = fenced(3)
    rig.ask("n3", "fence", node="n1")
    rig.install(2, 3)
    rig.run(1)
    old = rig.host("n1")
    rig.hosts[old.id] = rig.boot(old.id, old.disk)
    rig.begin(rig.hosts[old.id])
    rig.install(1, 2, 3)
    rig.run(1)
    assert rig.fencings("n1") == rig.fencings("n2")
    assert rig.node("n1", "n1")["online"]


def test_a_delayed_device_waits() -> None:
    rig = fenced(2, device(pcmk_host_list="n1 n2", pcmk_delay_base="n1:5s"))
    cut(rig)
    rig.run(3)
    assert "n2 reboot n1" not in rig.asked
    rig.run(4)
    assert "n2 reboot n1" in rig.asked


def away_and_back(name: str, back_after_s: float, delay_base: str) -> FencedRig:
    """A node is cut off from the two others for that long; its fencing waits for its delay."""
    rig = fenced(3, device(pcmk_host_list="n1 n2 n3", pcmk_delay_base=delay_base))
    rig.install(*(host.id for host in rig.hosts.values() if host.name != name))
    rig.run(back_after_s)
    if rig.host(name).is_up:
        rig.install(1, 2, 3)
    rig.run(20)
    return rig


@pytest.mark.parametrize(
    ("name", "reason"), [("n3", "n3 came back before it was fenced"), ("n1", "another node coordinates since")]
)
def test_a_node_that_comes_back_before_it_was_fenced_is_let_be(name: str, reason: str) -> None:
    """The lowest takes the duty when it comes back, and what the others were ordered before it does is void."""
    rig = away_and_back(name, 2, "9s")
    assert [a for a in rig.asked if "reboot" in a] == []
    assert rig.fencings("n1") == rig.fencings("n2") == [(name, "reboot", "failed", "")]
    assert rig.status("n2")["fencing"][0]["reason"] == reason
    assert rig.where()["dummy"] == "n1"
    assert [line for line in rig.ran if line.endswith("start")] == [], "nothing was recovered for a fencing that was not"


@pytest.mark.parametrize("name", ["n1", "n3"])
@pytest.mark.parametrize("moment_ms", range(0, 1200, 75))
def test_a_node_comes_back_at_any_moment_of_its_fencing(moment_ms: int, name: str) -> None:
    rig = away_and_back(name, moment_ms / 1000, "500ms")
    hit = [a for a in rig.asked if f"reboot {name}" in a]
    assert len(hit) <= 1
    assert rig.host(name).is_up is not bool(hit)
    if hit:
        rig.install(*(host.id for host in rig.hosts.values() if host.name != name))  # the layer notices that it is gone
        rig.run(3)
    assert [p for _, _, p, _ in rig.fencings("n2") if p == "pending"] == []
    assert (rig.where("n2")["dummy"] == "n1") is not (bool(hit) and name == "n1")
    assert not rig.node(name, "n2")["unclean"]


def test_what_a_person_wants_is_done_though_the_node_comes_back() -> None:
    rig = fenced(3, device(pcmk_host_list="n1 n2 n3", pcmk_delay_base="9s"))
    rig.install(1, 2)
    rig.run(1)
    rig.ask("n2", "fence", node="n3", wait=False)
    rig.run(1)
    rig.install(1, 2, 3)
    rig.run(20)
    assert [a for a in rig.asked if "reboot n3" in a] in (["n1 reboot n3"], ["n2 reboot n3"])


@pytest.mark.parametrize("moment_ms", range(0, 700, 20))
def test_the_coordinator_is_lost_at_any_moment_of_a_fencing(moment_ms: int) -> None:
    """n1 is lost, and n2, which coordinates its fencing, a little later: n3 fences both, and starts what n1 had."""
    rig = fenced(3)
    rig.install(2, 3)
    rig.run(moment_ms / 1000)
    rig.host("n2").is_up = False
    rig.install(3)
    rig.run(8)
    assert rig.where("n3")["dummy"] == "n3"
    assert [(t, p) for t, _, p, _ in rig.fencings("n3") if p == "pending"] == []
    assert all(not rig.node(name, "n3")["unclean"] for name in ("n1", "n2"))


def test_an_orderly_departure_is_not_fenced() -> None:
    rig = fenced()
    rig.ask("n1", "node.shutdown")
    rig.run(2)
    assert rig.host("n1").left
    rig.host("n1").is_up = False
    rig.install(2)
    rig.run(2)
    assert all("reboot" not in a for a in rig.asked)
    assert rig.where("n2")["dummy"] == "n2"


def test_a_node_that_was_never_seen_gets_time_to_start() -> None:
    rig = fenced()
    disks = {node: host.disk for node, host in rig.hosts.items()}
    for node in list(rig.hosts):
        rig.hosts[node] = rig.boot(node, disks[node])
        rig.begin(rig.hosts[node])
    rig.host("n1").is_up = False
    rig.ran.clear()
    rig.asked.clear()
    rig.install(2)
    rig.run(15)
    assert all("reboot" not in asked for asked in rig.asked)
    rig.run(10)
    assert "n2 reboot n1" in rig.asked
    assert rig.where("n2")["dummy"] == "n2"
