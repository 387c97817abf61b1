"""Digests of operations' parameters: has the definition changed since the operation ran?

op-digest is the MD5 of ` <parameters NAME="VALUE" .../>` and a newline, names sorted, CRM_meta_* left out but for the
timeout of recurring operations (Pacemaker: lib/common/digest.c, lib/pengine/pe_digest.c).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from standfast.scheduler.actions.meta import action_meta, find_config, op_params, rsc_params
from standfast.scheduler.actions.places import current_node
from standfast.scheduler.memory import Cluster, Digest, Node, Resource, op_key
from standfast.scheduler.rules import compare_versions
from standfast.scheduler.values import FEATURE_SET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standfast.scheduler.unpack.entries import HistoryEntry

_FILTERED = ("id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip")
_FENCER_PARAMS = ("host_argument", "host_map", "host_list", "host_check", "delay_max", "delay_base", "action_limit")
# What counts as private without a history that says so.
_PRIVATE = ("passwd", "password", "user")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})


def meta_name(name: str) -> str:
    """An operation's meta-attribute as executors see it."""
    return "CRM_meta_" + name.replace("-", "_")


def filtered(params: Mapping[str, str]) -> dict[str, str]:
    """What a digest covers of an operation's attributes."""
    kept = {k: v for k, v in params.items() if not k.startswith("CRM_meta") and k not in _FILTERED}
    if params.get("CRM_meta_interval", "0") not in ("", "0") and "CRM_meta_timeout" in params:
        kept["CRM_meta_timeout"] = params["CRM_meta_timeout"]
    return kept


def digest_of(params: Mapping[str, str]) -> str:
    """The op-digest of attributes that are filtered already."""
    text = "".join(f' {name}="{params[name].translate(_ESCAPES)}"' for name in sorted(params))
    return hashlib.md5(f" <parameters{text}/>\n".encode(), usedforsecurity=False).hexdigest()


def needs_host_address(cluster: Cluster, rsc: Resource) -> bool:
    """Whether a bundle's connection has no address of its own ("#uname"): its container's host stands for it."""
    return rsc.connection and rsc_params(cluster, rsc, None).get("addr", "").lower() == "#uname"


def host_address(cluster: Cluster, rsc: Resource) -> str | None:
    """The address for a connection that needs its host's: where the container will be or, if nowhere, where it is."""
    bundle = rsc.bundle()
    if bundle is None or bundle.replicas is None or not needs_host_address(cluster, rsc):
        return None
    container = next((replica.container for replica in bundle.replicas.all if replica.remote is rsc), None)
    if container is None:
        return None
    node = container.assigned or current_node(container)
    return None if node is None else node.name


def restart_digest(cluster: Cluster, entry: HistoryEntry) -> str | None:
    """The recorded digest of what needs a restart when changed. For an operation whose failure expired any but the true one: its
    definition "changed", so it is scheduled anew."""
    return "calculated-failure-timeout" if entry in cluster.expired else entry.restart_digest


def _calculate(
    cluster: Cluster, rsc: Resource, node: Node, task: str, interval: int, entry: HistoryEntry | None, *, with_secure: bool
) -> Digest:
    params = dict(rsc_params(cluster, rsc, node))
    address = host_address(cluster, rsc)
    if address is not None:
        params["addr"] = address
    config = find_config(rsc, task, interval, include_disabled=True)
    own = op_params(cluster, config, node)
    result = "restart" if interval == 0 and own else "match"
    for name, value in own.items():
        params.setdefault(name, value)
    for name, value in action_meta(cluster, rsc, node, task, interval, config).items():
        if "#" not in name and ":" not in name:
            params.setdefault(meta_name(name), value)
    everything, params = params, filtered(params)
    restart: str | None = None
    if entry is not None and restart_digest(cluster, entry) is not None:
        kept = params
        if entry.force_restart is not None:
            words = entry.force_restart.split(" ")
            kept = {k: v for k, v in params.items() if k in words}
        restart = digest_of(kept)
    secure = _secure_digest(cluster, rsc, node, entry, everything) if with_secure else None
    return Digest(result, digest_of(params), restart, secure)


def _secure_digest(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry | None, everything: dict[str, str]) -> str:
    """The digest without private parameters; before feature set 3.16 it covered the resource's own parameters only."""
    version = (None if entry is None else entry.feature_set) or cluster.root.get("crm_feature_set") or FEATURE_SET
    old = compare_versions(version, "3.16.0") < 0
    params = dict(rsc_params(cluster, rsc, node)) if old else dict(everything)
    for name in _PRIVATE if entry is None else (entry.secure_params or "").split(" "):
        params.pop(name, None)
    if old and rsc.meta.get("class") == "stonith":
        params = {k: v for k, v in params.items() if not _is_fencer_param(k)}
    params = filtered(params)
    if old:
        params.pop("CRM_meta_timeout", None)
    return digest_of(params)


def _is_fencer_param(name: str) -> bool:
    """Parameters that the fencer, not the agent, looks at."""
    if name in ("provides", "stonith-timeout"):
        return True
    if not name.startswith("pcmk_"):
        return False
    return name[5:] in _FENCER_PARAMS or name[5:].rpartition("_")[2] in ("action", "timeout", "retries")


def only_private_changed(entry: HistoryEntry, digest: Digest) -> bool:
    """Whether all that differs in a saved CIB is what was blanked when it was saved."""
    return digest.result != "match" and entry.secure_digest is not None and digest.secure == entry.secure_digest


def compare_digest(cluster: Cluster, rsc: Resource, node: Node, entry: HistoryEntry) -> Digest:
    """Compare an entry's recorded digests with those of today's configuration; `result` of the answer tells."""
    key = op_key(rsc.id, entry.task, entry.interval_ms)
    digest = node.digests.get(key)
    if digest is None:
        digest = _calculate(cluster, rsc, node, entry.task, entry.interval_ms, entry, with_secure=cluster.sanitized)
        node.digests[key] = digest
    recorded = restart_digest(cluster, entry)
    if None not in (recorded, digest.restart) and digest.restart != recorded:
        digest.result = "restart"
    elif entry.digest is None:
        digest.result = "unknown"
    elif entry.digest != digest.all:
        if not (entry.interval_ms == 0 and digest.result == "restart"):
            digest.result = "mismatch"
    else:
        digest.result = "match"
    return digest


def compare_device(cluster: Cluster, rsc: Resource, node: Node) -> Digest:
    """Compare a fencing device's definition with the one that unfenced `node`, as the node's attributes keep it."""
    key = op_key(rsc.id, "stonith-on")
    digest = node.digests.get(key)
    if digest is None:
        digest = node.digests[key] = _calculate(cluster, rsc, node, "stonith-on", 0, None, with_secure=True)
    known = node.attrs.get("#digests-all")
    name = f"{rsc.id}:{rsc.agent[2]}"
    if known is None:
        digest.result = "unknown"
    elif f"{name}:{digest.all}" in known or f"{name}:{digest.secure}" in node.attrs.get("#digests-secure", ""):
        digest.result = "match"
    else:
        digest.result = "mismatch"
    return digest
