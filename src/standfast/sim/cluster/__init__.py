"""Whole nodes in a virtual world: the production engine and `Node`, with kernel, disk, agents, neighbours and people.

Owns: everything that a host and its network do to a node, and what must hold meanwhile. Does not own: any behaviour of a node.
"""
