"""Configurations with something wrong in them: one fault each, so that a missing or a wrong sentence points at its cause.

`CASES` maps a name to a whole CIB. Many are not possible while a schema is in force: `validate-with="none"` lets them in.
The line breaks matter: messages of ours name lines.
"""

from __future__ import annotations

NODES = '<node id="1" uname="n1"/><node id="2" uname="n2"/>'
A = '<primitive id="a" class="ocf" provider="pacemaker" type="Dummy"/>'
B = '<primitive id="b" class="ocf" provider="pacemaker" type="Dummy"/>'
FENCER = '<primitive id="f" class="stonith" type="fence_dummy"/>'
STATUS = "".join(
    f'<node_state id="{i}" uname="n{i}" in_ccm="true" crmd="online" join="member" expected="member">'
    f'<lrm id="{i}"><lrm_resources>@{i}@</lrm_resources></lrm></node_state>'
    for i in (1, 2)
)


def cib(
    *,
    options: str = "fencing-enabled=false",
    nodes: str = NODES,
    resources: str = A + B,
    constraints: str = "",
    rest: str = "",
    history: str = "",
    status: str = STATUS,
    schema: str = "pacemaker-3.9",
    attributes: str = 'have-quorum="1"',
    config: str = "",
) -> str:
    """A CIB of two nodes that are online. `options` is NAME=VALUE, separated by spaces; `history` is of n1."""
    pairs = "".join(
        '<nvpair id="o-{0}" name="{0}" value="{1}"/>'.format(*option.split("=", 1)) for option in options.split() if option
    )
    settings = config or f'<cluster_property_set id="opts">{pairs}</cluster_property_set>'
    return "\n".join(
        (
            f'<cib crm_feature_set="3.19.0" validate-with="{schema}" admin_epoch="0" epoch="1" num_updates="0" {attributes}>',
            "<configuration>",
            f"<crm_config>{settings}</crm_config>",
            f"<nodes>{nodes}</nodes>",
            f"<resources>{resources}</resources>",
            f"<constraints>{constraints}</constraints>",
            rest,
            "</configuration>",
            f"<status>{status.replace('@1@', history).replace('@2@', '')}</status>",
            "</cib>",
        )
    )


def primitive(
    meta: str = "", ops: str = "", name: str = "a", agent: str = 'class="ocf" provider="pacemaker" type="Dummy"'
) -> str:
    """A primitive with meta-attributes NAME=VALUE and operations."""
    inside = attributes("meta_attributes", f"{name}-meta", meta) + (f"<operations>{ops}</operations>" if ops else "")
    return f'<primitive id="{name}" {agent}>{inside}</primitive>'


def attributes(tag: str, name: str, pairs: str, rule: str = "", more: str = "") -> str:
    """A set of name-value pairs, or nothing."""
    if not pairs:
        return ""
    made = "".join('<nvpair id="{2}-{0}" name="{0}" value="{1}"/>'.format(*pair.split("=", 1), name) for pair in pairs.split(" "))
    return f'<{tag} id="{name}"{more}>{rule}{made}</{tag}>'


def clone(meta: str = "", inside: str = A, name: str = "c") -> str:
    """A clone with meta-attributes."""
    return f'<clone id="{name}">{attributes("meta_attributes", f"{name}-meta", meta)}{inside}</clone>'


def group(meta: str = "", inside: str = A + B, name: str = "g") -> str:
    """A group with meta-attributes."""
    return f'<group id="{name}">{attributes("meta_attributes", f"{name}-meta", meta)}{inside}</group>'


def op(name: str, interval: str = "0", more: str = "", op_id: str = "") -> str:
    """An operation."""
    return f'<op id="{op_id or name + interval}" name="{name}" interval="{interval}" {more}/>'


def resource_set(members: str, name: str = "s", more: str = "") -> str:
    """A resource set of these members."""
    return (
        f'<resource_set id="{name}" {more}>' + "".join(f'<resource_ref id="{m}"/>' for m in members.split()) + "</resource_set>"
    )


LOOSE = 'sequential="false"'


def rule(inside: str, more: str = 'score="INFINITY"') -> str:
    """A location constraint by rule."""
    return f'<rsc_location id="l" rsc="a"><rule id="r" {more}>{inside}</rule></rsc_location>'


def ran(
    result: str = 'rc-code="0"', name: str = "monitor", rsc: str = "a", entry: str = "", status: str = 'op-status="0"'
) -> str:
    """What happened to a resource on n1."""
    key = f"{rsc}_{name}_0"
    return (
        f'<lrm_resource id="{rsc}" class="ocf" provider="pacemaker" type="Dummy"><lrm_rsc_op id="{entry or rsc + "_last_0"}" '
        f'operation_key="{key}" operation="{name}" crm_feature_set="3.19.0" transition-key="1:1:7:0" '
        f'transition-magic="0:0;1:1:7:0" call-id="1" interval="0" op-digest="x" {status} {result} last-rc-change="1700000000"/>'
        "</lrm_resource>"
    )


def date(more: str, inside: str = "") -> str:
    """A rule with one date in it."""
    return rule(f'<date_expression id="e" {more}>{inside}</date_expression>')


def bundle(network: str = "", inside: str = A, replicas: str = "", storage: str = "") -> str:
    """A bundle around a primitive."""
    return f'<bundle id="b"><docker image="i" {replicas}/>{network}{storage}{inside}</bundle>'


def tickets(inside: str) -> str:
    """A ticket constraint."""
    return f'<rsc_ticket id="t" ticket="T" {inside}'


NONE = "none"
BAD_SCORE = 'score="x"'
STONITH = 'class="stonith" type="fence_dummy"'
LSB = 'class="lsb" type="httpd"'
PORT = '<network control-port="1"/>'
SPEC = '<date_spec id="d" {}/>'
SPAN = '<duration id="d" {}/>'
EXPRESSION = '<expression id="e" {}/>'

_OPTIONS: dict[str, str] = {
    "nothing-wrong": cib(),
    "no-status": cib().replace("<status>" + STATUS.replace("@1@", "").replace("@2@", "") + "</status>", ""),
    "option-bool": cib(options="fencing-enabled=false maintenance-mode=maybe"),
    "option-integer": cib(options="fencing-enabled=false batch-limit=many"),
    "option-score": cib(options="fencing-enabled=false node-health-base=good node-health-strategy=progressive"),
    "option-interval": cib(options="fencing-enabled=false cluster-delay=soon"),
    "option-interval-unit": cib(options="fencing-enabled=false cluster-delay=10parsecs"),
    "option-choice": cib(options="fencing-enabled=false placement-strategy=best"),
    "option-policy": cib(options="fencing-enabled=false no-quorum-policy=hope"),
    "option-policy-fence": cib(options="fencing-enabled=false no-quorum-policy=fence"),
    "option-policy-suicide": cib(options="fencing-enabled=false no-quorum-policy=suicide"),
    "option-action": cib(options="fencing-enabled=false fencing-action=explode"),
    "option-poweroff": cib(options="fencing-enabled=false fencing-action=poweroff"),
    "option-health": cib(options="fencing-enabled=false node-health-strategy=wellness"),
    "option-health-colour": cib(options="fencing-enabled=false node-health-strategy=custom node-health-red=crimson"),
    "option-unknown": cib(options="fencing-enabled=false no-such-option=1"),
    "option-empty": cib(options="fencing-enabled=false cluster-delay="),
    "option-percentage": cib(options="fencing-enabled=false load-threshold=much"),
    "option-negative": cib(options="fencing-enabled=false batch-limit=-5"),
    "option-absurd": cib(options="fencing-enabled=false batch-limit=99999999999999999999"),
    "option-migration-limit": cib(options="fencing-enabled=false migration-limit=few"),
    "option-series": cib(options="fencing-enabled=false pe-input-series-max=all"),
    "option-watchdog": cib(options="fencing-enabled=false stonith-watchdog-timeout=never"),
    "option-fencing-timeout": cib(options="fencing-enabled=false fencing-timeout=long"),
    "option-shutdown-lock": cib(options="fencing-enabled=false shutdown-lock=true shutdown-lock-limit=x"),
    "option-recheck": cib(options="fencing-enabled=false cluster-recheck-interval=sometimes"),
    "option-startup-probes": cib(options="fencing-enabled=false enable-startup-probes=false"),
    "option-concurrent": cib(options="fencing-enabled=false concurrent-fencing=false"),
    "option-removed-resources": cib(options="fencing-enabled=false stop-removed-resources=false"),
    "option-removed-actions": cib(options="fencing-enabled=false cancel-removed-actions=false"),
    "option-legacy-name": cib(options="stonith-enabled=false"),
    "option-legacy-bad": cib(options="stonith-enabled=sometimes"),
    "option-twice": cib(
        config='<cluster_property_set id="x" score="1"><nvpair id="p" name="fencing-enabled" value="false"/>'
        "</cluster_property_set>"
        '<cluster_property_set id="y" score="2"><nvpair id="q" name="fencing-enabled" value="perhaps"/></cluster_property_set>'
    ),
    "startup-fencing": cib(options="fencing-enabled=true startup-fencing=false", resources=A + B + FENCER),
    "no-fencing-device": cib(options="fencing-enabled=true"),
    "no-quorum": cib(attributes='have-quorum="0"'),
    "unclean": cib(status=""),
    "unclean-with-fencing": cib(options="fencing-enabled=true", resources=A + FENCER, status=""),
    "unclean-and-active": cib(history=ran(name="start"), status=STATUS.replace('crmd="online"', 'crmd="offline"')),
    "feature-set": cib().replace('crm_feature_set="3.19.0"', 'crm_feature_set="99.0"'),
    "schema-old": cib(schema="pacemaker-2.0"),
    "schema-unknown": cib(schema="pacemaker-99"),
    "schema-none": cib(schema=NONE),
    "schema-violated": cib(resources=A + "<what/>"),
    "schema-missing": cib().replace('validate-with="pacemaker-3.9"', ""),
    "not-a-cib": "<nib/>",
    "no-xml": "<cib>",
    "empty-cib": "<cib/>",
    "same-id": cib(resources=A + A),
    "same-id-elsewhere": cib(resources=A + B, constraints='<rsc_location id="a" rsc="b" node="n1" score="1"/>'),
    "same-id-none": cib(resources=A + A, schema=NONE),
    "same-id-node": cib(nodes=NODES + '<node id="3" uname="n1"/>'),
    "node-type": cib(nodes=NODES + '<node id="3" uname="n3" type="martian"/>', schema=NONE),
    "node-no-id": cib(nodes=NODES + '<node uname="n3"/>', schema=NONE),
    "node-score": cib(nodes=NODES + '<node id="3" uname="n3" score="good"/>', schema=NONE),
    "node-no-name": cib(nodes=NODES + '<node id="3"/>', schema=NONE),
    "node-discovery": cib(
        nodes='<node id="1" uname="n1">'
        + attributes("instance_attributes", "x", "resource-discovery-enabled=false")
        + '</node><node id="2" uname="n2"/>'
    ),
    "node-utilization": cib(
        options="fencing-enabled=false placement-strategy=utilization",
        nodes='<node id="1" uname="n1">' + attributes("utilization", "u", "cpu=many") + '</node><node id="2" uname="n2"/>',
    ),
    "node-terminate": cib(
        nodes='<node id="1" uname="n1">'
        + attributes("instance_attributes", "x", "terminate=please")
        + '</node><node id="2" uname="n2"/>'
    ),
    "node-standby": cib(
        nodes='<node id="1" uname="n1">'
        + attributes("instance_attributes", "x", "standby=perhaps maintenance=perhaps")
        + '</node><node id="2" uname="n2"/>'
    ),
    "node-health": cib(
        options="fencing-enabled=false node-health-strategy=progressive",
        nodes='<node id="1" uname="n1">'
        + attributes("instance_attributes", "x", "#health-disk=fine")
        + '</node><node id="2" uname="n2"/>',
    ),
}

_RESOURCES: dict[str, str] = {
    "target-role": cib(resources=primitive("target-role=Running")),
    "target-role-promoted": cib(resources=primitive("target-role=Promoted")),
    "target-role-master": cib(resources=primitive("target-role=Master")),
    "target-role-unpromoted": cib(resources=primitive("target-role=Unpromoted")),
    "target-role-default": cib(resources=primitive("target-role=#default")),
    "target-role-clone": cib(resources=clone("target-role=Odd")),
    "target-role-group": cib(resources=group("target-role=Odd")),
    "target-role-slave": cib(resources=clone("promotable=true target-role=Slave", A.replace("Dummy", "Stateful"))),
    "meta-default": cib(resources=primitive("resource-stickiness=#default migration-threshold=#default")),
    "meta-default-managed": cib(resources=primitive("is-managed=default target-role=default")),
    "meta-default-plain": cib(resources=primitive("resource-stickiness=default migration-threshold=default priority=default")),
    "requires": cib(resources=primitive("requires=luck")),
    "requires-fencing": cib(resources=primitive("requires=fencing")),
    "requires-unfencing": cib(resources=primitive("requires=unfencing")),
    "requires-unfencing-device": cib(
        options="fencing-enabled=true", resources=A + primitive("requires=unfencing", name="f", agent=STONITH)
    ),
    "priority": cib(resources=primitive("priority=first")),
    "stickiness": cib(resources=primitive("resource-stickiness=glue")),
    "stickiness-absurd": cib(resources=primitive("resource-stickiness=99999999999999999999")),
    "migration-threshold": cib(resources=primitive("migration-threshold=often")),
    "migration-threshold-negative": cib(resources=primitive("migration-threshold=-3")),
    "multiple-active": cib(resources=primitive("multiple-active=yes")),
    "failure-timeout": cib(resources=primitive("failure-timeout=later")),
    "failure-timeout-block": cib(
        resources=primitive("failure-timeout=10s", op("monitor", "10s", 'on-fail="block"')),
        history=ran('rc-code="1"'),
    ),
    "boolean-meta": cib(resources=primitive("is-managed=perhaps maintenance=perhaps critical=perhaps allow-migrate=perhaps")),
    "unknown-meta": cib(resources=primitive("no-such-meta=1")),
    "rsc-defaults": cib(
        rest="<rsc_defaults>" + attributes("meta_attributes", "d", "resource-stickiness=#default") + "</rsc_defaults>"
    ),
    "rsc-defaults-bad": cib(
        rest="<rsc_defaults>" + attributes("meta_attributes", "d", "resource-stickiness=x") + "</rsc_defaults>"
    ),
    "template-missing": cib(resources=A + '<primitive id="p" template="nowhere"/>'),
    "template-itself": cib(resources='<primitive id="p" template="p"/>'),
    "template-of-a-primitive": cib(resources=A + '<primitive id="p" template="a"/>'),
    "no-class-none": cib(resources='<primitive id="p"/>', schema=NONE),
    "no-id-none": cib(resources='<primitive class="ocf" provider="pacemaker" type="Dummy"/>', schema=NONE),
    "unknown-kind-none": cib(resources=A + '<thing id="x"/>', schema=NONE),
    "group-empty-none": cib(resources='<group id="g"/>', schema=NONE),
    "group-ordered": cib(resources=group("ordered=false")),
    "group-collocated": cib(resources=group("collocated=false")),
    "group-both-true": cib(resources=group("ordered=true collocated=true")),
    "group-apart-with": cib(
        resources=group("collocated=false") + FENCER.replace("stonith", "ocf").replace("type", 'provider="pacemaker" type'),
        constraints='<rsc_colocation id="k" rsc="g" with-rsc="f" score="INFINITY"/>',
    ),
    "with-group-apart": cib(
        resources=group("collocated=false") + FENCER.replace("stonith", "ocf").replace("type", 'provider="pacemaker" type'),
        constraints='<rsc_colocation id="k" rsc="f" with-rsc="g" score="INFINITY"/>',
    ),
    "clone-empty-none": cib(resources='<clone id="c"/>', schema=NONE),
    "clone-node-max": cib(resources=clone("clone-node-max=2 globally-unique=false")),
    "clone-max-odd": cib(resources=clone("clone-max=plenty clone-node-max=x")),
    "clone-lsb-unique": cib(resources=clone("globally-unique=true clone-max=2", primitive(agent=LSB))),
    "clone-lsb-promotable": cib(resources=clone("promotable=true", primitive(agent=LSB))),
    "clone-legacy-max": cib(resources=clone("promotable=true master-max=1 master-node-max=1", A.replace("Dummy", "Stateful"))),
    "clone-promoted-max": cib(resources=clone("promotable=true promoted-max=x", A.replace("Dummy", "Stateful"))),
    "clones-interleave": cib(
        resources=clone("interleave=true") + clone("globally-unique=true clone-node-max=2 clone-max=4", B, "d"),
        constraints='<rsc_colocation id="k" rsc="c" with-rsc="d" score="INFINITY"/>',
    ),
    "op-duplicate": cib(resources=primitive(ops=op("monitor", "10s", op_id="m1") + op("monitor", "10", op_id="m2"))),
    "op-recurring-start": cib(resources=primitive(ops=op("start", "10s"))),
    "op-role": cib(resources=primitive(ops=op("monitor", "10s", 'role="Busy"')), schema=NONE),
    "op-role-master": cib(
        resources=clone("promotable=true", primitive(ops=op("monitor", "10s", 'role="Master"')).replace("Dummy", "Stateful"))
    ),
    "op-on-fail": cib(resources=primitive(ops=op("monitor", "10s", 'on-fail="panic"')), schema=NONE),
    "op-on-fail-stop": cib(resources=primitive(ops=op("stop", "0", 'on-fail="stop"')), history=ran(name="start")),
    "op-on-fail-standby": cib(resources=primitive(ops=op("stop", "0", 'on-fail="standby"')), history=ran(name="start")),
    "op-on-fail-demote": cib(resources=primitive(ops=op("monitor", "10s", 'on-fail="demote"'))),
    "op-on-fail-fence": cib(resources=primitive(ops=op("monitor", "10s", 'on-fail="fence"'))),
    "op-interval-origin": cib(resources=primitive(ops=op("monitor", "10s", 'interval-origin="yesterday"')), schema=NONE),
    "op-interval": cib(resources=primitive(ops=op("monitor", "often")), schema=NONE),
    "op-timeout": cib(resources=primitive(ops=op("monitor", "10s", 'timeout="short"')), schema=NONE),
    "op-no-id": cib(resources=primitive(ops='<op name="monitor" interval="10s"/>'), schema=NONE),
    "op-defaults-rule": cib(
        rest="<op_defaults>"
        + attributes(
            "meta_attributes",
            "d",
            "timeout=10s",
            '<rule id="r" score="1"><expression id="e" attribute="x" operation="defined"/></rule>',
        )
        + "</op_defaults>"
    ),
    "utilization": cib(
        options="fencing-enabled=false placement-strategy=utilization",
        resources=A.replace("/>", ">" + attributes("utilization", "u", "cpu=lots") + "</primitive>"),
    ),
    "guest-container": cib(resources=primitive("container=nowhere"), schema=NONE),
    "bundle-no-network": cib(resources=bundle()),
    "bundle-replicas-per-host": cib(resources=bundle(PORT, replicas='replicas="2" replicas-per-host="2"')),
    "bundle-port-none": cib(resources=bundle('<network control-port="1"><port-mapping id="m"/></network>'), schema=NONE),
    "bundle-mount-none": cib(resources=bundle(PORT, storage='<storage><storage-mapping id="m"/></storage>'), schema=NONE),
    "bundle-kind-none": cib(resources='<bundle id="b"><rkt image="i"/></bundle>', schema=NONE),
    "topology-index": cib(
        resources=FENCER,
        options="fencing-enabled=true",
        rest='<fencing-topology><fencing-level id="v" target="n1" index="99" devices="f"/></fencing-topology>',
        schema=NONE,
    ),
    "topology-index-text": cib(
        resources=FENCER,
        options="fencing-enabled=true",
        rest='<fencing-topology><fencing-level id="v" target="n1" index="one" devices="f"/></fencing-topology>',
        schema=NONE,
    ),
    "topology-no-id": cib(
        resources=FENCER,
        options="fencing-enabled=true",
        rest='<fencing-topology><fencing-level target="n1" index="1" devices="f"/></fencing-topology>',
        schema=NONE,
    ),
    "topology-device": cib(
        resources=FENCER,
        options="fencing-enabled=true",
        rest='<fencing-topology><fencing-level id="v" target="n1" index="1" devices="ghost"/></fencing-topology>',
    ),
    "tag-no-id": cib(rest="<tags><tag/></tags>", schema=NONE),
    "tag-ref-no-id": cib(rest='<tags><tag id="g"><obj_ref/></tag></tags>', schema=NONE),
    "alert-no-path": cib(rest='<alerts><alert id="x"/></alerts>', schema=NONE),
    "alert-timeout": cib(
        rest='<alerts><alert id="x" path="/bin/true">' + attributes("meta_attributes", "y", "timeout=long") + "</alert></alerts>"
    ),
    "acl-role-missing": cib(
        options="fencing-enabled=false enable-acl=true",
        rest='<acls><acl_target id="joe"><role id="ghost"/></acl_target></acls>',
    ),
}

_CONSTRAINTS: dict[str, str] = {
    "location-resource": cib(constraints='<rsc_location id="l" rsc="ghost" node="n1" score="1"/>'),
    "location-node": cib(constraints='<rsc_location id="l" rsc="a" node="ghost" score="1"/>'),
    "location-score-none": cib(constraints='<rsc_location id="l" rsc="a" node="n1" score="much"/>', schema=NONE),
    "location-score-absurd": cib(constraints='<rsc_location id="l" rsc="a" node="n1" score="99999999999999999999"/>'),
    "location-score-infinite": cib(constraints='<rsc_location id="l" rsc="a" node="n1" score="+INFINITY"/>'),
    "location-role-none": cib(constraints='<rsc_location id="l" rsc="a" node="n1" score="1" role="Boss"/>', schema=NONE),
    "location-role-master": cib(constraints='<rsc_location id="l" rsc="a" node="n1" score="1" role="Master"/>'),
    "location-discovery-none": cib(
        constraints='<rsc_location id="l" rsc="a" node="n1" score="1" resource-discovery="rarely"/>', schema=NONE
    ),
    "location-pattern": cib(constraints='<rsc_location id="l" rsc-pattern="a(" node="n1" score="1"/>'),
    "location-set": cib(constraints=f'<rsc_location id="l" node="n1" score="1">{resource_set("a ghost")}</rsc_location>'),
    "location-tag-empty": cib(
        constraints='<rsc_location id="l" rsc="tg" node="n1" score="1"/>', rest='<tags><tag id="tg"/></tags>', schema=NONE
    ),
    "location-tag-dangling": cib(
        constraints='<rsc_location id="l" rsc="tg" node="n1" score="1"/>',
        rest='<tags><tag id="tg"><obj_ref id="ghost"/></tag></tags>',
    ),
    "location-no-id-none": cib(constraints='<rsc_location rsc="a" node="n1" score="1"/>', schema=NONE),
    "location-template-unused": cib(
        resources=A + '<template id="tm" class="ocf" provider="pacemaker" type="Dummy"/>',
        constraints='<rsc_location id="l" rsc="tm" node="n1" score="1"/>',
    ),
    "colocation-dependent": cib(constraints='<rsc_colocation id="k" rsc="ghost" with-rsc="a" score="1"/>'),
    "colocation-primary": cib(constraints='<rsc_colocation id="k" rsc="a" with-rsc="ghost" score="1"/>'),
    "colocation-score-none": cib(constraints='<rsc_colocation id="k" rsc="a" with-rsc="b" score="near"/>', schema=NONE),
    "colocation-influence-none": cib(
        constraints='<rsc_colocation id="k" rsc="a" with-rsc="b" score="1" influence="some"/>', schema=NONE
    ),
    "colocation-role-none": cib(
        constraints='<rsc_colocation id="k" rsc="a" with-rsc="b" score="1" rsc-role="Boss"/>', schema=NONE
    ),
    "colocation-symmetrical-none": cib(
        constraints='<rsc_colocation id="k" rsc="a" with-rsc="b" score="1" symmetrical="true"/>', schema=NONE
    ),
    "colocation-itself": cib(constraints='<rsc_colocation id="k" rsc="a" with-rsc="a" score="INFINITY"/>'),
    "colocation-loop": cib(
        constraints='<rsc_colocation id="k" rsc="a" with-rsc="b" score="INFINITY"/>'
        '<rsc_colocation id="m" rsc="b" with-rsc="a" score="INFINITY"/>'
    ),
    "colocation-loop-against": cib(
        constraints='<rsc_colocation id="k" rsc="a" with-rsc="b" score="INFINITY"/>'
        '<rsc_colocation id="m" rsc="b" with-rsc="a" score="-INFINITY"/>'
    ),
    "colocation-set": cib(constraints=f'<rsc_colocation id="k" score="1">{resource_set("a ghost b")}</rsc_colocation>'),
    "colocation-set-score-none": cib(
        constraints=f'<rsc_colocation id="k" score="1">{resource_set("a b", more=BAD_SCORE)}</rsc_colocation>',
        schema=NONE,
    ),
    "colocation-sets": cib(
        constraints=f'<rsc_colocation id="k" score="1">{resource_set("a", "s1")}{resource_set("ghost", "s2")}</rsc_colocation>'
    ),
    **{
        f"{kind.removeprefix('rsc_')}-sets-{name}": cib(
            constraints=f'<{kind} id="k" score="1">{resource_set(*one)}{resource_set(*other)}</{kind}>', schema=NONE
        )
        for kind in ("rsc_colocation", "rsc_order", "rsc_ticket")
        for name, one, other in (
            ("ghost-first", ("ghost a", "s1"), ("b", "s2")),
            ("ghost-last", ("a", "s1"), ("b ghost", "s2")),
            ("ghost-among", ("a", "s1"), ("ghost b", "s2", LOOSE)),
            ("ghost-ahead", ("ghost a", "s1", LOOSE), ("b", "s2")),
            ("ghosts", ("ghost a", "s1", LOOSE), ("b ghost", "s2", LOOSE)),
        )
    },
    "colocation-set-ordering": cib(
        constraints='<rsc_colocation id="k" score="1">' + resource_set("a b", more='ordering="listed"') + "</rsc_colocation>",
        schema=NONE,
    ),
    "colocation-two-tags": cib(
        constraints='<rsc_colocation id="k" rsc="t1" with-rsc="t2" score="1"/>',
        rest='<tags><tag id="t1"><obj_ref id="a"/></tag><tag id="t2"><obj_ref id="b"/></tag></tags>',
    ),
    "colocation-set-tag": cib(
        constraints=f'<rsc_colocation id="k" score="1">{resource_set("a tg")}</rsc_colocation>',
        rest='<tags><tag id="tg"><obj_ref id="ghost"/></tag></tags>',
    ),
    "order-first": cib(constraints='<rsc_order id="o" first="ghost" then="a"/>'),
    "order-then": cib(constraints='<rsc_order id="o" first="a" then="ghost"/>'),
    "order-no-first-none": cib(constraints='<rsc_order id="o" then="a"/>', schema=NONE),
    "order-kind-none": cib(constraints='<rsc_order id="o" first="a" then="b" kind="Perhaps"/>', schema=NONE),
    "order-score": cib(constraints='<rsc_order id="o" first="a" then="b" score="1"/>', schema=NONE),
    "order-serialize-symmetrical": cib(constraints='<rsc_order id="o" first="a" then="b" kind="Serialize" symmetrical="true"/>'),
    "order-require-all": cib(resources=clone() + B, constraints='<rsc_order id="o" first="c" then="b" require-all="false"/>'),
    "order-require-all-true": cib(resources=clone() + B, constraints='<rsc_order id="o" first="c" then="b" require-all="true"/>'),
    "order-action-none": cib(constraints='<rsc_order id="o" first="a" then="b" first-action="dance"/>', schema=NONE),
    "order-invert-none": cib(constraints='<rsc_order id="o" first="a" then="b" first-action="monitor"/>', schema=NONE),
    "order-itself": cib(constraints='<rsc_order id="o" first="a" then="a"/>'),
    "order-loop": cib(constraints='<rsc_order id="o" first="a" then="b"/><rsc_order id="p" first="b" then="a"/>'),
    "order-set": cib(constraints=f'<rsc_order id="o">{resource_set("a ghost")}</rsc_order>'),
    "order-set-tag": cib(
        constraints=f'<rsc_order id="o">{resource_set("a tg")}</rsc_order>',
        rest='<tags><tag id="tg"><obj_ref id="ghost"/></tag></tags>',
    ),
    "order-promote-plain": cib(constraints='<rsc_order id="o" first="a" first-action="promote" then="b"/>'),
    "order-instance": cib(
        resources=clone("clone-max=2") + B, constraints='<rsc_order id="o" first="c" then="b" first-instance="9"/>', schema=NONE
    ),
    "ticket-resource": cib(constraints=tickets('rsc="ghost"/>')),
    "ticket-policy": cib(constraints=tickets('rsc="a" loss-policy="fence"/>')),
    "ticket-policy-none": cib(constraints=tickets('rsc="a" loss-policy="weep"/>'), schema=NONE),
    "ticket-none": cib(constraints='<rsc_ticket id="t" rsc="a"/>', schema=NONE),
    "ticket-no-resource-none": cib(constraints='<rsc_ticket id="t" ticket="T"/>', schema=NONE),
    "ticket-role-none": cib(constraints=tickets('rsc="a" rsc-role="Boss"/>'), schema=NONE),
    "ticket-set": cib(constraints=tickets(">") + resource_set("a ghost") + "</rsc_ticket>"),
    "constraint-kind-none": cib(constraints='<rsc_friendship id="x"/>', schema=NONE),
}

_RULES: dict[str, str] = {
    "rule-score-none": cib(constraints=rule(EXPRESSION.format('attribute="x" operation="defined"'), more=""), schema=NONE),
    "rule-score-bad-none": cib(
        constraints=rule(EXPRESSION.format('attribute="x" operation="defined"'), more='score="x"'), schema=NONE
    ),
    "rule-score-attribute": cib(
        constraints=rule(EXPRESSION.format('attribute="#uname" operation="defined"'), more='score-attribute="nowhere"')
    ),
    "rule-boolean-none": cib(
        constraints=rule(EXPRESSION.format('attribute="x" operation="defined"'), more='score="1" boolean-op="nor"'), schema=NONE
    ),
    "rule-role-none": cib(
        constraints=rule(EXPRESSION.format('attribute="x" operation="defined"'), more='score="1" role="Boss"'), schema=NONE
    ),
    "rule-empty-none": cib(constraints=rule(""), schema=NONE),
    "rule-no-id-none": cib(
        constraints='<rsc_location id="l" rsc="a"><rule score="1">'
        + EXPRESSION.format('attribute="x" operation="defined"')
        + "</rule></rsc_location>",
        schema=NONE,
    ),
    "rule-reference": cib(constraints='<rsc_location id="l" rsc="a"><rule id-ref="ghost"/></rsc_location>', schema=NONE),
    "rule-condition-none": cib(constraints=rule('<weather id="w"/>'), schema=NONE),
    "expression-operation-none": cib(
        constraints=rule(EXPRESSION.format('attribute="x" operation="like" value="1"')), schema=NONE
    ),
    "expression-no-operation-none": cib(constraints=rule(EXPRESSION.format('attribute="x" value="1"')), schema=NONE),
    "expression-no-attribute-none": cib(constraints=rule(EXPRESSION.format('operation="defined"')), schema=NONE),
    "expression-no-id-none": cib(constraints=rule('<expression attribute="x" operation="defined"/>'), schema=NONE),
    "expression-no-value": cib(constraints=rule(EXPRESSION.format('attribute="x" operation="eq"'))),
    "expression-value": cib(constraints=rule(EXPRESSION.format('attribute="x" operation="defined" value="1"'))),
    "expression-type-none": cib(
        constraints=rule(EXPRESSION.format('attribute="x" operation="eq" value="1" type="odd"')), schema=NONE
    ),
    "expression-source-none": cib(
        constraints=rule(EXPRESSION.format('attribute="x" operation="eq" value="1" value-source="odd"')), schema=NONE
    ),
    "expression-number": cib(constraints=rule(EXPRESSION.format('attribute="#uname" operation="lt" value="ten" type="integer"'))),
    "date-operation-none": cib(constraints=date('operation="around" start="2020-01-01"'), schema=NONE),
    "date-start": cib(constraints=date('operation="gt" start="tomorrow"')),
    "date-start-impossible": cib(constraints=date('operation="gt" start="2023-02-30"')),
    "date-end": cib(constraints=date('operation="lt" end="2023-W60-9"')),
    "date-gt-no-start-none": cib(constraints=date('operation="gt"'), schema=NONE),
    "date-lt-no-end-none": cib(constraints=date('operation="lt"'), schema=NONE),
    "date-range-nothing-none": cib(constraints=date('operation="in_range"'), schema=NONE),
    "date-range-start": cib(constraints=date('operation="in_range" start="x" end="2030-01-01"')),
    "date-range-end": cib(constraints=date('operation="in_range" start="2020-01-01" end="x"')),
    "date-duration": cib(constraints=date('operation="in_range" start="2020-01-01"', SPAN.format('hours="many"')), schema=NONE),
    "date-duration-absurd": cib(
        constraints=date('operation="in_range" start="2020-01-01"', SPAN.format('years="99999999999999"')), schema=NONE
    ),
    "date-duration-no-id-none": cib(
        constraints=date('operation="in_range" start="2020-01-01"', '<duration hours="1"/>'), schema=NONE
    ),
    "date-spec-none": cib(constraints=date('operation="date_spec"'), schema=NONE),
    "date-spec-range": cib(constraints=date('operation="date_spec"', SPEC.format('hours="nine"')), schema=NONE),
    "date-spec-range-odd": cib(constraints=date('operation="date_spec"', SPEC.format('hours="9-x"')), schema=NONE),
    "date-spec-range-sign": cib(constraints=date('operation="date_spec"', SPEC.format('hours="+"')), schema=NONE),
    "date-spec-range-dash": cib(constraints=date('operation="date_spec"', SPEC.format('hours="-"')), schema=NONE),
    "date-spec-range-plus": cib(constraints=date('operation="date_spec"', SPEC.format('hours="+3-+4"')), schema=NONE),
    "date-spec-no-id-none": cib(constraints=date('operation="date_spec"', '<date_spec hours="9"/>'), schema=NONE),
    "date-spec-backwards": cib(constraints=date('operation="date_spec"', SPEC.format('hours="17-9"'))),
    "date-no-id-none": cib(constraints=rule('<date_expression operation="gt" start="2020-01-01"/>'), schema=NONE),
    "op-expression-interval": cib(
        rest="<op_defaults>"
        + attributes(
            "meta_attributes",
            "d",
            "timeout=10s",
            '<rule id="r" score="1"><op_expression id="e" name="monitor" interval="often"/></rule>',
        )
        + "</op_defaults>",
        schema=NONE,
    ),
    "set-reference": cib(resources=A.replace("/>", '><meta_attributes id-ref="ghost"/></primitive>')),
    "set-reference-none": cib(resources=A.replace("/>", '><meta_attributes id-ref="ghost"/></primitive>'), schema=NONE),
    "set-score-none": cib(
        resources=A.replace(
            "/>",
            ">"
            + attributes("meta_attributes", "m", "priority=1", more=' score="x"')
            + attributes("meta_attributes", "n", "priority=2", more=' score="5"')
            + "</primitive>",
        ),
        schema=NONE,
    ),
    "operations-reference-none": cib(resources=A.replace("/>", '><operations id-ref="ghost"/></primitive>'), schema=NONE),
}

_HISTORY: dict[str, str] = {
    "history-status": cib(history=ran(status='op-status="99"')),
    "history-result": cib(history=ran('rc-code="x"')),
    "history-no-operation": cib(history=ran().replace('operation="monitor"', "")),
    "history-no-id": cib(history=ran().replace('<lrm_rsc_op id="a_last_0"', "<lrm_rsc_op"), schema=NONE),
    "history-resource-no-id": cib(history=ran().replace('<lrm_resource id="a"', "<lrm_resource"), schema=NONE),
    "history-no-expected": cib(
        history=ran('rc-code="1"').replace('transition-key="1:1:7:0"', "").replace('transition-magic="0:0;1:1:7:0"', "")
    ),
    "history-failed": cib(history=ran('rc-code="1"')),
    "history-not-installed": cib(history=ran('rc-code="5"', name="start")),
    "history-removed": cib(history=ran(name="start", rsc="gone")),
    "history-duplicate": cib(
        history=ran(name="start").replace("</lrm_resource>", "") + ran(name="stop").split(">", 1)[1],
        schema=NONE,
    ),
    "history-migration": cib(history=ran(name="migrate_to")),
    "history-migration-elsewhere": cib(history=ran('rc-code="0" migrate_source="n2" migrate_target="n1"', name="migrate_to")),
    "state-no-id": cib(status=STATUS.replace('id="2" uname', "uname"), schema=NONE),
    "state-unknown-node": cib(status=STATUS + '<node_state id="9" uname="n9" crmd="online"/>'),
    "active-twice": cib(
        status=STATUS.replace("@1@", ran(name="start")).replace("@2@", ran(name="start")),
    ),
}

CASES: dict[str, str] = _OPTIONS | _RESOURCES | _CONSTRAINTS | _RULES | _HISTORY
