"""The failover IP: a leased address, asked for before it is taken, announced until heard, watched by netlink.

Owns: when the address may go up, when it must go, what is announced and when, what a foreign answer means. Does not own:
placement (scheduler/), the kernel (runtime/netlink.py performs the effects), OpenStack.
"""
