"""The blocking client that tools and the shell use to reach the manager and the engine over their Unix sockets.

Owns: connecting, deadlines, and turning "nobody answers" into a report with a remedy. The only IO outside runtime/, kept apart
so that a one-shot tool imports no event loop. Does not own: what is asked, what is printed.
"""
