"""Who is silent: one adaptive bound per peer, apart from ordering.

Owns: suspicion and its evidence, this node's own stalls, the pulse's evidence. Does not own: who is dropped (membership/).
"""
