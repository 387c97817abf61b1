"""Agreed views (extended virtual synchrony): who proposes, who accepts, when a view is installed.

Owns: the view sequence and its persistence, proposals, the flush's bookkeeping with ordering/, which nodes should be together
when not all hear all. Does not own: detection, quorum.
"""
