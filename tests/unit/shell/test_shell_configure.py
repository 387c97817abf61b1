"""`crm configure`: edits in memory, one commit, other people meanwhile, mistakes that change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standfast.cib.operations import Operation, OpKind

if TYPE_CHECKING:
    from tests.unit.shell.shell_rig import SESSION, Shell
else:
    from shell_rig import SESSION, Shell


def configured(answers: tuple[str, ...] = (), **options: bool) -> Shell:
    shell = Shell(None, answers, **options)
    assert shell.file(SESSION, "configure")[0]
    shell.session.has_ended = False
    shell.manager.requests.clear()
    return shell


def applied(shell: Shell) -> list[list[str]]:
    return [[op["kind"] for op in r["operations"]] for r in shell.manager.requests if r["verb"] == "cib.apply"]


def test_one_command_is_one_change() -> None:
    shell = configured()
    assert shell.run("configure", "primitive", "d", "Dummy", "params", "fake=a b") == (True, "", "")
    assert applied(shell) == [["create"]]
    found = shell.manager.find("resources/primitive[@id='d']//nvpair")
    assert found is not None
    assert found.get("value") == "a b"


def test_a_name_that_is_taken() -> None:
    shell = configured()
    good, _, err = shell.run("configure", "primitive", "ha-vip", "Dummy")
    assert not good
    assert "ERROR: configure: command line:1:1: ha-vip is in use already by a primitive" in err
    assert applied(shell) == []


def test_a_syntax_error_anywhere_in_a_file_applies_nothing() -> None:
    shell = configured()
    good, _, err = shell.file("primitive d Dummy\ncommit\nlocation l d 100\ngroup\n", "configure")
    assert not good
    assert "ERROR: FILE:3:14: location: SCORE: NODE or rule expected" in err
    assert "ERROR: FILE:4:6: group: an id expected" in err
    assert applied(shell) == []


def test_the_first_failure_ends_a_file() -> None:
    shell = configured()
    good, _, err = shell.file("primitive d Dummy\ndelete nosuch\nprimitive e Dummy\n", "configure")
    assert not good
    assert "ERROR: configure.delete: object nosuch does not exist" in err
    assert "INFO: stopped at FILE:2:1" in err
    assert applied(shell) == []


def test_a_file_that_walks_through_levels() -> None:
    shell = configured()
    text = "# comment\nconfigure\nprimitive d Dummy\ncommit\nup\nresource stop d\nnode\nstandby test-node-1\n"
    good, _, err = shell.file(text)
    assert good, err
    assert applied(shell) == [["create"], ["replace"], ["replace"]]


def test_delete() -> None:
    shell = configured()
    assert shell.run("configure", "primitive", "d", "Dummy", "meta", "target-role=Stopped")[0]
    assert shell.run("configure", "colocation", "c", "inf:", "d", "ha-vip")[0]
    good, _, err = shell.run("configure", "delete", "ha-vip")
    assert not good
    assert "resource ha-vip is running, can't delete it" in err
    good, _, err = shell.run("configure", "delete", "d")
    assert good
    assert "INFO: hanging colocation:c deleted" in err
    shell.session.options.is_forced = True
    good, _, err = shell.run("configure", "delete", "ha-vip")
    assert good, err
    assert "stopping ha-vip first" in err
    assert shell.manager.find("resources/primitive") is None


def test_a_resource_that_will_not_stop_is_not_deleted() -> None:
    shell = configured(is_forced=True)
    shell.manager.sticks.add("ha-vip")
    good, _, err = shell.run("configure", "delete", "ha-vip")
    assert not good
    assert "ha-vip did not stop" in err
    assert shell.manager.find("resources/primitive") is not None


OTHERS_LOCATION = '<rsc_location id="theirs" rsc="ha-vip" node="test-node-2" score="5"/>'


def test_somebody_else_changes_something_else_meanwhile() -> None:
    shell = configured()
    shell.manager.before_apply = [Operation(OpKind.CREATE, "constraints", xml=OTHERS_LOCATION)]
    good, _, err = shell.run("configure", "primitive", "d", "Dummy")
    assert good, err
    assert len(applied(shell)) == 2, "refused once, then made for the new version"
    text = shell.run("configure", "show")[1]
    assert "primitive d Dummy" in text
    assert "location theirs ha-vip 5: test-node-2" in text


def test_somebody_else_changes_the_same_meanwhile() -> None:
    shell = configured()
    primitive = '<primitive id="ha-vip" class="ocf" provider="heartbeat" type="IPaddr2"><meta_attributes id="m"/></primitive>'
    path = "/cib/configuration/resources/primitive[@id='ha-vip']"
    shell.manager.before_apply = [Operation(OpKind.REPLACE, xpath=path, xml=primitive)]
    good, _, err = shell.run("configure", "set", "ha-vip.cidr_netmask", "24")
    assert not good
    assert "changed by somebody else meanwhile: ha-vip" in err
    found = shell.manager.find("resources/primitive/meta_attributes")
    assert found is not None
    assert found.get("id") == "m", "theirs stands"


def test_resource_commands_ask_again_when_somebody_else_was_faster() -> None:
    shell = configured()
    shell.manager.before_apply = [Operation(OpKind.CREATE, "constraints", xml=OTHERS_LOCATION)]
    good, _, err = shell.run("resource", "stop", "ha-vip")
    assert good, err
    assert "target-role=Stopped" in shell.run("configure", "show", "ha-vip")[1]
    assert shell.manager.find("constraints/rsc_location[@id='theirs']") is not None


def test_errors_are_asked_about() -> None:
    shell = configured(answers=("n",))
    words = ("configure", "primitive", "v2", "IPaddr2", "params", "cidr_netmask=24")
    good, _, err = shell.run(*words)
    assert not good
    assert 'ERROR: configure: v2: required parameter "ip" is not defined' in err
    assert applied(shell) == []
    quiet = configured()
    good, _, err = quiet.run(*words)
    assert not good, "with nobody to ask, no"
    assert "nothing was committed" in err
    forced = configured(is_forced=True)
    good, _, err = forced.run(*words)
    assert good
    assert "INFO: commit forced" in err
    assert applied(forced) == [["create"]]


def test_the_same_address_twice() -> None:
    shell = configured()
    good, _, err = shell.run("configure", "primitive", "v2", "IPaddr2", "params", "ip=172.16.0.100")
    assert not good
    assert 'ERROR: configure: Resources ha-vip,v2 violate uniqueness for parameter "ip": "172.16.0.100"' in err
    assert applied(shell) == []


def test_leaving_with_changes_asks() -> None:
    shell = configured(answers=("n", "y"))
    assert shell.type("configure", "primitive d Dummy", "up")[0]
    assert shell.questions == ["There are changes pending. Do you want to commit them (y/n)? "]
    assert applied(shell) == []
    assert shell.type("configure", "primitive d Dummy", "quit")[0]
    assert applied(shell) == [["create"]]
    assert shell.session.has_ended


def test_refresh_drops_the_changes() -> None:
    shell = configured(answers=("y",))
    assert shell.type("configure", "primitive d Dummy", "refresh")[0]
    assert "primitive d" not in shell.type("show")[1]


def test_show() -> None:
    shell = configured()
    assert shell.run("configure", "show", "type:rsc_defaults")[1] == "rsc_defaults rsc-options: \\\n\tresource-stickiness=1000\n"
    assert shell.run("configure", "show", "xml", "ha-vip")[1].count("<primitive ") == 1
    assert (
        shell.run("configure", "primitive", "f", "Dummy", "params", "passwd=geheim", "fake=1", "meta", "target-role=Stopped")[0]
        is False
    )
    shell.session.options.is_forced = True
    assert shell.run("configure", "primitive", "f", "Dummy", "params", "passwd=geheim", "fake=1")[0]
    assert 'passwd="******"' in shell.run("configure", "show", "f")[1]
    assert "geheim" not in shell.run("configure", "show", "xml")[1]
    assert "geheim" not in shell.run("configure", "show", "-o", "json")[1]
    assert 'fake="******"' in shell.run("configure", "show", "f", "obscure:fak*")[1]
    good, _, err = shell.run("configure", "show", "nosuch")
    assert not good
    assert "ERROR: configure.show: object nosuch does not exist" in err


def test_show_as_json() -> None:
    value = json.loads(configured().run("configure", "show", "-o", "json")[1])
    vip = next(item for item in value["objects"] if item["id"] == "ha-vip")
    assert vip["params"]["ip"] == "172.16.0.100"
    assert vip["operations"] == [{"name": "monitor", "interval": "10s"}]
    assert vip["meta"] == {"target-role": "Started"}
    assert vip["text"].startswith("primitive ha-vip IPaddr2")
    assert value["version"].count(".") == 2


def test_save_and_load(tmp_path: Path) -> None:
    shell = configured()
    text, xml = tmp_path / "a.crm", tmp_path / "a.xml"
    assert shell.run("configure", "save", str(text))[0]
    assert shell.run("configure", "save", "xml", str(xml))[0]
    for words in (("update", str(text)), ("xml", "update", str(xml)), ("push", str(text)), ("xml", "replace", str(xml))):
        shell.manager.requests.clear()
        good, _, err = shell.run("configure", "load", *words)
        assert good, err
        assert applied(shell) == [], f"{words}: nothing differs"
    text.write_text("primitive d Dummy\n")
    good, _, err = shell.run("configure", "load", "replace", str(text))
    assert not good
    assert "resource ha-vip is running" in err
    for bad in (["update", "/nosuch"], ["merge", str(text)], ["update"], ["xml", "update", str(text)]):
        assert not shell.run("configure", "load", *bad)[0]


def test_small_edits() -> None:
    shell = configured()
    assert shell.run("configure", "set", "ha-vip.ip", "172.16.0.101")[0]
    assert shell.run("configure", "set", "ha-vip.monitor.timeout", "30s")[0]
    assert shell.run("configure", "set", "ha-vip.monitor.10s.interval", "11s")[0]
    text = shell.run("configure", "show", "ha-vip")[1]
    assert "ip=172.16.0.101" in text
    assert "op monitor interval=11s timeout=30s" in text
    assert not shell.run("configure", "set", "ha-vip.nosuch", "1")[0]
    assert not shell.run("configure", "set", "nosuch.ip", "1")[0]
    for name in "abc":
        assert shell.run("configure", "primitive", name, "Dummy")[0]
    assert shell.run("configure", "group", "g", "a", "b", "meta", "priority=5")[0]
    assert shell.run("configure", "modgroup", "g", "add", "c", "before", "b")[0]
    assert shell.run("configure", "show", "g")[1] == "group g a c b \\\n\tmeta priority=5\n"
    assert shell.run("configure", "modgroup", "g", "remove", "a")[0]
    assert shell.run("configure", "show", "g")[1] == "group g c b \\\n\tmeta priority=5\n"
    assert not shell.run("configure", "modgroup", "g", "remove", "a")[0]
    assert not shell.run("configure", "rename", "b", "bb")[0], "it runs"
    assert shell.run("resource", "stop", "g")[0]
    assert shell.run("configure", "rename", "b", "bb")[0]
    assert shell.run("configure", "show", "g")[1].startswith("group g c bb ")
    assert shell.run("configure", "get_property", "-t", "stonith-enabled", "nosuch") == (True, "false\nfalse\n", "")
    assert shell.run("configure", "get-property", "cluster-name")[1] == "test-cluster\n"


def test_erase_must_be_spelt_out_and_spares_nodes() -> None:
    shell = configured()
    assert not shell.run("configure", "era")[0]
    assert not shell.run("configure", "erase")[0], "a resource runs"
    assert shell.run("resource", "stop", "ha-vip")[0]
    assert shell.run("configure", "erase")[0]
    assert [line.split()[0] for line in shell.run("configure", "show")[1].splitlines()] == ["node", "node"]


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(path))
    monkeypatch.delenv("VISUAL", raising=False)


def test_edit_loops_until_the_text_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = tmp_path / "once"
    editor(tmp_path, monkeypatch, f'if [ ! -e {once} ]; then echo "group" >> "$1"; touch {once}; else sed -i s/^group$// "$1"; '
           'echo "primitive d Dummy" >> "$1"; fi')  # fmt: skip
    shell = configured(answers=("y",))
    good, _, err = shell.run("configure", "edit")
    assert good, err
    assert "ERROR: configure.edit: edit:" in err
    assert shell.questions == ["Edit or discard changes (yes to edit, no to discard) (y/n)? "]
    assert shell.manager.find("resources/primitive[@id='d']") is not None


def test_edit_given_up_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(tmp_path, monkeypatch, 'echo "primitive d Dummy\ngroup" >> "$1"')
    shell = configured()
    assert not shell.run("configure", "edit")[0]
    assert applied(shell) == []
    editor(tmp_path, monkeypatch, "exit 3")
    good, _, err = shell.run("configure", "edit")
    assert not good
    assert "ended with 3" in err
    monkeypatch.setenv("EDITOR", "/nosuch/editor")
    assert "cannot be started" in shell.run("configure", "edit")[2]


def test_edit_does_not_delete_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(tmp_path, monkeypatch, ': > "$1"')
    shell = configured()
    good, _, err = shell.run("configure", "edit", "ha-vip")
    assert not good
    assert "resource ha-vip is running, can't delete it" in err
    assert shell.run("resource", "stop", "ha-vip")[0]
    assert shell.run("configure", "edit", "ha-vip")[0]
    assert shell.manager.find("resources/primitive") is None


def test_verify() -> None:
    shell = configured()
    assert shell.run("configure", "verify")[0]
    shell.session.options.is_forced = True
    assert shell.run("configure", "primitive", "x", "Nosuch")[0]
    shell.session.options.is_forced = False
    good, _, err = shell.run("configure", "verify")
    assert not good
    assert "x: no such resource agent ocf:heartbeat:Nosuch" in err
    assert not shell.run("verify")[0]


def test_a_commit_that_is_not_confirmed_is_made_and_says_so() -> None:
    shell = Shell()
    what = "the change is made, but it is not confirmed that the journal of n2 holds it"
    shell.manager.remarks = [{"code": "cib.unconfirmed", "severity": "warning", "what": what, "why": "slow", "remedy": "look"}]
    good, _, err = shell.run("configure", "property", "cluster-name=one")
    assert good
    assert f"WARNING: {what}" in err
    assert shell.manager.find("crm_config/cluster_property_set/nvpair") is not None


def test_a_commit_cut_off_at_each_request_is_whole_or_not_at_all() -> None:
    """The manager stops answering at the n-th request: what is in the CIB is all of the text or nothing."""
    from standfast.base.report import Refused, error

    for fails_at in range(6):
        shell = Shell()
        count = 0
        answer = shell.manager.answer

        def cut(request: dict[str, object]) -> list[dict[str, object]]:
            nonlocal count
            count += 1
            if count > fails_at:  # noqa: B023 - called within the turn of the loop
                shell.manager.refusals[str(request["verb"])] = Refused(error("client.cut", "gone"), exit_code=102)  # noqa: B023
            return answer(request)  # noqa: B023

        shell.manager.answer = cut  # type: ignore[method-assign]
        good, _, _ = shell.file(SESSION, "configure")
        found = [shell.manager.find("resources/primitive"), shell.manager.find("rsc_defaults/meta_attributes")]
        assert good == (found[0] is not None) == (found[1] is not None)


def test_verify_tells_of_a_fence_race_where_corosync_conf_has_two_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from standfast.shell import level_corosync

    nodes = [f"node {{\n ring0_addr: host-{n}\n name: n{n}\n nodeid: {n}\n}}" for n in (1, 2)]
    quorum = "quorum {\nprovider: corosync_votequorum\ntwo_node: 1\n}\n"
    text = "totem {\nversion: 2\ncluster_name: x\n}\nnodelist {\n" + "\n".join(nodes) + "\n}\n" + quorum
    conf = tmp_path / "corosync.conf"
    monkeypatch.setattr(level_corosync, "CONFIGURATION", str(conf))
    assert not level_corosync.is_two_node(), "no file"
    conf.write_text("totem {")
    assert not level_corosync.is_two_node(), "no good file"
    conf.write_text(text)
    assert level_corosync.is_two_node()
