"""Fencing: devices, levels, delays, requests, history. Decides, never calls.

Two machines and a list, all pure:

    requests.Requests().step(now_us, event) -> effects   on the coordinator: which device, on which node, in which order
    runner.Runner(...).step(now_us, event) -> effects    on every node: one device's action, with its delay, tries and proof
    history.History                                      on every node: what was fenced, by whom, how it ended

Owns: what a device's pcmk_* parameters mean, who may fence whom, deadlines, what counts as success. Does not own: whether a node
has to be fenced (scheduler/), the CIB's records of it (controller/), processes (runtime/).
Pacemaker: daemons/fenced/fenced_commands.c, fenced_remote.c; lib/fencing/st_actions.c.
"""
