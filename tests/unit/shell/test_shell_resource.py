"""`crm resource` and `crm node` as people type them: what they say, what they write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from standfast.shell.progress import line_of

if TYPE_CHECKING:
    from tests.unit.shell.shell_rig import NOW_S, SESSION, Shell
else:
    from shell_rig import NOW_S, SESSION, Shell

CLEAR = "Use `crm resource clear ha-vip` to remove this constraint"
GROUP = (
    "primitive a Dummy\nprimitive b Dummy meta target-role=Stopped\ngroup g a b\nprimitive c Dummy\nclone cl c\ntag t ha-vip c\n"
)


def configured(text: str = SESSION, answers: tuple[str, ...] = (), **options: bool) -> Shell:
    shell = Shell(None, answers, **options)
    assert shell.file(text, "configure")[0]
    shell.session.has_ended = False
    shell.manager.requests.clear()
    return shell


def shown(shell: Shell, *names: str) -> str:
    return shell.run("configure", "show", *names)[1]


def test_start_and_stop() -> None:
    shell = configured()
    assert shell.run("resource", "stop", "ha-vip") == (True, "", "")
    assert "target-role=Stopped" in shown(shell, "ha-vip")
    assert "Stopped" in shell.run("resource", "status")[1]
    assert shell.run("resource", "start", "ha-vip")[0]
    assert shell.run("resource", "locate", "ha-vip")[1] == "resource ha-vip is running on: test-node-1\n"


def test_start_and_stop_of_members_clones_and_tags() -> None:
    shell = configured(SESSION + GROUP)
    good, _, err = shell.run("resource", "start", "g")
    assert good
    assert "INFO: b inside g keeps its own target-role=Stopped" in err
    assert shell.run("resource", "start", "b")[0]
    assert "primitive b Dummy \\\n\tmeta target-role=Started" in shown(shell, "b"), "a member has its own"
    assert shell.run("resource", "stop", "c")[0]
    assert shown(shell, "c", "cl") == "primitive c Dummy\nclone cl c \\\n\tmeta target-role=Stopped\n", "a clone is stopped whole"
    assert shell.run("resource", "stop", "t")[0]
    assert "target-role=Stopped" in shown(shell, "ha-vip")


def test_restart_waits_in_between() -> None:
    shell = configured()
    good, _, err = shell.run("resource", "restart", "ha-vip")
    assert good
    assert "ordering ha-vip to stop" in err
    assert "ordering ha-vip to start" in err
    assert [r["verb"] for r in shell.manager.requests if r["verb"] in ("cib.apply", "wait")] == ["cib.apply", "wait", "cib.apply"]
    assert "target-role=Started" in shown(shell, "ha-vip")


def test_managing() -> None:
    shell = configured()
    assert shell.run("resource", "unmanage", "ha-vip")[0]
    assert "is-managed=false" in shown(shell, "ha-vip")
    good, _, err = shell.run("resource", "maintenance", "ha-vip", "on")
    assert good
    assert "ha-vip also has is-managed=false" in err
    assert shell.run("resource", "maintenance", "ha-vip", "off")[0]
    assert shell.run("resource", "manage", "ha-vip")[0]
    assert "is-managed=true maintenance=false" in shown(shell, "ha-vip")
    assert not shell.run("resource", "maintenance", "ha-vip", "perhaps")[0]


def test_move_says_that_the_constraint_stays() -> None:
    shell = configured()
    good, out, err = shell.run("resource", "move", "ha-vip", "test-node-2")
    assert (good, out) == (True, "")
    assert err.splitlines() == [
        "INFO: Move constraint created for ha-vip to test-node-2",
        "INFO: the constraint cli-prefer-ha-vip stays until it is removed. " + CLEAR,
    ]
    assert shell.run("resource", "move", "ha-vip", "test-node-2")[2] == (
        "ERROR: resource.move: Requested item already exists: ha-vip is running on test-node-2 (crm resource locate ha-vip)\n"
    )
    assert shell.run("resource", "constraints", "ha-vip")[1].splitlines()[:2] == [
        "Locations:",
        "  * Node test-node-2 (score=INFINITY, id=cli-prefer-ha-vip, rsc=ha-vip)",
    ]
    assert shell.run("resource", "move", "ha-vip", "test-node-1")[0]
    assert len(shell.manager.tree().findall("configuration/constraints/rsc_location")) == 1, "the earlier move is replaced"


def test_move_without_a_node_bans_it_from_where_it_is() -> None:
    shell = configured()
    good, _, err = shell.run("resource", "move", "ha-vip")
    assert good
    assert "WARNING: Creating rsc_location constraint 'cli-ban-ha-vip-on-test-node-1' with a score of -INFINITY" in err
    found = shell.manager.find("constraints/rsc_location")
    assert found is not None
    wanted = {
        "id": "cli-ban-ha-vip-on-test-node-1",
        "rsc": "ha-vip",
        "role": "Started",
        "node": "test-node-1",
        "score": "-INFINITY",
    }
    assert dict(found.attrib) == wanted
    assert shell.run("resource", "locate", "ha-vip")[1] == "resource ha-vip is running on: test-node-2\n"
    assert shell.run("resource", "stop", "ha-vip")[0]
    good, _, err = shell.run("resource", "ban", "ha-vip")
    assert not good
    assert "active in 0 locations" in err


def test_lifetimes_are_those_of_crm_resource() -> None:
    shell = configured()
    good, out, err = shell.run("resource", "move", "ha-vip", "test-node-2", "PT5M")
    assert good
    assert out == "Migration will take effect until: 2026-11-18 11:11:40Z\n"
    assert "holds until 2026-11-18 11:11:40Z" in err
    assert NOW_S == 1_795_000_000
    assert shown(shell, "cli-prefer-ha-vip") == (
        "location cli-prefer-ha-vip ha-vip role=Started \\\n"
        '\trule #uname string:eq test-node-2 and date lt "2026-11-18 11:11:40Z"\n'
    )
    found = shell.manager.find("constraints/rsc_location/rule")
    assert found is not None
    assert [element.get("id") for element in found.iter()] == [
        "cli-prefer-rule-ha-vip",
        "cli-prefer-expr-ha-vip",
        "cli-prefer-lifetime-end-ha-vip",
    ]
    assert shell.run("resource", "ban", "ha-vip", "test-node-1", "P1M")[0]
    good, _, err = shell.run("resource", "unban", "ha-vip")
    assert "cli-prefer-ha-vip, cli-ban-ha-vip-on-test-node-1" in err
    assert "there were no migration constraints" in shell.run("resource", "clear", "ha-vip")[2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("move", "nosuch", "test-node-1"), "Resource 'nosuch' not found"),
        (("move", "ha-vip", "nosuch"), 'Node "nosuch" is not a cluster node'),
        (("move", "ha-vip", "test-node-2", "soon"), "is not a lifetime"),
        (("move",), "usage: move"),
        (("stop",), "Expected at least one resource"),
        (("stop", "nosuch"), "Resource 'nosuch' not found"),
        (("status", "nosuch"), "Resource 'nosuch' not found"),
        (("sto", "ha-vip"), "did you mean stop?"),
        (("strat", "ha-vip"), "did you mean start"),
        (("s", "ha-vip"), "it could be more than one"),
        (("promote", "ha-vip"), "not a promotable resource"),
        (("param", "ha-vip", "set", "ip"), "usage: param"),
        (("param", "ha-vip", "show", "zz"), "Attribute 'zz' not found for 'ha-vip'"),
        (("failcount", "ha-vip", "set", "test-node-1", "3"), "does not have one fail count"),
        (("cleanup", "a", "b", "c"), "usage: cleanup"),
    ],
)
def test_bad_input(words: tuple[str, ...], sentence: str) -> None:
    shell = configured()
    good, out, err = shell.run("resource", *words)
    assert not good
    assert out == ""
    assert sentence in err
    assert err.startswith("ERROR: resource.")
    assert "cib.apply" not in [request["verb"] for request in shell.manager.requests]


def test_what_is_in_a_clone_moves_as_the_clone() -> None:
    shell = configured(SESSION + GROUP)
    good, _, err = shell.run("resource", "ban", "c", "test-node-1")
    assert good, err
    assert shell.manager.find("constraints/rsc_location[@rsc='cl']") is not None
    assert shell.run("resource", "clear", "c")[0]
    assert shell.manager.find("constraints/rsc_location") is None


def test_waiting_shows_progress_and_where_it_went() -> None:
    shell = configured(waits=True)
    good, _, err = shell.run("resource", "move", "ha-vip", "test-node-2")
    assert good
    lines = err.splitlines()
    assert "  stop ha-vip on test-node-1 ..." in lines
    assert "  stop ha-vip on test-node-1: done" in lines
    assert lines[-1] == "INFO: ha-vip is running on test-node-2"
    assert "wait" in [request["verb"] for request in shell.manager.requests]
    shell.manager.sticks.add("ha-vip")
    good, _, err = shell.run("resource", "move", "ha-vip", "test-node-1")
    assert not good
    assert "ha-vip did not move to test-node-1: it is on test-node-2" in err


def test_attributes() -> None:
    shell = configured()
    assert (
        shell.run("resource", "meta", "ha-vip", "set", "priority", "5")[1]
        == "Set 'ha-vip' option: id=ha-vip-meta_attributes-priority set=ha-vip-meta_attributes name=priority value=5\n"
    )
    assert shell.run("resource", "meta", "ha-vip", "show", "priority")[1] == "5\n"
    assert shell.run("resource", "meta", "ha-vip", "delete", "priority")[1] == (
        "Deleted 'ha-vip' option: id=ha-vip-meta_attributes-priority name=priority\n"
    )
    assert shell.run("resource", "utilization", "ha-vip", "set", "cpu", "3")[1].startswith(
        "Set 'ha-vip' option: id=ha-vip-utilization-cpu"
    )
    assert shell.run("resource", "param", "ha-vip", "show", "ip")[1] == "172.16.0.100\n"


def test_cleanup_and_refresh() -> None:
    shell = configured()
    assert shell.run("resource", "cleanup", "ha-vip")[1] == "Cleaned up ha-vip on test-node-1\n"
    assert shell.run("resource", "refresh", "ha-vip", "test-node-1")[0]
    request = next(r for r in shell.manager.requests[::-1] if r["verb"] == "resource.cleanup")
    assert (request["resource"], request["node"], request["refresh"]) == ("ha-vip", "test-node-1", True)
    shell = configured("")
    assert shell.run("resource", "cleanup")[1] == "There was nothing to clean up\n"


def test_fail_counts() -> None:
    shell = configured()
    xml = (
        '<node_state id="2886729738"><transient_attributes id="2886729738">'
        '<instance_attributes id="status-2886729738"><nvpair id="s1" name="fail-count-ha-vip#monitor_10000" value="2"/>'
        '<nvpair id="s2" name="fail-count-ha-vip2" value="9"/></instance_attributes></transient_attributes></node_state>'
    )
    steps = [{"kind": "modify", "scope": "status", "allow_create": True, "xml": xml}]
    shell.session.cluster.apply(steps)
    assert (
        shell.run("resource", "failcount", "ha-vip", "show", "test-node-1")[1] == "scope=status  name=fail-count-ha-vip value=2\n"
    )
    assert shell.run("resource", "failcount", "ha-vip", "set", "test-node-1", "0")[0]
    assert (
        shell.run("resource", "failcount", "ha-vip", "show", "test-node-1")[1] == "scope=status  name=fail-count-ha-vip value=0\n"
    )
    assert shell.run("resource", "failcount", "ha-vip", "delete", "test-node-1")[0]


def test_status_as_json() -> None:
    value = json.loads(configured().run("resource", "status", "-o", "json")[1])
    assert value[0]["id"] == "ha-vip"
    assert value[0]["nodes"] == ["test-node-1"]


# ---- nodes -------------------------------------------------------------------------------------------------------------


def test_node_show() -> None:
    shell = configured()
    assert shell.run("node", "show")[1] == "test-node-1(2886729738): member\ntest-node-2(2886729748): member\n"
    assert shell.run("node", "standby", "test-node-1")[2] == "INFO: standby node test-node-1\n"
    assert shell.run("node", "show", "test-node-1")[1] == "test-node-1(2886729738): member\n\tstandby=on\n"
    found = shell.manager.find("nodes/node/instance_attributes")
    assert found is not None
    assert (found.get("id"), found[0].get("id")) == ("nodes-2886729738", "nodes-2886729738-standby")
    assert json.loads(shell.run("node", "show", "-o", "json")[1])[0]["attributes"] == {"standby": "on"}
    assert shell.run("node", "online", "test-node-1")[0]
    assert shell.run("node", "show", "test-node-1")[1].endswith("standby=off\n")
    assert not shell.run("node", "show", "nosuch")[0]


def test_standby_until_the_node_leaves() -> None:
    shell = configured()
    assert shell.run("node", "standby", "test-node-1", "reboot")[0]
    assert shell.manager.find("nodes/node/instance_attributes") is None
    assert "Node test-node-1: standby" in shell.run("status")[1]
    assert shell.run("node", "online", "test-node-1")[0]
    assert "standby" not in shell.run("status")[1]


def test_standby_without_a_name_is_this_node_and_all_is_all() -> None:
    shell = configured()
    assert "standby node test-node-1" in shell.run("node", "standby")[2]
    assert shell.run("node", "online", "--all")[2].count("online node") == 2
    assert shell.run("node", "standby", "--all")[2].count("standby node") == 2
    assert not shell.run("node", "standby", "nosuch")[0]
    assert not shell.run("node", "stand", "test-node-1")[0], "spelt out"


def test_node_attributes() -> None:
    shell = configured()
    assert shell.run("node", "attribute", "test-node-1", "set", "site", "a")[0]
    assert shell.run("node", "attribute", "test-node-1", "show", "site")[1] == "scope=nodes  name=site value=a\n"
    assert shell.run("node", "attribute", "test-node-1", "delete", "site")[1] == (
        "Deleted nodes attribute: id=nodes-2886729738-site name=site\n"
    )
    assert not shell.run("node", "attribute", "test-node-1", "show", "site")[0]
    assert shell.run("node", "utilization", "test-node-1", "set", "cpu", "4")[0]
    assert "utilization cpu=4" in shown(shell, "test-node-1")
    assert shell.run("node", "status-attr", "test-node-1", "set", "pingd", "100")[0]
    assert shell.run("node", "status_attr", "test-node-1", "show", "pingd")[1] == "scope=status  name=pingd value=100\n"
    assert shell.run("node", "status-attr", "test-node-1", "delete", "pingd")[0]
    assert not shell.run("node", "status-attr", "test-node-1", "show", "pingd")[0]


def test_maintenance_of_a_node() -> None:
    shell = configured()
    assert shell.run("node", "maintenance", "test-node-2")[0]
    assert "attributes maintenance=true" in shown(shell, "test-node-2")
    assert shell.run("node", "ready", "test-node-2")[0]
    assert "attributes maintenance=off" in shown(shell, "test-node-2")
    assert "node test-node-2 deleted" in shell.run("node", "delete", "test-node-2")[2]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"kind": "action", "operation": "start", "resource": "v", "node": "n", "state": "started"}, "  start v on n ..."),
        (
            {"kind": "action", "operation": "start", "resource": "v", "node": "n", "state": "done", "rc": 0},
            "  start v on n: done",
        ),
        (
            {"kind": "action", "operation": "stop", "resource": "v", "node": "n", "state": "done", "rc": 1, "reason": "busy"},
            "  stop v on n: rc 1 (busy)",
        ),
        (
            {"kind": "action", "operation": "monitor", "resource": "v", "node": "n", "state": "done", "rc": 7},
            "  probe v on n: not running",
        ),
        ({"kind": "action", "operation": "monitor", "interval_ms": 10000, "resource": "v", "node": "n", "state": "done"}, ""),
        ({"kind": "transition", "state": "aborted"}, "  the situation has changed: planned anew"),
        ({"kind": "view", "members": ["a", "b"], "quorate": False}, "  members: a b (no quorum)"),
        ({"kind": "cib"}, ""),
    ],
)
def test_lines_of_progress(event: dict[str, object], line: str) -> None:
    assert line_of(event) == line
