"""Why a resource runs where it runs, or nowhere, and what would change that: the finished decision read back.

Owns: causes (what keeps a resource from running, from a node), the sentences about them, and cures. A cure is an edit of a copy
of the CIB; what it would achieve is not guessed but planned: the scheduler decides again on the edited copy.
Does not own: the decision itself, or commands that carry a cure out. Face: `explain.explain`, `whatif.what_if`.
"""
