"""The status that a CIB in a file describes, worked out here: what CIB_file means to Pacemaker's tools."""

from __future__ import annotations

import time
from typing import Any

from standfast.base.report import Refused, error

FILE_BYTES_MAX = 64 * 1024 * 1024
EXIT_NOINPUT, EXIT_DATA = 66, 65


def status_of_file(path: str) -> dict[str, Any]:
    """The `status` reply of a cluster whose CIB is in the file (or pipe). Raises Refused when it cannot be read."""
    from lxml import etree

    from standfast.api.status import situation_to_json
    from standfast.scheduler.plan import situation

    try:
        with open(path, "rb") as stream:
            data = stream.read(FILE_BYTES_MAX)
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except OSError as fault:
        raise Refused(error("cib.file", f"the CIB {path} cannot be read", fault.strerror or ""), exit_code=EXIT_NOINPUT) from None
    except etree.XMLSyntaxError as bad:
        raise Refused(error("cib.file", f"the CIB {path} is no XML", str(bad)), exit_code=EXIT_DATA) from None
    now_s = int(time.time())
    found = situation(root, now_s)
    options = {str(pair.get("name")): str(pair.get("value")) for pair in root.iterfind("configuration/crm_config//nvpair")}
    dc = next((node.name for node in found.nodes if node.id == root.get("dc-uuid")), "")
    return {
        "stack": options.get("cluster-infrastructure", "unknown"),
        "dc": dc,
        "dc_version": options.get("dc-version", ""),
        "quorate": root.get("have-quorum") in {"1", "true"},
        "quorum_reason": "",
        "now_s": now_s,
        "last_change": root.get("cib-last-written", ""),
        "last_change_user": root.get("update-user", ""),
        "last_change_client": root.get("update-client", ""),
        "last_change_node": root.get("update-origin", ""),
        "version": ".".join(root.get(name, "0") for name in ("admin_epoch", "epoch", "num_updates")),
        "local_node": "",
        "local_state": "disconnected",
        "situation": situation_to_json(found),
    }
