"""A pure function: CIB with status, and the time -> scores, reasons, transition graph. Decides as Pacemaker does.

Owns: every placement and action decision, in Pacemaker's phases, one file or small folder each, in their order:
unpack/ -> constraints/ -> placement/ -> actions/ -> fencing/ -> orderings/ -> graph/, over the working memory of memory/;
resting/ knows who can be left out of a run, so that it costs what changed; report/ words what was found and decided.
Does not own: doing any of it.

The face of the room, pure (plan.py lists the phases):

    plan.schedule(cib, now_s) -> Plan              decide; the <cib> element is not changed
    plan.situation(cib, now_s) -> Situation        what status commands show, without deciding
    graph.xml.write_graph(graph, cluster)          the graph as `crm_simulate -G` writes it
    follower.Follower                              a document kept up by changes, and its plan after each: what did not change
                                                   is not read again, and what was foreseen is there at once
    inject.node_failed(cib, name), ...             events put into a CIB, to see what would follow
    simulate.simulate(cib, request, now_s)         inject, decide, carry out on a copy
    simulate.execute(cib, graph, now_s) -> Outcome what the CIB would be afterwards
    report.simulation.report(cib, now_s)           all of it in the words of `crm_simulate -S`
    laws.broken(cluster, graph)                    what every plan must keep to, for tests and simulations

Bundles, remote and guest nodes are decided about as well. `schedule(..., connects=False)` leaves them alone: the controller,
which has no connections to such nodes, plans with that. Fencing topology is the fencer's: no plan depends on it. Where a plan
differs from the original's on purpose: docs/adr/0012.
"""
