"""A rehearsal: the user's own cluster in the virtual world, and what single and double faults would do to its services.

Owns: the user's files as a cast, the faults, what services were away, doubled or lost. Does not own: files, processes, output to
a terminal (tools/rehearse.py), any behaviour of a node. Nothing real is touched.
"""
