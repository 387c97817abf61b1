"""Location, colocation, ordering and ticket constraints, plain and as sets."""

from __future__ import annotations

from lxml import etree
from tests.differential.drawing.chance import Chance, add
from tests.differential.drawing.resources import Drawn
from tests.differential.drawing.settings import draw_rule

ROLES = ("Started", "Master", "Slave", "Promoted", "Unpromoted", "Stopped")


def draw_constraints(chance: Chance, configuration: etree._Element, drawn: Drawn, nodes: list[tuple[str, str]]) -> None:
    """The constraints section."""
    section = add(configuration, "constraints")
    if chance.on["locations"] or chance.on["opt-in"]:
        for _ in range(chance.number(1, 5)):
            _draw_location(chance, section, drawn, nodes)
    if chance.on["opt-in"]:
        for name in drawn.tops:
            for node, _ in nodes:
                if chance.happens(0.6):
                    add(section, "rsc_location", id=chance.new_id("in"), rsc=name, node=node, score=chance.pick(("0", "10")))
    if len(drawn.tops) > 1:
        for _ in range(chance.number(1, 3) if chance.on["colocations"] else 0):
            _draw_colocation(chance, section, drawn)
        for _ in range(chance.number(1, 3) if chance.on["orders"] else 0):
            _draw_order(chance, section, drawn)
    for _ in range(chance.number(1, 3) if chance.on["tickets"] else 0):
        _draw_ticket(chance, section, drawn)


def _two(chance: Chance, drawn: Drawn) -> tuple[str, str]:
    names = drawn.names(chance)
    first = chance.pick(names)
    others = [name for name in names if name != first]
    return (first, chance.pick(others)) if others else (first, first)


def _draw_location(chance: Chance, section: etree._Element, drawn: Drawn, nodes: list[tuple[str, str]]) -> None:
    location = add(section, "rsc_location", id=chance.new_id("location"))
    if chance.may("patterns", 0.3):
        location.set("rsc-pattern", chance.pick(("rsc[12]", "^clone", "rsc.*", "(grp|rsc)1", "^nothing$")))
    elif chance.may("sets", 0.2):
        block = add(location, "resource_set", id=chance.new_id("set"))
        for name in chance.some(drawn.tops, 1, 3):
            add(block, "resource_ref", id=name)
        if chance.may("location-roles", 0.3):
            block.set("role", chance.pick(ROLES))
    else:
        location.set("rsc", chance.pick(drawn.names(chance)))
    if location.get("rsc") is not None and chance.may("location-roles", 0.3):
        location.set("role", chance.pick(ROLES))
    if chance.may("discovery", 0.4):
        location.set("resource-discovery", chance.pick(("always", "never", "exclusive")))
    if chance.may("rules", 0.5):
        location.attrib.pop("role", None)
        rule = draw_rule(chance, location, score=True)
        if chance.may("location-roles", 0.3):
            rule.set("role", chance.pick(ROLES))
    else:
        location.set("node", chance.pick(nodes)[0])
        location.set("score", chance.score())


def _draw_colocation(chance: Chance, section: etree._Element, drawn: Drawn) -> None:
    colocation = add(section, "rsc_colocation", id=chance.new_id("colocation"))
    if chance.happens(0.95):
        colocation.set("score", chance.pick(("INFINITY", "INFINITY", "-INFINITY", chance.score())))
    if chance.may("sets", 0.35) and len(drawn.tops) > 1:
        for names in _split(chance, chance.some(drawn.tops, 2, 4)):
            block = add(colocation, "resource_set", id=chance.new_id("set"))
            for name in names:
                add(block, "resource_ref", id=name)
            if chance.happens(0.3):
                block.set("sequential", chance.pick(("true", "false")))
            if chance.may("colocation-roles", 0.3):
                block.set("role", chance.pick(ROLES[:5]))
            if chance.happens(0.15):
                block.set("score", chance.score())
        return
    dependent, primary = _two(chance, drawn)
    colocation.set("rsc", dependent)
    colocation.set("with-rsc", primary)
    if chance.may("colocation-roles", 0.35):
        colocation.set("rsc-role", chance.pick(ROLES))
    if chance.may("colocation-roles", 0.35):
        colocation.set("with-rsc-role", chance.pick(ROLES))
    if chance.may("node-attribute", 0.5):
        colocation.set("node-attribute", "rack")
    if chance.may("influence", 0.5):
        colocation.set("influence", chance.pick(("true", "false")))


def _split(chance: Chance, names: list[str]) -> list[list[str]]:
    where = chance.number(1, len(names))
    return [part for part in (names[:where], names[where:]) if part]


def _draw_order(chance: Chance, section: etree._Element, drawn: Drawn) -> None:
    order = add(section, "rsc_order", id=chance.new_id("order"))
    if chance.happens(0.75):
        order.set("kind", chance.pick(("Mandatory", "Mandatory", "Optional", "Serialize")))
    elif chance.happens(0.3):
        order.set("score", chance.pick(("0", "INFINITY")))
    if order.get("kind") != "Serialize" and chance.happens(0.3):
        order.set("symmetrical", chance.pick(("true", "false", "false")))
    if chance.may("sets", 0.35) and len(drawn.tops) > 1:
        for names in _split(chance, chance.some(drawn.tops, 2, 4)):
            block = add(order, "resource_set", id=chance.new_id("set"))
            for name in names:
                add(block, "resource_ref", id=name)
            if chance.happens(0.5):
                block.set("sequential", chance.pick(("true", "false", "false")))
                if block.get("sequential") == "false" and chance.happens(0.5):
                    block.set("require-all", chance.pick(("true", "false")))
            if chance.may("order-actions", 0.3):
                block.set("action", chance.pick(("start", "stop", "promote", "demote")))
        return
    first, then = _two(chance, drawn)
    order.set("first", first)
    order.set("then", then)
    if chance.may("order-actions", 0.4):
        order.set("first-action", chance.pick(("start", "stop", "promote", "demote")))
    if chance.may("order-actions", 0.4):
        order.set("then-action", chance.pick(("start", "stop", "promote", "demote")))
    if chance.happens(0.15):
        order.set("require-all", chance.pick(("true", "false")))


def _draw_ticket(chance: Chance, section: etree._Element, drawn: Drawn) -> None:
    ticket = add(section, "rsc_ticket", id=chance.new_id("ticket"), ticket=chance.pick(("north", "south")))
    ticket.set("loss-policy", chance.pick(("stop", "demote", "freeze", *(("fence",) if chance.on["fencing"] else ()))))
    if chance.may("sets", 0.25):
        block = add(ticket, "resource_set", id=chance.new_id("set"))
        for name in chance.some(drawn.tops, 1, 3):
            add(block, "resource_ref", id=name)
        if chance.happens(0.3):
            block.set("role", chance.pick(ROLES[:5]))
        return
    ticket.set("rsc", chance.pick(drawn.names(chance)))
    if chance.happens(0.4):
        ticket.set("rsc-role", chance.pick(ROLES[:5]))
