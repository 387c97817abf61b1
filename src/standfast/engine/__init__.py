"""The cluster layer: who is a member, in which order messages are delivered, and who may act (quorum).

Owns: links, detection, views, total order, quorum, and the contract in `api.py` that every provider keeps.
Does not own: what the messages mean, the CIB, resources, and any IO (datagrams and timers are events and effects).
"""
