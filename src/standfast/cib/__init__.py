"""The cluster information base: Pacemaker's XML, changed only by ordered operations.

Owns: document, versions, digests, operations, diffs, journal codec, the replicated machine (who has the best document after a
merge). Does not own: order (the engine's), the meaning of the configuration (scheduler/), files (runtime/).

The face of the room, pure:

    document.py  Cib.parse(data: bytes) -> Cib | raises Refused;  cib.xml() -> bytes (canonical);  cib.root (lxml, read only
                 for others);  cib.version -> Version(admin_epoch, epoch, num_updates), ordered;  cib.digest() -> str;  cib.copy()
    operations.py Operation(kind: OpKind, scope, xpath, xml, options..., origin: Origin(user, client, node)) and
                 cib.apply(operation, now_s) -> Outcome(version, changed_configuration, changed_status, answer_xml) | raises Refused
                 write/read to bytes: encode_operation, decode_operation (Malformed on nonsense)
    diff.py      diff(before, after) -> patchset XML format 2;  patch(cib, patchset)
    journal.py   encode(record) -> bytes; recover(data) -> Recovered(records, good_bytes, lost_bytes)
    machine.py   CibMachine: Hello/Snapshot rounds at a view change, deterministic choice of the document, applies operations
"""
