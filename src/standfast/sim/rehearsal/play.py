"""Playing: bring the cluster up, let faults strike one after the other, and say what came of each.

Owns: when a cluster has come to rest, the outcome. Does not own: the order of plays, and how many (tools/rehearse.py).
"""

from __future__ import annotations

from dataclasses import replace

from standfast.base.dataclass import dataclass
from standfast.base.ids import US_PER_MS, US_PER_S
from standfast.scheduler.explain.explain import Question, answer, explain_of
from standfast.scheduler.explain.words import listed
from standfast.scheduler.memory import walk
from standfast.sim.cluster.world import WALL_S
from standfast.sim.rehearsal.cast import Cast
from standfast.sim.rehearsal.faults import WIRES, Fault, mend, strike
from standfast.sim.rehearsal.stage import Stage

STEP_US = 500 * US_PER_MS
QUIET_US = 12 * US_PER_S
"""Nothing changed for so long: the cluster rests."""

LONG_US = 150 * US_PER_S
"""What has not come to rest by then, is shown as it is."""


Places = tuple[tuple[str, ...], tuple[str, ...]]
"""Where it is active, where it is promoted."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one service. `away_us` None: for good. `doubled_us` None: as long as the fault lasts. `twice` where it was
    active at once, also after broken wires were mended (`mended_us` of it); `why` why nobody has it; `is_back`: it was
    away while the wires were broken, and not any more when they were mended; `is_blocked`: nobody moves or stops it any more."""

    service: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    promoted: tuple[str, ...]
    away_us: int | None
    doubled_us: int | None = 0
    twice: tuple[str, ...] = ()
    why: str = ""
    mended_us: int | None = 0
    is_back: bool = False
    is_blocked: bool = False
    was_promoted: tuple[str, ...] = ()

    @property
    def is_touched(self) -> bool:
        """Whether anything happened to it."""
        moved = (self.before, self.was_promoted) != (self.after, self.promoted)
        return moved or self.is_blocked or self.away_us != 0 or self.doubled_us != 0 or self.mended_us != 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of faults: `fates` of all services since the last of them; `rests` whether the cluster came to rest."""

    faults: tuple[str, ...]
    fates: tuple[Fate, ...]
    rests: bool
    problem: str = ""

    def of(self, service: str) -> Fate:
        """One service's."""
        return next(fate for fate in self.fates if fate.service == service)


class Play:
    """One history. Deterministic: the same cast and faults give the same outcome."""

    def __init__(self, cast: Cast, agent_ms: int = 1000) -> None:
        self.cast = cast
        self._stage = Stage(cast, agent_ms)
        self._struck: tuple[str, ...] = ()

    def begin(self) -> Outcome:
        """Bring the cluster up; what runs where before anything goes wrong."""
        is_taken = self._stage.begin()
        rests = is_taken and self._rest(0)
        problem = "" if is_taken else "the configuration is not accepted: " + " ".join(self._stage.told_lines)
        return self._outcome({service.id: ((), ()) for service in self.cast.services}, rests=rests, problem=problem)

    def strike(self, fault: Fault) -> Outcome | None:
        """One fault more, on what the last left. None where there is nothing left that it could strike."""
        watch = self._stage.watch
        assert watch is not None
        before = {name: (record.places, record.promoted) for name, record in watch.records.items()}
        watch.begin(self._stage.now_us)
        if not strike(self._stage, fault):
            return None
        self._struck += (fault.key,)
        rests = self._rest(fault.lasting_us)
        return self._outcome(before, rests=rests)

    def mend(self, fault: Fault, outcome: Outcome) -> Outcome:
        """The outcome with what mending the wires leads to: who went on apart meets again. Nothing more can strike afterwards."""
        watch = self._stage.watch
        assert watch is not None
        if fault.kind not in WIRES:
            return outcome
        watch.begin(self._stage.now_us)
        mend(self._stage)
        self._rest(0)
        fates = []
        for fate in outcome.fates:
            record = watch.records[fate.service]
            mended_us = None if record.doubled_since_us is not None else record.doubled_us
            is_back = fate.away_us is None and record.away_since_us is None
            fates.append(replace(fate, mended_us=mended_us, twice=fate.twice or record.twice, is_back=is_back))
        return replace(outcome, fates=tuple(fates))

    def _rest(self, at_least_us: int) -> bool:
        stage, watch = self._stage, self._stage.watch
        assert watch is not None
        begun_us = stage.now_us
        while stage.now_us < begun_us + LONG_US:
            stage.run(STEP_US)
            stage.look()
            if stage.now_us - max(watch.changed_us, begun_us + at_least_us) >= QUIET_US:
                return True
        return False

    def _outcome(self, before: dict[str, Places], *, rests: bool, problem: str = "") -> Outcome:
        watch = self._stage.watch
        assert watch is not None
        lost = [name for name, record in watch.records.items() if not record.places]
        why, blocked = self._why(lost)
        fates = tuple(
            Fate(
                name,
                before[name][0],
                record.places,
                record.promoted,
                None if record.away_since_us is not None else record.away_us,
                None if record.doubled_since_us is not None else record.doubled_us,
                record.twice,
                why.get(name, ""),
                is_blocked=name in blocked and bool(record.places),
                was_promoted=before[name][1],
            )
            for name, record in watch.records.items()
        )
        return Outcome(self._struck, fates, rests, problem)

    def _why(self, lost: list[str]) -> tuple[dict[str, str], list[str]]:
        """Why services run nowhere, in the words of `crm resource why`, and what is blocked: by the document of who is left."""
        cib = self._stage.survivor()
        if cib is None:
            return {name: f"{name} runs nowhere: no node is left that could run it." for name in lost}, []
        question = Question(cib.root, WALL_S + self._stage.now_us // US_PER_S)
        ask = answer(question)
        blocked = [rsc.xml_id for rsc in walk(ask.cluster.resources) if rsc.blocked and not rsc.children]
        found = {}
        for name in lost:
            first = next(iter(explain_of(question, ask, name, trials_max=0)), None)
            if first is not None and first.nodes:
                found[name] = f"{name} is on {listed(list(first.nodes))}, where no client reaches it."
            elif first is not None:
                found[name] = first.sentence()
        return found, blocked
