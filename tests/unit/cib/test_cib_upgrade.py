"""Old configurations become new ones: nothing is lost that had an effect, nothing stays that has none."""

from __future__ import annotations

from lxml import etree
from lxml.etree import _Element as Element

from standfast.base.report import Report
from standfast.cib.schema import conforms, version_named
from standfast.cib.upgrade import upgraded


def cib(version: str, crm_config: str = "", resources: str = "", rest: str = "") -> Element:
    return etree.fromstring(
        f'<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-{version}"><configuration>'
        f"<crm_config>{crm_config}</crm_config><nodes/><resources>{resources}</resources><constraints/>{rest}"
        "</configuration><status/></cib>"
    )


def after(root: Element) -> Element:
    before = etree.tostring(root)
    new = upgraded(root)
    assert not isinstance(new, Report), new
    assert etree.tostring(root) == before, "the old one is left alone"
    version = version_named(new.get("validate-with"))
    assert version is not None
    assert version.startswith("3.")
    assert conforms(new, version)
    return new


def pairs(root: Element, path: str) -> dict[str, str]:
    return {str(pair.get("name")): str(pair.get("value")) for pair in root.iterfind(f"configuration/{path}//nvpair")}


def test_a_new_one_is_left_as_it_is() -> None:
    root = cib("3.2")
    assert upgraded(root) is root


def test_options_are_renamed_moved_or_dropped() -> None:
    names = {
        "stonith_enabled": "false", "transition_idle_timeout": "60s", "expected-quorum-votes": "2",
        "default-action-timeout": "30s",
        "default-resource-stickiness": "100", "default_resource_failure_stickiness": "-INFINITY", "no-quorum-policy": "stop",
        "cluster-infrastructure": "cman",
    }  # fmt: skip
    block = "".join(f'<nvpair id="o-{name}" name="{name}" value="{value}"/>' for name, value in names.items())
    new = after(cib("2.10", f'<cluster_property_set id="o">{block}</cluster_property_set>'))
    assert pairs(new, "crm_config") == {"stonith-enabled": "false", "cluster-delay": "60s", "no-quorum-policy": "stop"}
    assert pairs(new, "op_defaults") == {"timeout": "30s"}
    assert pairs(new, "rsc_defaults") == {"resource-stickiness": "100", "migration-threshold": "1"}


def test_what_is_there_already_wins() -> None:
    old = '<cluster_property_set id="o"><nvpair id="o1" name="is-managed-default" value="true"/></cluster_property_set>'
    there = (
        '<rsc_defaults><meta_attributes id="d"><nvpair id="d1" name="is-managed" value="false"/></meta_attributes></rsc_defaults>'
    )
    new = after(cib("2.0", old, rest=there))
    assert pairs(new, "rsc_defaults") == {"is-managed": "false"}
    assert new.find("configuration/crm_config/cluster_property_set") is None, "nothing was left in it"


def test_requires_of_an_operation_becomes_the_resources() -> None:
    ops = (
        '<op id="s" name="start" interval="0" requires="nothing"/><op id="m" name="monitor" interval="9" requires="quorum">'
        '<instance_attributes id="i"><nvpair id="i1" name="timeout" value="7s"/></instance_attributes></op>'
    )
    primitive = f'<primitive id="p" class="stonith" type="x"><operations>{ops}</operations><instance_attributes id="pi">'
    primitive += '<nvpair id="a" name="pcmk_arg_map" value="port:plug"/><nvpair id="b" name="pcmk_off_cmd" value="off"/>'
    new = after(cib("2.3", resources=primitive + "</instance_attributes></primitive>"))
    assert pairs(new, "resources/primitive/meta_attributes") | {} == {"requires": "nothing"}
    assert pairs(new, "resources/primitive/instance_attributes") == {"pcmk_host_argument": "plug", "pcmk_off_action": "off"}
    assert pairs(new, "resources/primitive/operations") == {"timeout": "7s"}


def test_the_access_rules_of_1_2() -> None:
    acls = (
        '<acls><acl_role id="r"><read id="r1" ref="r"/><write id="r2" tag="nvpair" attribute="value"/></acl_role>'
        '<acl_user id="u"><deny id="u1" xpath="/cib" attribute="x"/></acl_user>'
        '<acl_user id="v"><role_ref id="r"/></acl_user></acls>'
    )
    new = after(cib("1.2", rest=acls))
    permissions = {item.get("id"): dict(item.attrib) for item in new.iter("acl_permission")}
    assert permissions["r1"] == {"id": "r1", "kind": "read", "reference": "r"}
    assert permissions["r2"] == {"id": "r2", "kind": "write", "object-type": "nvpair", "attribute": "value"}
    assert permissions["u1"] == {"id": "u1", "kind": "deny", "xpath": "/cib[@x]"}
    roles = {item.get("id"): [role.get("id") for role in item] for item in new.iter("acl_target")}
    assert roles == {"u": ["auto-u"], "v": ["r"]}


def test_what_cannot_be_upgraded_is_told() -> None:
    root = cib("2.10", resources='<primitive id="p" class="ocf" type="Dummy"/>')
    said = upgraded(root)
    assert isinstance(said, Report)
    assert "could not validate with any schema in range [pacemaker-3.0, pacemaker-3.10]" in said.what
    assert "provider" in said.why
