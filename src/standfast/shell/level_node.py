"""`crm node`: what people do to nodes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lxml import etree

from standfast.compat.crm.document import Configuration
from standfast.compat.crm.format_attributes import Style, attribute
from standfast.shell import attributes, transient
from standfast.shell.cluster import no_such_node
from standfast.shell.command import Call, Level, command, usage_refused
from standfast.shell.words import without, without_output

LIFETIMES = ("reboot", "forever")
_SET_USAGE = "{0} NODE set NAME VALUE\n{0} NODE delete NAME\n{0} NODE show NAME"


class NodeLevel(Level):
    """The level `node`."""

    name = "node"

    @command("show [NODE]", "show the nodes and their attributes", "list", completes=("node",))
    def do_show(self, call: Call) -> bool:
        """`NAME(ID): member`, attributes on lines of their own; offline nodes are marked."""
        words, form = without_output(call.words)
        root = self.session.cluster.cib()
        configuration = Configuration(root)
        wanted = [self._name(configuration, name) for name in words] or sorted(configuration.node_names())
        shown = [self._describe(root, configuration, name) for name in wanted]
        if form == "json" or self.session.options.wants_json:
            self.session.write_json(shown)
            return True
        for node in shown:
            head = node["name"] if node["name"] == node["id"] else f"{node['name']}({node['id']})"
            self.session.output.write(f"{head}: {node['type']}{'' if node['online'] else '(offline)'}")
            for line in node["lines"]:
                self.session.output.write(f"\t{line}")
        return True

    @command(
        "standby [NODE|--all] [reboot|forever]", "let no resource run on a node", completes=("node", "lifetime"), destructive=True
    )
    def do_standby(self, call: Call) -> bool:
        """Resources move away. `reboot`: until the node leaves the cluster."""
        words, _ = without(call.words, "--all")
        lifetime = words.pop() if words and words[-1] in LIFETIMES else "forever"
        names = self._wanted(words, is_all=len(words) < len(call.words) and "--all" in call.words)
        if lifetime == "reboot":
            root = self.session.cluster.cib()
            ids = [attributes.node(Configuration(root), name).get("id") or "" for name in names]
            steps = [step for ident in ids for step in transient.put(root, ident, "standby", "on")]
            done = self.session.follow(lambda: _ignore(self.session.cluster.apply(steps)), follows=True)
        else:
            done = self.session.change(lambda document: _put_all(document, names, "standby", "on"), follows=True)
        for name in names:
            self.session.output.info(f"standby node {name}")
        return done

    @command("online [NODE|--all]", "let resources run on a node again", completes=("node",))
    def do_online(self, call: Call) -> bool:
        """Undoes standby, whatever its lifetime was."""
        words, is_all = without(call.words, "--all")
        names = self._wanted(words, is_all=is_all)
        root = self.session.cluster.cib()
        document = Configuration(root)
        ids = [attributes.node(document, name).get("id") or "" for name in names]
        steps = [step for ident in ids for step in transient.remove(root, ident, "standby")]

        def act() -> None:
            if steps:
                self.session.cluster.apply(steps)

        def alter(configuration: Configuration) -> None:
            for name in names:
                if attributes.get(attributes.node(configuration, name), attributes.PARAM, "standby") not in (None, "off"):
                    attributes.put_node(configuration, name, "standby", "off")

        act()
        done = self.session.change(alter, follows=True)
        for name in names:
            self.session.output.info(f"online node {name}")
        return done

    @command("maintenance [NODE]", "keep the cluster's hands off everything on a node", completes=("node",))
    def do_maintenance(self, call: Call) -> bool:
        """maintenance=true."""
        names = self._wanted(call.words)
        return self.session.change(lambda document: _put_all(document, names, "maintenance", "true"))

    @command("ready [NODE]", "end the maintenance of a node", completes=("node",))
    def do_ready(self, call: Call) -> bool:
        """maintenance=off."""
        names = self._wanted(call.words)
        return self.session.change(lambda document: _put_all(document, names, "maintenance", "off"))

    @command("delete NODE", "remove a node that is gone for good", completes=("node",), destructive=True)
    def do_delete(self, call: Call) -> bool:
        """From the configuration and the status; an active node is refused by the cluster."""
        if len(call.words) != 1:
            raise usage_refused("delete NODE")
        self.session.cluster.call("node.forget", node=call.words[0])
        self.session.output.info(f"node {call.words[0]} deleted")
        return True

    @command("fence NODE", "turn a node off and on again, by its fencing device", completes=("node",), destructive=True)
    def do_fence(self, call: Call) -> bool:
        """Done when the device says so; what ran there starts elsewhere."""
        if len(call.words) != 1:
            raise usage_refused("fence NODE")
        done = self.session.cluster.call("fence", node=call.words[0], action="reboot", client="crm")
        self.session.output.info(f"node {call.words[0]} was fenced by {done.get('delegate', '')}")
        return True

    @command("clearstate NODE", "say that a node is known to be down", completes=("node",), destructive=True)
    def do_clearstate(self, call: Call) -> bool:
        """What ran there starts elsewhere. Only for a node that you know to be off: nothing checks it."""
        if len(call.words) != 1:
            raise usage_refused("clearstate NODE")
        self.session.cluster.call("fence.confirm", node=call.words[0], client="crm")
        self.session.output.info(f"node {call.words[0]} is taken as down")
        return True

    @command(_SET_USAGE.format("attribute"), "set, delete or show a permanent attribute", completes=("node", "attribute_verb"))
    def do_attribute(self, call: Call) -> bool:
        """In the configuration."""
        return self._permanent(call, attributes.PARAM, "nodes")

    @command(_SET_USAGE.format("utilization"), "set, delete or show a capacity", completes=("node", "attribute_verb"))
    def do_utilization(self, call: Call) -> bool:
        """In the configuration."""
        return self._permanent(call, attributes.UTILIZATION, "utilization")

    @command(_SET_USAGE.format("status-attr"), "set, delete or show a transient attribute", completes=("node", "attribute_verb"))
    def do_status_attr(self, call: Call) -> bool:
        """In the status: gone when the node leaves."""
        name, verb, key, value = self._set_words(call)
        root = self.session.cluster.cib()
        ident = attributes.node(Configuration(root), name).get("id") or ""
        if verb == "show":
            found = transient.get(root, ident, key)
            if found is None:
                raise attributes.missing("status attributes", key, name)
            self.session.output.write(f"scope=status  name={key} value={found}")
            return True
        steps = transient.put(root, ident, key, value) if verb == "set" else transient.remove(root, ident, key)
        return self.session.change_status(steps) if steps else True

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def _permanent(self, call: Call, place: attributes.Place, scope: str) -> bool:
        name, verb, key, value = self._set_words(call)
        if verb == "show":
            found = attributes.get(attributes.node(self.session.cluster.configuration(), name), place, key)
            if found is None:
                raise attributes.missing(f"node show {name}", key, name)
            self.session.output.write(f"scope={scope}  name={key} value={found}")
            return True
        lines: list[str] = []

        def alter(configuration: Configuration) -> None:
            if verb == "set":
                attributes.put_node(configuration, name, key, value, place)
                return
            gone = attributes.remove(attributes.node(configuration, name), place, key)
            lines[:] = [f"Deleted nodes attribute: id={gone.get('id')} name={key}"] if gone is not None else []

        done = self.session.change(alter)
        self.session.output.write("\n".join(lines))
        return done

    def _set_words(self, call: Call) -> tuple[str, str, str, str]:
        words = call.words
        if len(words) < 3 or words[1] not in ("set", "delete", "show") or (words[1] == "set") != (len(words) == 4):
            raise usage_refused(_SET_USAGE.format(call.name).replace("\n", " | "))
        return words[0], words[1], words[2], words[3] if len(words) == 4 else ""

    def _wanted(self, words: Sequence[str], *, is_all: bool = False) -> list[str]:
        """The nodes named; all; or this one."""
        configuration = self.session.cluster.configuration()
        if is_all:
            return list(configuration.node_names())
        local = words or [str(self.session.cluster.status()["local_node"]) or os.uname().nodename]
        return [self._name(configuration, name) for name in local]

    def _name(self, configuration: Configuration, name: str) -> str:
        for known in configuration.node_names():
            if known.lower() == name.lower():
                return known
        found = configuration.find_node(name)
        if found is None:
            raise no_such_node(name)
        return found.name

    def _describe(self, root: etree._Element, configuration: Configuration, name: str) -> dict[str, Any]:
        found = configuration.find_node(name)
        assert found is not None
        element = found.element
        state = next((state for state in root.iterfind("status/node_state") if state.get("uname") == name), None)
        other = {str(k): str(v) for k, v in element.attrib.items() if k not in ("id", "uname", "type")}
        sets = element.findall("instance_attributes")
        lines = [f"{key}: {value}" for key, value in other.items()]
        lines += [" ".join(attribute(pair, Style()) for pair in each.iterchildren("nvpair")) for each in sets]
        return {
            "name": name,
            "id": found.ident,
            "type": element.get("type") or "member",
            "online": state is None or state.get("crmd") != "offline",
            "attributes": {
                pair.get("name") or "": pair.get("value") or "" for each in sets for pair in each.iterchildren("nvpair")
            },
            "transient": {pair.get("name") or "": pair.get("value") or "" for pair in transient.pairs_of(root, found.ident)},
            "lines": [line for line in lines if line],
        }


def _put_all(configuration: Configuration, names: Sequence[str], key: str, value: str) -> None:
    for name in names:
        attributes.put_node(configuration, name, key, value)


def _ignore(_value: object) -> None:
    """For functions whose answer is of no use here."""
