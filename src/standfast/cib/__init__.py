"""The cluster information base: Pacemaker's XML, changed only by ordered operations.

Owns: document, versions, digests, operations, diffs, journal codec, the replicated machine (who has the best document after a
merge). Does not own: order (the engine's), the meaning of the configuration (scheduler/), files (runtime/).

The face of the room, pure:

    document.py   Cib.parse(data, where) -> Cib | raises Refused; Cib.empty(); cib.xml(), cib.compact() -> bytes; cib.root (lxml;
                  read only for others, and changed in place by the next apply); cib.version -> Version(admin_epoch, epoch,
                  num_updates), ordered; cib.digest() -> str; cib.copy()
    operations.py Change((Operation(kind, scope, xpath, xml, ...), ...), Origin(user, client, node, now_s)), the unit that is
                  ordered and applied as a whole; encode_change(change) -> bytes | Refused, decode_change(data) | Malformed
    apply.py      apply(cib, change) -> Outcome(before, after, sections, answers) | raises Refused and has changed nothing;
                  query(cib, scope, expression) -> str
    diff.py       make_patchset(before, after) -> bytes | None (Pacemaker's format 2); applied by an Operation of kind PATCH
    machine.py    CibMachine(local, session, recovered).step(event) -> effects: who has the best document in a view, and every
                  change in its turn; events and effects in effects.py, what machines say to each other in messages.py
    journal.py    recover(data) -> Recovered | None | raises Refused; the records that Append and Rewrite carry
    access.py     find_by_id, attribute_value, nodes, node_state

    shape.py      check_shape(root, where) raises Refused with a report for each fault; shape_reports(root, where); schema.py and
                  grammar.py: Pacemaker's schemas 1.0 to 4.0 as a table, faults(root, version) -> [Fault(line, what, remedy)]

Inside: patterns.py, grammar_text.py, datatypes.py (what carries the schemas), edit.py (writes that can be taken back), xpath.py
(XPath with limits), packing.py (compression with a limit), refusal.py (Pacemaker's exit codes).
"""
