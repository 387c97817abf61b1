"""Operations of resources: one at a time per resource, recurring monitors, timeouts, the OCF environment and exit codes.

Owns: the queue per resource, deadlines, retries of recurring operations, what an exit code means, the agent's environment and
meta-data, the lrm_rsc_op record. Does not own: processes (runtime/), decisions (scheduler/), native agents' logic (agents/).
"""
