"""A pure function: CIB with status, and the time -> scores, reasons, transition graph. Decides as Pacemaker does.

Owns: every placement and action decision, in Pacemaker's phases, one file or small folder each, in their order:
unpack/ -> constraints/ -> placement/ -> actions/ -> orderings/ -> fencing/ -> graph/. Does not own: doing any of it.

The face of the room (plan.py), pure:

    schedule(cib: etree._Element, now_s: int) -> Plan
    Plan(graph: Graph, scores: tuple[Score, ...], reasons: ..., summary: tuple[Change, ...], notices: tuple[Report, ...],
         recheck_s: int | None)
    Graph(actions: tuple[Action, ...] ...) - see graph/model.py
"""
