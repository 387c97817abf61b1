"""Native resource agents, pure: events in, effects out.

Owns: the failover IP (ip/). Does not own: when an agent is run (executor/), the kernel (runtime/ performs the effects).
"""
