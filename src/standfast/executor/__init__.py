"""Operations of resources: one at a time per resource, recurring monitors, timeouts, the OCF environment and exit codes.

Owns: the queue per resource, deadlines, retries of recurring operations, what an exit code means, the agent's environment and
meta-data, the lrm_rsc_op record. Does not own: processes (runtime/), decisions (scheduler/), native agents' logic (agents/).

The face of the room, all pure:

    machine.Executor(environment.Settings(node), parallel_max, first_call_id).step(now_us, wall_s, event) -> effects
    history.entries(result, node, metadata) -> the lrm_rsc_op elements;  history.pending(request, node, now_s)
    codes.meaning(rc), codes.explain(status, rc);  metadata.parse(xml) -> AgentMetadata
"""
