"""A node's life: SERVING until asked to stop, STOPPING while its resources leave, OVER. It never goes back."""

from __future__ import annotations

from enum import Enum, auto


class LifeState(Enum):
    """The three states; the only moves are downwards."""

    SERVING = auto()
    STOPPING = auto()
    OVER = auto()


class Life:
    """See the module."""

    def __init__(self) -> None:
        self.state = LifeState.SERVING

    def stop(self) -> None:
        """Begin to stop; again is harmless."""
        if self.state is LifeState.SERVING:
            self.state = LifeState.STOPPING

    def end(self) -> None:
        """It is over."""
        self.state = LifeState.OVER

    @property
    def is_over(self) -> bool:
        """Whether nothing may go out any more."""
        return self.state is LifeState.OVER

    @property
    def may_serve(self) -> bool:
        """Whether what is held may be kept for now: while stopping, until it has been moved away."""
        return self.state is not LifeState.OVER
