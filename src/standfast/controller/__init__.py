"""Views in, decisions carried out: coordinator duty, join, graph execution, node life cycle. Routes; decides nothing twice.

Owns: which node coordinates (a function of the view), the graph in flight, the node's own life cycle, client requests to the
CIB. Does not own: where resources go (scheduler/), how agents run (executor/), the document's rules (cib/).
"""
