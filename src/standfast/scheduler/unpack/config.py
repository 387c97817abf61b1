"""Cluster options: read with rules, checked, and turned into what the phases ask for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from standfast.base.report import error, notice, warning
from standfast.scheduler.memory import Cluster, QuorumPolicy
from standfast.scheduler.placement.scores import parse_score
from standfast.scheduler.rules import Subject, nvpairs
from standfast.scheduler.values import (
    CHOICES,
    INT_MAX,
    OPTIONS,
    OTHER_OPTIONS,
    interval_ms,
    is_true,
    parse_bool,
    parse_int,
    parse_ms,
)

if TYPE_CHECKING:
    from lxml import etree


DEPRECATED = {
    "enable-startup-probes": " Use a location constraint with resource-discovery=never instead to disable probes where desired.",
    "concurrent-fencing": "",
    "stop-removed-resources": "",
    "cancel-removed-actions": "",
}
"""Options that will behave as true one day, and what to do instead."""


def unpack_config(cluster: Cluster) -> None:
    """Fill `cluster.options` (every known option, by its 3.x name) and the flags derived from them."""
    root = cluster.root
    cluster.quorate = is_true(root.get("have-quorum"))
    configuration = root.find("configuration")
    if configuration is not None:
        cluster.rsc_defaults = list(configuration.iterchildren("rsc_defaults"))[:1]
        cluster.op_defaults = list(configuration.iterchildren("op_defaults"))[:1]
        nvpairs(
            cluster,
            configuration.find("crm_config"),
            "cluster_property_set",
            Subject(),
            cluster.raw_options,
            first_id="cib-bootstrap-options",
        )
    for name, (old_names, default, kind) in OPTIONS.items():
        value = next((cluster.raw_options[n] for n in (name, *old_names) if n in cluster.raw_options), None)
        cluster.options[name] = _checked(cluster, name, value, default, kind)
    for kind, names in OTHER_OPTIONS.items():
        for name in names:
            if name in cluster.raw_options:
                _checked(cluster, name, cluster.raw_options[name], "", kind)
    cluster.unfencing = configuration is not None and _unfencing(configuration)
    _derive(cluster)
    for name, hint in DEPRECATED.items():
        if not cluster.flag(name):
            what = f"Support for the {name} cluster property is deprecated and will be removed (and behave as true)"
            cluster.tell(warning("scheduler.deprecated", f"{what} in a future release.{hint}"))
    _derive_policy(cluster)
    _derive_health(cluster)
    if not cluster.quorate and cluster.policy != QuorumPolicy.IGNORE:
        cluster.tell(warning("scheduler.no-quorum", "Fencing and resource management disabled due to lack of quorum"))


def _unfencing(configuration: etree._Element) -> bool:
    """Whether unfencing is spoken of at all, in any resource or in the defaults (templates, rules, references apart)."""
    pairs = (*configuration.iterfind("resources//meta_attributes/nvpair"), *configuration.iterfind("rsc_defaults/*/nvpair"))
    return any(pair.get("name") in ("provides", "requires") and pair.get("value") == "unfencing" for pair in pairs)


def _checked(cluster: Cluster, name: str, value: str | None, default: str, kind: str) -> str:
    if value is None:
        return default
    valid = {
        "bool": parse_bool(value) is not None,
        "integer": _is_int(value, -INT_MAX - 1),
        "count": _is_int(value, 1),
        "percentage": re.match(r"\s*\d+%$", value, re.ASCII) is not None,
        "score": parse_score(value) is not None,
        "interval": value.startswith("P") or parse_ms(value) is not None,
        "text": True,
    }.get(kind)
    if valid is None:
        valid = value.lower() in CHOICES[kind]
    if not valid:
        what = f"Using default value for cluster option '{name}' because '{value}' is invalid"
        cluster.tell(error("scheduler.option", what, f"it counts as '{default}'" if default else ""))
        return default
    if kind == "bool":
        return "true" if is_true(value) else "false"
    return value.lower() if kind in CHOICES else value


def _is_int(text: str, least: int) -> bool:
    number = parse_int(text)
    return number is not None and least <= number <= INT_MAX


def _derive(cluster: Cluster) -> None:
    cluster.fencing_enabled = cluster.flag("fencing-enabled")
    cluster.have_fencing = cluster.flag("have-watchdog")
    cluster.symmetric = cluster.flag("symmetric-cluster")
    cluster.in_maintenance = cluster.flag("maintenance-mode")
    cluster.stop_all = cluster.flag("stop-all-resources")
    cluster.probe_resources = cluster.flag("enable-startup-probes")
    cluster.startup_fencing = cluster.fencing_enabled and cluster.flag("startup-fencing")
    cluster.stop_removed = cluster.flag("stop-removed-resources")
    cluster.cancel_removed = cluster.flag("cancel-removed-actions")
    cluster.start_failure_fatal = cluster.flag("start-failure-is-fatal")
    cluster.concurrent_fencing = cluster.flag("concurrent-fencing")
    cluster.shutdown_lock = cluster.flag("shutdown-lock")
    cluster.shutdown_lock_ms = interval_ms(cluster.option("shutdown-lock-limit")) if cluster.shutdown_lock else 0
    cluster.node_pending_ms = interval_ms(cluster.option("node-pending-timeout"))
    cluster.fence_remote_without_quorum = cluster.flag("fence-remote-without-quorum")
    action = cluster.option("fencing-action")
    cluster.fencing_action = action
    if action == "poweroff":
        cluster.fencing_action = "off"
        what = (
            "Support for fencing-action of 'poweroff' is deprecated and will be removed in a future release (use 'off' instead)"
        )
        cluster.tell(warning("scheduler.deprecated", what))


def _derive_policy(cluster: Cluster) -> None:
    value = cluster.option("no-quorum-policy")
    cluster.policy = {
        "ignore": QuorumPolicy.IGNORE,
        "freeze": QuorumPolicy.FREEZE,
        "demote": QuorumPolicy.DEMOTE,
        "fence": QuorumPolicy.FENCE,
        "suicide": QuorumPolicy.FENCE,
    }.get(value, QuorumPolicy.STOP)
    if cluster.policy != QuorumPolicy.FENCE:
        return
    if not cluster.fencing_enabled:
        cluster.tell(error("scheduler.quorum-policy", "Resetting no-quorum-policy to 'stop' because fencing is disabled"))
        cluster.policy = QuorumPolicy.STOP
    elif not cluster.quorate and (parse_int(cluster.root.get("no-quorum-panic")) or 0) == 0:
        cluster.tell(notice("scheduler.quorum-policy", "no-quorum-policy is reset to 'stop'", "the cluster has never had quorum"))
        cluster.policy = QuorumPolicy.STOP


def _derive_health(cluster: Cluster) -> None:
    strategy = cluster.option("node-health-strategy")
    if strategy in ("progressive", "custom"):
        scores = {colour: parse_score(cluster.option(f"node-health-{colour}")) or 0 for colour in ("red", "yellow", "green")}
    else:
        ban = -1_000_000
        scores = {
            "red": ban if strategy != "none" else 0,
            "yellow": ban if strategy == "only-green" else 0,
            "green": 0,
        }
    cluster.health_scores = scores
