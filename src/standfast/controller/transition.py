"""One transition graph in flight: which actions may start now, which have ended, and when nothing is left to wait for.

Owns: the order that the graph demands. Does not own: the graph (scheduler/), what an action does, whether a result was good.
Invariants (`check`): an action is fired at most once; it is fired only when all its inputs are confirmed; after `abort` nothing
more is fired; the run is over exactly when nothing is in flight and nothing more may fire.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum, auto

from standfast.base.dataclass import dataclass
from standfast.executor.history import TransitionKey
from standfast.scheduler.graph.model import Action, ActionKind, Graph


class RunState(Enum):
    """RUNNING fires; ENDING waits for what is in flight; the last two are final."""

    RUNNING = auto()
    ENDING = auto()
    COMPLETE = auto()
    ABORTED = auto()


FINAL = (RunState.COMPLETE, RunState.ABORTED)


def target_rc(action: Action) -> int:
    """The exit code that this action is expected to end with (0 unless the graph says otherwise)."""
    text = dict(action.attributes).get("CRM_meta_op_target_rc", "0")
    return int(text) if text.isdigit() else 0


@dataclass(slots=True)
class Run:
    """A graph being carried out. `fire` answers the actions to start now, pseudo events included as already confirmed."""

    graph: Graph
    number: int
    uuid: str
    state: RunState = RunState.RUNNING
    abort_reason: str = ""
    _waiting: dict[int, set[int]] = field(default_factory=dict)
    _followers: dict[int, list[int]] = field(default_factory=dict)
    _flying: dict[int, Action] = field(default_factory=dict)
    _fired: set[int] = field(default_factory=set)
    _failed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.graph.check()
        for action in self.graph.actions:
            self._waiting[action.id] = set(action.inputs)
            for needed in sorted(set(action.inputs)):
                self._followers.setdefault(needed, []).append(action.id)

    def fire(self) -> tuple[Action, ...]:
        """Everything that may start now, in the graph's order. Pseudo events confirm themselves on the way."""
        out: list[Action] = []
        progress = True
        while progress and self.state is RunState.RUNNING:
            progress = False
            for action in self.graph.actions:
                if action.id in self._fired or self._waiting[action.id]:
                    continue
                self._fired.add(action.id)
                self._flying[action.id] = action
                if action.kind is ActionKind.PSEUDO:
                    self._confirm(action.id)
                    progress = True
                else:
                    out.append(action)
        self._settle()
        return tuple(out)

    def key(self, action: Action) -> TransitionKey:
        """The transition key of one of this run's actions."""
        return TransitionKey(action.id, self.number, target_rc(action), self.uuid)

    def owns(self, key: TransitionKey) -> bool:
        """Whether `key` names an action of this very run that is in flight."""
        return key.uuid == self.uuid and key.transition == self.number and key.action in self._flying

    def confirmed(self, action_id: int) -> tuple[Action, ...]:
        """The action ended as expected; returns what may start now."""
        self._confirm(action_id)
        return self.fire()

    def failed(self, action_id: int, reason: str) -> None:
        """The action ended otherwise: nothing that waits for it will start, and the run ends when the rest has landed."""
        if self._flying.pop(action_id, None) is not None:
            self._failed.add(action_id)
        self.abort(reason)

    def abort(self, reason: str) -> None:
        """Start nothing more. The run is over when what is in flight has landed."""
        if self.state is RunState.RUNNING:
            self.state = RunState.ENDING
            self.abort_reason = reason
        self._settle()

    def lose(self, node: str) -> None:
        """`node` is gone: no answer of it will come any more."""
        for action_id in [a.id for a in self._flying.values() if a.node == node]:
            self.failed(action_id, f"{node} was lost while it carried out an action")

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.state in FINAL

    @property
    def flying(self) -> tuple[Action, ...]:
        """Actions started and not yet ended, in the order they were started."""
        return tuple(self._flying.values())

    def check(self) -> None:
        """Assert the class's invariants."""
        assert set(self._flying) <= self._fired, "an action flies that was never fired"
        for action_id in sorted(self._fired):
            assert not self._waiting[action_id], f"action {action_id} was fired before its inputs"
        if self.is_over:
            assert not self._flying, "over, and something is still in flight"

    def _confirm(self, action_id: int) -> None:
        if self._flying.pop(action_id, None) is None:
            return
        for follower in self._followers.get(action_id, ()):
            self._waiting[follower].discard(action_id)

    def _settle(self) -> None:
        if self.is_over or self._flying:
            return
        if self.state is RunState.ENDING:
            self.state = RunState.ABORTED
        elif all(action.id in self._fired for action in self.graph.actions):
            self.state = RunState.COMPLETE
        elif not any(a.id not in self._fired and not self._waiting[a.id] for a in self.graph.actions):
            self.state, self.abort_reason = RunState.ABORTED, "what is left of the plan waits for an action that failed"
