"""corosync.conf to ClusterConfig: every key checked, every error of the file told at once, every oddity said in one line.

Owns: what keys mean together. Does not own: the grammar (tree.py), the table (keys.py), the check of a single key (walk.py), the
nodelist (nodes.py). Pure: a name in the nodelist is resolved by the caller's `resolve`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

from standfast.base.report import Refused, Report
from standfast.config import model
from standfast.config.nodes import Resolve, read_nodelist
from standfast.config.tree import REPORTS_MAX, Item, Section, read_tree
from standfast.config.walk import Context, Sections

EXIT_CONFIG = 78  # EX_CONFIG, as Pacemaker's tools say it


def parse_config(data: bytes | str, file: str = "corosync.conf", resolve: Resolve | None = None) -> model.ClusterConfig:
    """Read a whole corosync.conf (at most 1 MiB). `resolve(name, ip_version)` gives the address of a host name, or None.

    Raises Refused (exit code 78) with every error of the file, in the order of its lines.
    """
    tree, faults = read_tree(data, file)
    context = Context(file, is_whole=not faults)
    context.errors.extend(faults)
    if not tree.items and not faults:
        context.missing("empty", "the file is empty", "", "write totem { } and nodelist { }: see the manual", 1)
    sections = Sections(context, tree)
    totem = _totem(context, tree, sections)
    nodes = read_nodelist(context, tree, totem, resolve)
    totem = replace(totem, links=_links(context, tree, totem, nodes))
    config = model.ClusterConfig(
        totem=totem,
        nodelist=nodes,
        quorum=_quorum(context, tree, sections),
        logging=_logging(context, tree, sections),
        system=_system(sections),
        own=_own(context, tree, sections),
        users=tuple(sections.texts("uidgid", "uid")),
        groups=tuple(sections.texts("uidgid", "gid")),
        unknown=tuple(context.unknown),
        tree=tree,
        notices=tuple(sorted(context.notices, key=_place)),
    )
    if context.errors:
        raise Refused(*sorted(context.errors, key=_place)[:REPORTS_MAX], exit_code=EXIT_CONFIG)
    config.check()
    return config


def _place(report: Report) -> tuple[int, int]:
    """Order of reports: by line, then column."""
    _, line, column = report.where.rsplit(":", 2)
    return int(line), int(column)


def _totem(context: Context, tree: Section, sections: Sections) -> model.TotemConfig:
    first = next(tree.sections("totem"), None)
    if first is None:
        context.missing("no-totem", "there is no section totem { }", "", "add: totem { version: 2 ... }, each on its line", 1)
    elif "totem.version" not in sections.values and not any(
        key.key == "version" for part in tree.sections("totem") for key in part.pairs()
    ):
        context.missing(
            "no-version",
            "totem.version is missing",
            "only version 2 of the format is known",
            "add the line version: 2",
            first.line,
            first.column,
        )
    transport = sections.text("totem.transport", "knet")
    if transport != "knet":
        item, _ = sections.values["totem.transport"][-1]
        what = f"transport: {transport} is accepted: nodes talk over sealed UDP unicast (encrypted with the authkey)"
        context.say("transport", what, item.line, item.key_column)
    default = model.TotemConfig()
    return model.TotemConfig(
        cluster_name=sections.text("totem.cluster_name", ""),
        config_version=sections.number("totem.config_version", 0),
        transport=transport,
        token_ms=sections.number("totem.token", default.token_ms),
        token_coefficient_ms=sections.number("totem.token_coefficient", default.token_coefficient_ms),
        token_warning_percent=sections.number("totem.token_warning", default.token_warning_percent),
        ip_version=sections.text("totem.ip_version", "ipv4" if transport == "udp" else "ipv6-4"),
        ip_dscp=sections.number("totem.ip_dscp", 0),
        keyfile=sections.text("totem.keyfile", default.keyfile),
        key=sections.text("totem.key", ""),
        link_mode=sections.text("totem.link_mode", default.link_mode),
        netmtu=sections.number("totem.netmtu", 0),
        clear_node_high_bit=sections.switch("totem.clear_node_high_bit", default=False),
        block_unlisted_ips=sections.switch("totem.block_unlisted_ips", default=True),
    )


def _links(
    context: Context, tree: Section, totem: model.TotemConfig, nodes: tuple[model.NodeConfig, ...]
) -> tuple[model.LinkConfig, ...]:
    """Every link of the nodelist, with what the interface sections say of it. A second section of one link adds to the first."""
    numbers = sorted({link for node in nodes for link, _ in node.addresses}) or [0]
    links = {number: model.LinkConfig(number, model.PORT_FIRST + number) for number in numbers}
    for section in (part for whole in tree.sections("totem") for part in whole.sections("interface")):
        keys = {item.key: item for item in section.pairs()}
        number = _plain(keys.get("linknumber"), 0)
        link = links.get(number)
        if link is None:
            if nodes:
                what, why = f"the interface section of link {number} is not used", f"no node has a ring{number}_addr"
                context.say("interface-unused", what, section.line, section.column, why)
            continue
        bind = keys["bindnetaddr"].value if "bindnetaddr" in keys else link.bindnetaddr
        if "bindnetaddr" in keys and nodes:
            item = keys["bindnetaddr"]
            what = "totem.interface.bindnetaddr has no effect: the address of the nodelist is bound"
            context.say("no-effect", what, item.line, item.key_column)
        port, priority = _plain(keys.get("mcastport"), link.port), _plain(keys.get("knet_link_priority"), link.priority)
        links[number] = model.LinkConfig(number, port, bind, priority)
    by_port: dict[int, int] = {}
    for link in links.values():
        other = by_port.setdefault(link.port, link.number)
        if other != link.number and _share_address(nodes, other, link.number):
            what = f"links {other} and {link.number} have the same port {link.port} and the same address"
            context.wrong("port", what, "", "give one of them another mcastport", 1)
    if totem.transport != "knet" and len(links) > 1:
        line, column = _ring_place(tree)
        what = f"{len(links)} links with transport: {totem.transport}"
        context.wrong(
            "links",
            what,
            "only knet has more than one link",
            "write transport: knet, or remove the other ringN_addr",
            line,
            column,
        )
    return tuple(links[number] for number in numbers)


def _share_address(nodes: tuple[model.NodeConfig, ...], one: int, other: int) -> bool:
    return any(node.address(one) == node.address(other) for node in nodes)


def _ring_place(tree: Section) -> tuple[int, int]:
    """Where the first address of a further link stands."""
    for node in (part for whole in tree.sections("nodelist") for part in whole.sections("node")):
        for item in node.pairs():
            if item.key.startswith("ring") and item.key != "ring0_addr":
                return item.line, item.key_column
    return 1, 1


def _plain(item: Item | None, default: int) -> int:
    """A number that was checked already; the default where it is missing or was refused."""
    return int(item.value) if item is not None and item.value.isdecimal() and item.value.isascii() else default


def _quorum(context: Context, tree: Section, sections: Sections) -> model.QuorumConfig:
    two_node = sections.switch("quorum.two_node", default=False)
    breaker = sections.text("quorum.auto_tie_breaker_node", "lowest")
    if breaker not in {"lowest", "highest"} and not all(word.isdecimal() for word in breaker.split()):
        item, _ = sections.values["quorum.auto_tie_breaker_node"][-1]
        why = "it must be lowest, highest, or node ids parted by blanks"
        context.wrong("value", f"quorum.auto_tie_breaker_node cannot be {breaker!r}", why, "", item.line, item.value_column)
    return model.QuorumConfig(
        provider=sections.text("quorum.provider", ""),
        expected_votes=sections.number_or_none("quorum.expected_votes"),
        two_node=two_node,
        wait_for_all=sections.switch("quorum.wait_for_all", default=two_node),
        auto_tie_breaker=sections.switch("quorum.auto_tie_breaker", default=False),
        auto_tie_breaker_node=breaker,
        last_man_standing=sections.switch("quorum.last_man_standing", default=False),
        last_man_standing_window_ms=sections.number("quorum.last_man_standing_window", 10_000),
        allow_downscale=sections.switch("quorum.allow_downscale", default=False),
        expected_votes_tracking=sections.switch("quorum.expected_votes_tracking", default=False),
        device=_device(context, tree, sections),
    )


def _device(context: Context, tree: Section, sections: Sections) -> model.DeviceConfig | None:
    section = next((part for whole in tree.sections("quorum") for part in whole.sections("device")), None)
    if section is None:
        return None
    kind = sections.text("quorum.device.model", "")
    if not kind:
        remedy = "add model: net, or model: openstack"
        context.wrong("device", "quorum.device has no model", "", remedy, section.line, section.column)
    elif kind == "openstack":
        _openstack_device(context, tree, section, sections)
    elif not sections.text("quorum.device.net.host", ""):
        context.wrong(
            "device",
            "quorum.device.net has no host",
            "",
            "add net { host: ADDRESS }, each on its line",
            section.line,
            section.column,
        )
    inner = "quorum.device."
    settings = tuple(
        (path.removeprefix(inner), found[-1][0].value) for path, found in sections.values.items() if path.startswith(inner)
    )
    return model.DeviceConfig(
        model=kind,
        votes=sections.number_or_none("quorum.device.votes"),
        timeout_ms=sections.number("quorum.device.timeout", 10_000),
        sync_timeout_ms=sections.number("quorum.device.sync_timeout", 30_000),
        master_wins=sections.switch("quorum.device.master_wins", default=False),
        settings=settings,
    )


def _openstack_device(context: Context, tree: Section, section: Section, sections: Sections) -> None:
    """What the third opinion needs: two nodes, and where its lock is."""
    place = section.line, section.column
    for name in ("cloud", "network", "address"):
        if not sections.text(f"quorum.device.openstack.{name}", ""):
            remedy = f"add openstack {{ {name}: ... }}, each on its line"
            context.wrong("device", f"quorum.device.openstack has no {name}", "", remedy, *place)
    address = sections.text("quorum.device.openstack.address", "")
    try:
        ip_address(address or "::")
    except ValueError:
        context.wrong("device", f"quorum.device.openstack.address {address!r} is no address", "", "", *place)
    engine = sections.text("standfast.engine", "embedded")
    if engine != "embedded":
        why = f"engine: {engine} has its own idea of quorum"
        context.wrong("device", "model: openstack needs engine: embedded", why, "remove one of the two", *place)
    nodes = sum(len(list(whole.sections("node"))) for whole in tree.sections("nodelist"))
    if nodes != 2:
        why = f"the nodelist has {nodes}; with three nodes or more the majority needs no third opinion"
        context.wrong("device", "model: openstack is for two nodes", why, "remove quorum.device", *place)


def _logging(context: Context, tree: Section, sections: Sections) -> model.LoggingConfig:
    general = model.LogTarget()
    for section in tree.sections("logging"):
        general = _target(section, general)
    _needs_file(context, tree, general)
    subsystems: list[tuple[str, model.LogTarget]] = []
    daemons: list[tuple[str, str, model.LogTarget]] = []
    for section in (part for whole in tree.sections("logging") for part in whole.sections()):
        keys = {item.key: item.value for item in section.pairs()}
        subsystem = keys.get("subsys", "").upper()
        needed = {"logger_subsys": "subsys", "logging_daemon": "name"}.get(section.name)
        if needed is None:
            continue
        if not keys.get(needed):
            what = f"logging.{section.name} has no {needed}"
            context.wrong("logging", what, "", f"add {needed}: NAME", section.line, section.column)
        target = _target(section, general)
        if section.name == "logger_subsys":
            subsystems.append((subsystem, target))
        else:
            daemons.append((keys.get("name", ""), subsystem, target))
    return model.LoggingConfig(general, sections.text("logging.timestamp", "hires"), tuple(subsystems), tuple(daemons))


def _needs_file(context: Context, tree: Section, target: model.LogTarget) -> None:
    section = next(tree.sections("logging"), None)
    if section is None or not target.to_logfile:
        return
    if not target.logfile:
        what = "logging.to_logfile is on, and logging.logfile is missing"
        context.wrong("logging", what, "", "add logfile: /var/log/corosync/corosync.log", section.line, section.column)
    elif not target.logfile.startswith("/"):
        # Of several logging sections the last that names a file counts, whichever switched it on.
        item = [item for part in tree.sections("logging") for item in part.pairs() if item.key == "logfile"][-1]
        context.wrong(
            "logging",
            "logging.logfile is not an absolute path",
            repr(target.logfile),
            "start it with /",
            item.line,
            item.value_column,
        )


_SWITCHED: Mapping[str, str] = {
    "to_stderr": "to_stderr",
    "to_logfile": "to_logfile",
    "to_file": "to_logfile",
    "to_syslog": "to_syslog",
}
_WORDED: Mapping[str, str] = {
    "logfile": "logfile",
    "logfile_priority": "logfile_priority",
    "syslog_facility": "syslog_facility",
    "syslog_priority": "syslog_priority",
    "syslog_level": "syslog_priority",
    "debug": "debug",
}


def _target(section: Section, base: model.LogTarget) -> model.LogTarget:
    """`base` with what a logging section changes; values were checked by the walk."""
    switched = {_SWITCHED[item.key]: item.value in {"yes", "on"} for item in section.pairs() if item.key in _SWITCHED}
    worded = {_WORDED[item.key]: item.value for item in section.pairs() if item.key in _WORDED}
    return replace(base, **switched, **worded)  # type: ignore[arg-type]


def _system(sections: Sections) -> model.SystemConfig:
    return model.SystemConfig(
        sched_rr=sections.switch("system.sched_rr", default=True),
        priority=sections.text("system.priority", "max"),
        watchdog_device=sections.text("resources.watchdog_device", "off"),
        watchdog_timeout_s=sections.number("resources.watchdog_timeout", 6),
    )


def _own(context: Context, tree: Section, sections: Sections) -> model.OwnConfig:
    engine = sections.text("standfast.engine", "embedded")
    return model.OwnConfig(
        engine=engine,
        silence_floor_ms=sections.number("standfast.silence_floor_ms", model.SILENCE_FLOOR_MS),
        lease_ms=sections.number("standfast.lease_ms", model.LEASE_MS),
        lease_given_ms=sections.number_or_none("standfast.lease_ms"),
        etcd=_etcd(context, tree, sections, is_used=engine == "etcd"),
    )


def _etcd(context: Context, tree: Section, sections: Sections, *, is_used: bool) -> model.EtcdConfig:
    endpoints = tuple(
        part.strip().rstrip("/") for part in sections.text("standfast.etcd.endpoints", "").split(",") if part.strip()
    )
    own = next(iter(tree.sections("standfast")), tree)
    remedy = "add to standfast { etcd { endpoints: https://192.0.2.1:2379, https://192.0.2.2:2379 } }"
    if is_used and not endpoints:
        context.wrong("etcd", "engine: etcd, and standfast.etcd.endpoints is missing", "", remedy, own.line, own.column)
    for endpoint in endpoints:
        scheme, _, place = endpoint.partition("://")
        host, _, port = place.rpartition(":")
        if scheme not in {"http", "https"} or not host or not port.isdecimal() or not 0 < int(port) < 65_536 or "/" in place:
            what = f"standfast.etcd.endpoints: {endpoint!r} is not http://HOST:PORT or https://HOST:PORT"
            context.wrong("etcd", what, "", remedy, own.line, own.column)
    config = model.EtcdConfig(
        endpoints=endpoints,
        prefix=(sections.text("standfast.etcd.prefix", "") or f"/standfast/{sections.text('totem.cluster_name', '')}").rstrip(
            "/"
        ),
        ttl_s=sections.number("standfast.etcd.ttl", 5),
        ca_file=sections.text("standfast.etcd.ca_file", ""),
        cert_file=sections.text("standfast.etcd.cert_file", ""),
        key_file=sections.text("standfast.etcd.key_file", ""),
        user=sections.text("standfast.etcd.user", ""),
        password_file=sections.text("standfast.etcd.password_file", ""),
    )
    if is_used and bool(config.user) != bool(config.password_file):
        what = "standfast.etcd: user and password_file belong together"
        context.wrong("etcd", what, "", "give both, or neither", own.line, own.column)
    if is_used and bool(config.cert_file) != bool(config.key_file):
        what = "standfast.etcd: cert_file and key_file belong together"
        context.wrong("etcd", what, "", "give both, or neither", own.line, own.column)
    return config
