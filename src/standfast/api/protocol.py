"""The local API: one JSON object a line over a Unix stream socket, `{"id": n, "verb": ..., ...}` -> `{"id": n, "ok": true, ...}`.

A failed request answers `{"id": n, "ok": false, "exit_code": c, "reports": [{code, severity, what, why, remedy, where}]}`.
Several requests may be under way on one connection; a streaming verb answers with several lines of the same id, the last one
with `"end": true`. Lines are at most LINE_BYTES_MAX. Standard library only: a one-shot tool imports nothing else.

Verbs of the manager (RUN_DIR/manager.sock)

| verb | request | reply |
|---|---|---|
| cib.query | scope?, xpath? | xml, version "a.b.c" (xml of several matches is wrapped in <xpath-query>) |
| cib.apply | operations: [{kind, scope?, xpath?, xml?, allow_create?}], client, user?, force?, base_version? | version (1) |
| status | | the Status below |
| plan | xml? (a CIB to plan for, default the live one) | summary, scores, reasons, notices, actions: how many |
| resource.cleanup | resource?, node?, refresh?: bool | cleaned: [[resource, node]] |
| wait | timeout_s | stable: bool; when nothing is under way and nothing is planned |
| events | (streams) | {"event": {...}} lines: see EVENTS |
| fence | node, action: reboot / off / on, delay_s?, timeout_s?, client? | delegate: who did it; when it is done |
| fence.confirm | node | when everybody takes the node for down: a person says so |
| fence.devices | node? | devices: [[id, agent, nodes]], levels, of a target or all |
| fence.history | node?, forget?: bool | records, newest first |
| node.shutdown | | at once; resources leave this node, then it leaves the cluster |
| node.local | | name and id (node) of this node, without asking anybody |
| node.forget | node | removes a node that is gone from nodes and status |

(1) with `base_version`, refused (exit code 103) when the configuration has changed since that version.

Verbs of the engine (RUN_DIR/engine.sock)

| verb | request | reply |
|---|---|---|
| engine.status | | EngineStatus (engine/api.py) as JSON |
| engine.adjust | adjust: expected_votes / votes / cancel_wait_for_all / kill / leave, node, value | |
| engine.reload | | corosync.conf read again by all members: reports, or why nobody follows it |
| engine.reopen_logs | | |
| engine.rekey | step: begin / finish / status | made, moving, lacking: node ids, file |
"""

from __future__ import annotations

LINE_BYTES_MAX = 32 * 1024 * 1024

EVENTS = (
    "view",  # members, joined, left, quorate, coordinator
    "transition",  # number, state: planned | running | complete | aborted, actions
    "action",  # transition, resource, node, operation, interval_ms, state: started | done, rc, reason
    "resource",  # resource, node, role: a change of where it runs
    "cib",  # version, client, user
    "fencing",  # node, operation, state: pending | success | failed, client, delegate, reason
    "report",  # a line of the log worth a person's eye
)

# ---- the reply to `status`, beside `situation` (base/situation.py as JSON) -------------------------------------------
STATUS_FIELDS = (
    "stack",  # corosync (the word that tools expect)
    "dc",  # name of the coordinator, "" when none
    "dc_version",
    "quorate",
    "quorum_reason",
    "now_s",
    "last_change",  # text of cib-last-written, e.g. "Sun Aug 23 10:00:00 2026"
    "last_change_user",
    "last_change_client",
    "last_change_node",
    "version",
    "local_node",
    "local_state",  # starting | joining | active | stopping | disconnected
    "situation",
    "fencing",  # the history: id, target, action, client, origin, phase, delegate, began_s, completed_s, reason
)
