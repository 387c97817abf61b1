"""Total order inside a view by the coordinator's sequence; acknowledgement, stability, retransmission, flow control.

Owns: send and receive windows of the current view. Does not own: when a view ends (membership/).
"""
