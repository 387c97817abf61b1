"""Cluster options, nodes with their attributes, defaults for resources and operations, and rules of all kinds."""

from __future__ import annotations

from lxml import etree
from tests.differential.drawing.chance import Chance, add, pairs

NOW_S = 1_700_000_000  # 2023-11-14 22:13:20 UTC: a Tuesday, day 318, week 46
NAMES = ("node1", "node2", "node3", "node10", "alpha", "Beta")


def draw_options(chance: Chance, config: etree._Element, fencing: bool) -> None:
    """The cluster property set."""
    values = {"stonith-enabled": "true" if fencing else "false"}
    if fencing and chance.happens(0.3):
        del values["stonith-enabled"]
    choices: tuple[tuple[str, float, tuple[str, ...]], ...] = (
        ("no-quorum-policy", 0.35, ("stop", "freeze", "ignore", "demote", *(("suicide",) if fencing else ()))),
        ("start-failure-is-fatal", 0.3, ("true", "false")),
        ("stop-orphan-resources", 0.2, ("true", "false")),
        ("stop-orphan-actions", 0.2, ("true", "false")),
        ("enable-startup-probes", 0.15, ("true", "false")),
        ("stonith-action", 0.15, ("reboot", "off")),
        ("stonith-timeout", 0.1, ("60s", "120s")),
        ("startup-fencing", 0.15, ("true", "false")),
        ("priority-fencing-delay", 0.15, ("0", "30s")),
        ("cluster-delay", 0.1, ("60s", "90")),
        ("cluster-recheck-interval", 0.1, ("5min",)),
        ("batch-limit", 0.1, ("0", "10")),
        ("migration-limit", 0.1, ("-1", "2")),
        ("cluster-name", 0.2, ("city",)),
    )
    for name, often, allowed in choices:
        if chance.may("options", often):
            values[name] = chance.pick(allowed)
    # Always said: its default is chosen when Pacemaker is built, and Debian's differs from 3.x.
    values["concurrent-fencing"] = "false" if chance.may("options", 0.2) else "true"
    if chance.on["opt-in"]:
        values["symmetric-cluster"] = "false"
    if chance.on["cluster-maintenance"]:
        values["maintenance-mode"] = "true"
    if chance.on["stop-all"]:
        values["stop-all-resources"] = "true"
    if chance.on["lock"]:
        values["shutdown-lock"] = "true"
        if chance.happens(0.5):
            values["shutdown-lock-limit"] = chance.pick(("10min", "1h"))
    if chance.on["utilization"]:
        values["placement-strategy"] = chance.pick(("default", "utilization", "balanced", "minimal"))
    if chance.on["health"]:
        values["node-health-strategy"] = chance.pick(("none", "migrate-on-red", "only-green", "progressive", "custom"))
        for name in ("node-health-base", "node-health-green", "node-health-yellow", "node-health-red"):
            if chance.happens(0.3):
                values[name] = chance.score(0.2)
    block = add(config, "cluster_property_set", id="cib-bootstrap-options")
    for name, value in values.items():
        add(block, "nvpair", id=f"cib-bootstrap-options-{name}", name=name, value=value)


def draw_nodes(chance: Chance, section: etree._Element) -> list[tuple[str, str]]:
    """The nodes; returns (name, id) of each."""
    names = chance.some(NAMES, 1, 4) if chance.happens(0.8) else chance.some(NAMES, 4, 6)
    nodes = [(name, str(number) if chance.on["options"] else f"{name}-id") for number, name in enumerate(names, 1)]
    for name, node_id in nodes:
        node = add(section, "node", id=node_id, uname=name)
        if chance.may("attributes", 0.2):
            node.set("type", "member")
        values: dict[str, str] = {}
        if chance.may("standby", 0.3):
            values["standby"] = chance.pick(("on", "true", "off"))
        if chance.may("node-maintenance", 0.3):
            values["maintenance"] = chance.pick(("true", "false"))
        if chance.on["attributes"]:
            for attribute, allowed in ATTRIBUTES:
                if chance.happens(0.5):
                    values[attribute] = chance.pick(allowed)
        pairs(chance, node, "instance_attributes", values)
        if chance.may("utilization", 0.85):
            pairs(chance, node, "utilization", {c: str(chance.number(0, 8)) for c in ("cpu", "memory") if chance.happens(0.8)})
    return nodes


ATTRIBUTES = (("rack", ("a", "b")), ("weight", ("1", "10", "9", "x")), ("version", ("1.2.10", "1.10")), ("site-name", ("north",)))


def draw_rule(chance: Chance, parent: etree._Element, score: bool, dates: bool = True, depth: int = 0) -> etree._Element:
    """A rule, possibly nested; the outermost of a location carries a score."""
    rule = add(parent, "rule", id=chance.new_id("rule"))
    if score:
        if chance.may("attributes", 0.15):
            rule.set("score-attribute", "weight")
        else:
            rule.set("score", chance.score())
    if chance.happens(0.4):
        rule.set("boolean-op", chance.pick(("and", "or")))
    for _ in range(chance.number(1, 2)):
        if dates and chance.may("dates", 0.5):
            _draw_date(chance, rule)
        elif depth == 0 and chance.happens(0.15):
            draw_rule(chance, rule, score=False, dates=dates, depth=1)
        else:
            _draw_expression(chance, rule)
    return rule


def _draw_expression(chance: Chance, rule: etree._Element) -> None:
    attribute, values = chance.pick((*ATTRIBUTES, ("#uname", NAMES), ("#kind", ("cluster",)), ("#is_dc", ("true",))))
    operation = chance.pick(("eq", "ne", "lt", "gt", "lte", "gte", "defined", "not_defined"))
    expression = add(rule, "expression", id=chance.new_id("expression"), attribute=attribute, operation=operation)
    if operation not in ("defined", "not_defined"):
        expression.set("value", chance.pick(values))
        if chance.happens(0.4):
            expression.set("type", chance.pick(("string", "integer", "number", "version")))


def _draw_date(chance: Chance, rule: etree._Element) -> None:
    operation = chance.pick(("lt", "gt", "in_range", "in_range", "date_spec"))
    date = add(rule, "date_expression", id=chance.new_id("date"), operation=operation)
    early, late = chance.pick(EARLY), chance.pick(LATE)
    if operation == "date_spec":
        name, values = chance.pick(DATE_SPECS)
        spec = add(date, "date_spec", id=chance.new_id("date_spec"))
        spec.set(name, chance.pick(values))
    elif operation == "lt":
        date.set("end", chance.pick((early, late)))
    elif operation == "gt":
        date.set("start", chance.pick((early, late)))
    elif chance.happens(0.4):
        date.set("start", chance.pick((early, late)))
        add(date, "duration", id=chance.new_id("duration")).set(chance.pick(("hours", "days", "weeks", "months")), "3")
    else:
        if chance.happens(0.8):
            date.set("start", chance.pick((early, early, late)))
            if chance.happens(0.6):
                date.set("end", late)
        else:
            date.set("end", chance.pick((early, late)))


EARLY = ("2023-11-14T22:00:00Z", "2023-01-01", "2023-W46-1", "2023-318", "2023-11-14 22:13:19Z", "20231101T000000Z")
LATE = ("2023-11-14T23:30:00Z", "2024-02-29", "2023-W50-7", "2023-360", "2023-11-14 22:13:21Z", "2023-11-15T00:00:00+02:00")
DATE_SPECS = (
    ("hours", ("22", "9-16", "20-23", "0-")), ("weekdays", ("2", "1-5", "6-7")), ("months", ("11", "1-3")),
    ("years", ("2023", "2024-", "2020-2022")), ("monthdays", ("14", "1-7")), ("yeardays", ("318", "1-100")),
    ("weeks", ("46", "1-40")), ("weekyears", ("2023",)), ("minutes", ("13", "0-10")), ("seconds", ("20", "30-")),
)  # fmt: skip


def draw_defaults(chance: Chance, configuration: etree._Element) -> None:
    """rsc_defaults and op_defaults, some of them ruled."""
    if chance.may("defaults", 0.8):
        section = add(configuration, "rsc_defaults")
        for _ in range(chance.number(1, 2)):
            values = {}
            if chance.happens(0.7):
                values["resource-stickiness"] = chance.pick(("0", "1", "100", "1000", "INFINITY"))
            if chance.happens(0.3):
                values["migration-threshold"] = chance.pick(("1", "3", "INFINITY"))
            if chance.happens(0.2):
                values["failure-timeout"] = chance.pick(("60s", "1h"))
            if chance.happens(0.1):
                values["target-role"] = chance.pick(("Started", "Stopped"))
            block = pairs(chance, section, "meta_attributes", values)
            _rule_of_defaults(chance, block, op=False)
    if chance.may("defaults", 0.5):
        section = add(configuration, "op_defaults")
        values = {"timeout": chance.pick(("30s", "1min"))}
        if chance.may("on-fail", 0.2):
            values["on-fail"] = chance.pick(("ignore", "restart", "block"))
        _rule_of_defaults(chance, pairs(chance, section, "meta_attributes", values), op=True)


def _rule_of_defaults(chance: Chance, block: etree._Element | None, op: bool) -> None:
    if block is None:
        return
    if chance.happens(0.3):
        block.set("score", str(chance.number(0, 3)))
    if not chance.may("ruled-defaults", 0.6):
        return
    rule = etree.Element("rule", id=chance.new_id("rule"))
    block.insert(0, rule)
    kind = chance.number(0, 2)
    if kind == 0 and op:
        expression = add(rule, "op_expression", id=chance.new_id("op_expression"), name=chance.pick(("monitor", "start", "stop")))
        if chance.happens(0.3):
            expression.set("interval", "10s")
    elif kind == 1:
        expression = add(rule, "rsc_expression", id=chance.new_id("rsc_expression"), class_="ocf")
        if chance.happens(0.6):
            expression.set("provider", "pacemaker")
            expression.set("type", chance.pick(("Dummy", "Stateful")))
    else:
        _draw_date(chance, rule)
