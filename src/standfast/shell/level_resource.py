"""`crm resource`: what people do to resources, each as one change of the live configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from standfast.base.report import Refused, error
from standfast.compat.crm.document import Configuration
from standfast.shell import attributes, placement
from standfast.shell.cluster import no_such_node, no_such_resource
from standfast.shell.command import Call, Level, command, usage_refused
from standfast.shell.words import without, without_output

FAIL_COUNT_MAX = 1_000_000
_SET_USAGE = "{0} RSC set NAME VALUE\n{0} RSC delete NAME\n{0} RSC show NAME"


class ResourceLevel(Level):
    """The level `resource`."""

    name = "resource"

    # ---- looking -----------------------------------------------------------------------------------------------------

    @command("status [RSC...]", "show resources, or where they run", "show", "list", completes=("resource",))
    def do_status(self, call: Call) -> bool:
        """All as crm_resource --list prints them, or those named as --locate does."""
        words, form = without_output(call.words)
        if form == "json" or self.session.options.wants_json:
            found = self.session.cluster.resources()
            for name in words:
                self._exists(name, [str(item["id"]).partition(":")[0] for item in found])
            self.session.write_json([item for item in found if not words or str(item["id"]).partition(":")[0] in words])
            return True
        if words:
            return self._locate(words)
        from standfast.api.status import situation_from_json
        from standfast.compat.status_page import View
        from standfast.compat.status_resources import resources_section

        situation = situation_from_json(self.session.cluster.status()["situation"])
        self.session.output.write("\n".join(resources_section(situation, View())))
        return True

    @command("locate RSC...", "show on which nodes resources run", completes=("resource",))
    def do_locate(self, call: Call) -> bool:
        """In crm_resource's words."""
        return self._locate(self._named(call, "locate RSC..."))

    def _locate(self, names: Sequence[str]) -> bool:
        for name in names:
            nodes = self.session.cluster.nodes_of(name)
            for node in nodes:
                self.session.output.write(f"resource {name} is running on: {node}")
            if not nodes:
                self.session.output.write(f"resource {name} is NOT running")
        return True

    @command("constraints RSC", "show the constraints that name a resource", completes=("resource",))
    def do_constraints(self, call: Call) -> bool:
        """Locations and colocations as crm_resource -a prints them, orders and tickets as statements."""
        from standfast.shell.constraint_text import constraint_lines

        (name,) = self._exactly(call, 1, "constraints RSC")
        configuration = self.session.cluster.configuration()
        attributes.resource(configuration, name)
        self.session.output.write("\n".join(constraint_lines(configuration, name)))
        return True

    @command(
        "why RSC [--at TIME] [full]",
        "say why a resource runs where it runs, or nowhere, and what would change that",
        completes=("resource",),
    )
    def do_why(self, call: Call) -> bool:
        """TIME: 03:12, 2026-11-22T03:12, 20m (ago): the decision that held then, where this node made it. full: every score."""
        from standfast.shell.foresight import why

        words, form = without_output(call.words)
        words, is_full = without(words, "full", "--full")
        words, at = _option(words, "--at")
        if len(words) != 1:
            raise usage_refused("why RSC [--at TIME] [full]")
        return why(self.session, words[0], at, is_full=is_full, is_json=form == "json" or self.session.options.wants_json)

    @command("scores", "show the scheduler's scores, and utilization where it is configured")
    def do_scores(self, call: Call) -> bool:
        """As crm_simulate -sUQ prints them, for the live cluster."""
        from standfast.shell.simulation import scores

        if call.words:
            raise usage_refused("scores")
        self.session.output.write(scores(self.session))
        return True

    # ---- starting and stopping ---------------------------------------------------------------------------------------

    @command("start RSC...", "let resources run (target-role=Started)", completes=("resource",))
    def do_start(self, call: Call) -> bool:
        """What is cloned is started by its clone."""
        return self._set_meta(self._named(call, "start RSC..."), "target-role", "Started")

    @command("stop RSC...", "stop resources (target-role=Stopped)", completes=("resource",), destructive=True)
    def do_stop(self, call: Call) -> bool:
        """They stay stopped until they are started again."""
        return self._set_meta(self._named(call, "stop RSC..."), "target-role", "Stopped")

    @command("restart RSC...", "stop resources, wait, start them again", completes=("resource",), destructive=True)
    def do_restart(self, call: Call) -> bool:
        """If they do not stop, they are told to run again all the same."""
        names = self._named(call, "restart RSC...")
        self.session.output.info(f"ordering {', '.join(names)} to stop")
        if not self._set_meta(names, "target-role", "Stopped", follows=True):
            return False
        has_rested = self.session.cluster.wait()
        self.session.output.info(f"ordering {', '.join(names)} to start")
        return self._set_meta(names, "target-role", "Started", follows=True) and has_rested

    @command("promote RSC", "promote a promotable clone", completes=("resource",))
    def do_promote(self, call: Call) -> bool:
        """target-role=Promoted."""
        (name,) = self._exactly(call, 1, "promote RSC")
        return self._set_promotable(name, "Promoted")

    @command("demote RSC", "demote a promotable clone", completes=("resource",), destructive=True)
    def do_demote(self, call: Call) -> bool:
        """target-role=Unpromoted."""
        (name,) = self._exactly(call, 1, "demote RSC")
        return self._set_promotable(name, "Unpromoted")

    @command("manage RSC...", "let the cluster start, stop and recover resources", completes=("resource",))
    def do_manage(self, call: Call) -> bool:
        """is-managed=true."""
        return self._set_meta(self._named(call, "manage RSC..."), "is-managed", "true")

    @command("unmanage RSC...", "keep the cluster's hands off resources; they are still monitored", completes=("resource",))
    def do_unmanage(self, call: Call) -> bool:
        """is-managed=false."""
        return self._set_meta(self._named(call, "unmanage RSC..."), "is-managed", "false")

    @command("maintenance RSC [on|off]", "maintenance: hands off, and no monitors", completes=("resource", "on_off"))
    def do_maintenance(self, call: Call) -> bool:
        """maintenance=true or false."""
        usage = "maintenance RSC [on|off|true|false]"
        if not 1 <= len(call.words) <= 2 or (
            len(call.words) == 2 and call.words[1].lower() not in ("on", "off", "true", "false")
        ):
            raise usage_refused(usage)
        value = "false" if len(call.words) == 2 and call.words[1].lower() in ("off", "false") else "true"
        return self._set_meta(call.words[:1], "maintenance", value)

    # ---- placing -----------------------------------------------------------------------------------------------------

    @command(
        "move RSC [NODE] [LIFETIME] [force]",
        "move a resource, to NODE or off where it is",
        "migrate",
        completes=("resource", "node"),
    )
    def do_move(self, call: Call) -> bool:
        """Writes cli-prefer-RSC, or without a node cli-ban-RSC-on-NODE; says that it stays, and how to be rid of it."""
        configuration, name, node, lifetime = self._placing(call, "move RSC [NODE] [LIFETIME] [force]")
        until = self._until(lifetime)
        if not node:
            return self._ban(name, self._only_node_of(name, call.words[0]), until)
        nodes = self.session.cluster.nodes_of(name)
        if (
            nodes == (node,)
            and not self.session.options.is_forced
            and not self._is_preferred_elsewhere(configuration, name, node)
        ):
            why = f"{name} is running on {node}"
            raise Refused(error("shell.there-already", "Requested item already exists", why, f"crm resource locate {name}"))
        done = self.session.change(lambda document: _ignore(placement.prefer(document, name, node, until)), follows=True)
        self.session.output.info(f"Move constraint created for {name} to {node}")
        self._say_that_it_stays(name, f"cli-prefer-{name}", until)
        return done and self._has_arrived(name, node)

    @command("ban RSC [NODE] [LIFETIME] [force]", "keep a resource off a node", completes=("resource", "node"), destructive=True)
    def do_ban(self, call: Call) -> bool:
        """Writes cli-ban-RSC-on-NODE."""
        _, name, node, lifetime = self._placing(call, "ban RSC [NODE] [LIFETIME] [force]")
        return self._ban(name, node or self._only_node_of(name, call.words[0]), self._until(lifetime))

    @command(
        "clear RSC [NODE]", "remove what move and ban have left", "unmove", "unmigrate", "unban", completes=("resource", "node")
    )
    def do_clear(self, call: Call) -> bool:
        """Nothing to remove is no error."""
        if not 1 <= len(call.words) <= 2:
            raise usage_refused("clear RSC [NODE]")
        configuration = self.session.cluster.configuration()
        name = placement.movable(configuration, call.words[0])
        node = self._node(configuration, call.words[1]) if len(call.words) == 2 else ""
        names = dict.fromkeys((name, call.words[0]))
        gone: list[str] = []

        def alter(document: Configuration) -> None:
            gone[:] = [ident for each in names for ident in placement.clear(document, each, node)]

        done = self.session.change(alter, follows=True)
        if gone:
            self.session.output.info(f"Removed migration constraints for {call.words[0]}: {', '.join(gone)}")
        else:
            self.session.output.info(f"there were no migration constraints for {call.words[0]}")
        return done

    # ---- failures ----------------------------------------------------------------------------------------------------

    @command("cleanup [RSC] [NODE] [force]", "forget failures, and look again", completes=("resource", "node"))
    def do_cleanup(self, call: Call) -> bool:
        """Only of resources that failed."""
        return self._forget(call, refresh=False)

    @command("refresh [RSC] [NODE] [force]", "forget all history, and look again", "reprobe", completes=("resource", "node"))
    def do_refresh(self, call: Call) -> bool:
        """Of all resources, failed or not."""
        return self._forget(call, refresh=True)

    @command(
        "failcount RSC show NODE\nfailcount RSC set NODE VALUE\nfailcount RSC delete NODE",
        "show or change a fail count",
        completes=("resource", "attribute_verb", "node"),
    )
    def do_failcount(self, call: Call) -> bool:
        """The fail counts of all operations together, as crm_failcount counts them."""
        words = call.words
        if len(words) < 3 or words[1] not in ("show", "set", "delete") or (words[1] == "set") != (len(words) == 4):
            raise usage_refused("failcount RSC show|delete NODE | failcount RSC set NODE VALUE")
        from standfast.shell import transient

        root = self.session.cluster.cib()
        configuration = Configuration(root)
        attributes.resource(configuration, words[0])
        node_id = attributes.node(configuration, words[2]).get("id") or ""
        if words[1] == "show":
            value = transient.fail_count(root, node_id, words[0])
            text = "INFINITY" if value >= FAIL_COUNT_MAX else str(value)
            self.session.output.write(f"scope=status  name=fail-count-{words[0]} value={text}")
            return True
        if words[1] == "delete":
            self.session.cluster.call("resource.cleanup", resource=words[0], node=words[2])
            return True
        if not words[3].isdigit():
            raise Refused(error("shell.usage", f"{words[3]!r} is not a number"))
        return self.session.change_status(transient.set_fail_count(root, node_id, words[0], int(words[3])))

    # ---- attributes --------------------------------------------------------------------------------------------------

    @command(_SET_USAGE.format("param"), "set, delete or show a parameter", completes=("resource", "attribute_verb"))
    def do_param(self, call: Call) -> bool:
        """Instance attributes."""
        return self._attribute(call, attributes.PARAM)

    @command(_SET_USAGE.format("meta"), "set, delete or show a meta attribute", completes=("resource", "attribute_verb"))
    def do_meta(self, call: Call) -> bool:
        """Meta attributes."""
        return self._attribute(call, attributes.META)

    @command(_SET_USAGE.format("utilization"), "set, delete or show a utilization", completes=("resource", "attribute_verb"))
    def do_utilization(self, call: Call) -> bool:
        """Utilization attributes."""
        return self._attribute(call, attributes.UTILIZATION)

    def _attribute(self, call: Call, place: attributes.Place) -> bool:
        words = call.words
        if len(words) < 3 or words[1] not in ("set", "delete", "show", "get") or (words[1] == "set") != (len(words) == 4):
            raise usage_refused(_SET_USAGE.format(call.name).replace("\n", " | "))
        name, verb, key = words[:3]
        if verb in ("show", "get"):
            value = attributes.get(attributes.resource(self.session.cluster.configuration(), name), place, key)
            if value is None:
                raise attributes.missing(f"configure show {name}", key, name)
            self.session.output.write(value)
            return True
        lines: list[str] = []

        def alter(configuration: Configuration) -> None:
            element = attributes.resource(configuration, name)
            if verb == "set":
                pair = attributes.put(configuration, element, place, key, words[3])
                holder = pair.getparent()
                ident = holder.get("id") if holder is not None else ""
                lines[:] = [f"Set '{name}' option: id={pair.get('id')} set={ident} name={key} value={words[3]}"]
            else:
                gone = attributes.remove(element, place, key)
                lines[:] = [f"Deleted '{name}' option: id={gone.get('id')} name={key}"] if gone is not None else []

        done = self.session.change(alter)
        self.session.output.write("\n".join(lines) or f"Attribute '{key}' not found for '{name}'")
        return done

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def _named(self, call: Call, usage: str) -> tuple[str, ...]:
        if not call.words:
            raise usage_refused(usage, "Expected at least one resource as argument")
        return call.words

    def _exactly(self, call: Call, count: int, usage: str) -> tuple[str, ...]:
        if len(call.words) != count:
            raise usage_refused(usage)
        return call.words

    def _exists(self, name: str, known: Sequence[str]) -> None:
        if name not in known:
            raise no_such_resource(name)

    def _set_meta(self, names: Sequence[str], attribute: str, value: str, *, follows: bool = False) -> bool:
        notes: list[str] = []

        def alter(configuration: Configuration) -> None:
            notes[:] = [note for name in names for note in attributes.put_meta_deep(configuration, name, attribute, value)]

        done = self.session.change(alter, follows=follows)
        for note in notes:
            self.session.output.info(note)
        return done

    def _set_promotable(self, name: str, role: str) -> bool:
        def alter(configuration: Configuration) -> None:
            element = attributes.resource(configuration, name)
            is_promotable = element.tag == "master" or attributes.get(element, attributes.META, "promotable") == "true"
            if not is_promotable:
                raise Refused(error("shell.not-promotable", f"{name} is not a promotable resource"))
            attributes.put(configuration, element, attributes.META, "target-role", role)

        return self.session.change(alter, follows=True)

    def _placing(self, call: Call, usage: str) -> tuple[Configuration, str, str, str]:
        """Configuration, resource to place, node and lifetime of `RSC [NODE] [LIFETIME] [force]`."""
        words, _ = without(call.words, "force")
        if not 1 <= len(words) <= 3:
            raise usage_refused(usage, "Expected a resource" if not words else "")
        configuration = self.session.cluster.configuration()
        name = placement.movable(configuration, words[0])
        rest = words[1:]
        lifetime = rest.pop() if rest and placement.is_lifetime(rest[-1]) and rest[-1] not in configuration.node_names() else ""
        if len(rest) > 1:
            raise usage_refused(usage, f"{rest[1]!r} is not a lifetime such as PT5M")
        return configuration, name, self._node(configuration, rest[0]) if rest else "", lifetime

    def _node(self, configuration: Configuration, name: str) -> str:
        for known in configuration.node_names():
            if known.lower() == name.lower():
                return known
        raise no_such_node(name)

    def _until(self, lifetime: str) -> str:
        if not lifetime:
            return ""
        until = placement.end_of(lifetime, int(self.session.now_s()))
        self.session.output.write(f"Migration will take effect until: {until}")
        return until

    def _only_node_of(self, name: str, given: str) -> str:
        nodes = self.session.cluster.nodes_of(name)
        if len(nodes) != 1:
            what = f"Resource '{given}' not moved: active in {len(nodes)} locations."
            raise Refused(error("shell.no-place", what, "", f"name a node: crm resource ban {given} NODE"))
        return nodes[0]

    def _is_preferred_elsewhere(self, configuration: Configuration, name: str, node: str) -> bool:
        found = configuration.find(f"cli-prefer-{name}")
        return found is not None and found.element.get("node") != node

    def _ban(self, name: str, node: str, until: str) -> bool:
        self.session.output.warn(
            f"Creating rsc_location constraint 'cli-ban-{name}-on-{node}' with a score of -INFINITY"
            f" for resource {name} on {node}.\n"
            f"\tThis will prevent {name} from running on {node} until the constraint is removed using the clear option"
            " or by editing the CIB with an appropriate tool\n"
            f"\tThis will be the case even if {node} is the last node in the cluster"
        )
        done = self.session.change(lambda document: _ignore(placement.ban(document, name, node, until)), follows=True)
        self.session.output.info(f"Ban constraint created for {name} to {node}")
        self._say_that_it_stays(name, f"cli-ban-{name}-on-{node}", until)
        return done

    def _say_that_it_stays(self, name: str, ident: str, until: str) -> None:
        stays = f"holds until {until}" if until else "stays until it is removed"
        self.session.output.info(f"the constraint {ident} {stays}. Use `crm resource clear {name}` to remove this constraint")

    def _has_arrived(self, name: str, node: str) -> bool:
        """After a move that was waited for: say where the resource is now."""
        if not self.session.is_watched(follows=True):
            return True
        nodes = self.session.cluster.nodes_of(name)
        if node in nodes:
            self.session.output.info(f"{name} is running on {node}")
            return True
        where = f"it is on {', '.join(nodes)}" if nodes else "it is not running"
        self.session.output.say(
            error("shell.not-moved", f"{name} did not move to {node}", where, "crm status; crm resource scores")
        )
        return False

    def _forget(self, call: Call, *, refresh: bool) -> bool:
        words, _ = without(call.words, "force")
        if len(words) > 2:
            raise usage_refused(f"{call.name} [RSC] [NODE] [force]")
        arguments: dict[str, Any] = {"refresh": refresh}
        if words:
            arguments["resource"] = words[0]
        if len(words) == 2:
            arguments["node"] = words[1]
        cleaned: list[Sequence[str]] = []
        done = self.session.follow(
            lambda: cleaned.extend(self.session.cluster.call("resource.cleanup", **arguments).get("cleaned", [])), follows=True
        )
        for resource, node in cleaned:
            self.session.output.write(f"Cleaned up {resource} on {node}")
        if not cleaned:
            self.session.output.write("There was nothing to clean up")
        return done


def _ignore(_value: object) -> None:
    """For functions whose answer is of no use here."""


def _option(words: Sequence[str], name: str) -> tuple[list[str], str]:
    """The words without `NAME VALUE` (or `NAME=VALUE`), and the value ("" when it is not there)."""
    left: list[str] = []
    value = ""
    rest = iter(words)
    for word in rest:
        if word == name:
            value = next(rest, "")
            if not value:
                raise Refused(error("shell.usage", f"{name} needs a value"), exit_code=64)
        elif word.startswith(f"{name}="):
            value = word.removeprefix(f"{name}=")
        else:
            left.append(word)
    return left, value
