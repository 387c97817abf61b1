"""The only IO: asyncio loop, UDP, files and fsync, subprocesses, netlink, ARP and NDP, sockets, logs, clocks.

Owns: performing effects and wrapping what happens as events. Does not own: any decision.
"""
