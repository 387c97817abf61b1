"""What is being edited in `configure`: the configuration as it was read and as it is now. Committing lays the difference over
whatever the cluster has by then, and refuses when somebody else changed the same objects."""

from __future__ import annotations

from collections.abc import Sequence

from standfast.base.report import Refused, Report, error
from standfast.compat.crm import changes
from standfast.compat.crm.document import Configuration
from standfast.shell.cluster import Cluster

ATTEMPTS_MAX = 8
EXIT_OLD = 103


class EditState:
    """`base` is what the cluster had, `now` what the person made of it. Invariant: `base` is never changed."""

    def __init__(self, base: Configuration) -> None:
        self.base = base
        self.now = base.copy()

    @property
    def has_changes(self) -> bool:
        """Whether anything is to be committed."""
        return bool(changes.differences(self.base, self.now))

    @property
    def changed_ids(self) -> frozenset[str]:
        """Ids of the objects that were added or changed."""
        return changes.changed_ids(self.base, self.now)

    def commit(self, cluster: Cluster, *, is_forced: bool = False) -> str:
        """Send the difference as one change. Raises Refused (`crm.conflict`) when others changed the same objects meanwhile.

        The manager refuses a change made for another version; then the new one is read, both are merged, and it is tried again.
        """
        base, now = self.base, self.now
        for _ in range(ATTEMPTS_MAX):
            steps = changes.operations(base, now)
            if not steps:
                break
            try:
                version = cluster.apply(steps, base.version, is_forced=is_forced)
            except Refused as refused:
                if refused.exit_code != EXIT_OLD:
                    raise
            else:
                now.version = version
                self.base, self.now = now.copy(), now.copy()
                return version
            theirs = cluster.configuration()
            base, now = theirs, changes.merge(base, now, theirs)
        else:
            why = "others change it faster than a change can be made"
            raise Refused(error("shell.busy", f"the configuration was changed {ATTEMPTS_MAX} times meanwhile", why))
        self.base, self.now = now.copy(), now.copy()
        return now.version

    def replace(self, changed: tuple[Configuration, Sequence[Report]]) -> Sequence[Report]:
        """Take over what an edit made; gives its notices."""
        self.now = changed[0]
        return changed[1]
