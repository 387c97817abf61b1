"""Who is silent: one adaptive bound per peer, apart from ordering.

Owns: suspicion and its evidence, the times of heartbeats and probes, probation of peers that come and go. Does not own: who
is dropped (membership/), the pulse's evidence (../pulse.py).
"""
