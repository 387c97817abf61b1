"""What each node knows of who hears whom: cheap to take in, the same as when it is done the plain way, and on its way to
everybody as long as one telling in a few comes through."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from standfast.base.ids import NodeId
from standfast.engine.api import ViewId
from standfast.engine.membership.rows import Rows
from standfast.engine.messages import ROWS_MAX, Gossip, Life, Row, read_packet, write_packet, write_record

NODES = 5
LIVES = tuple(Life(NodeId(node), boot) for node in range(1, NODES + 1) for boot in (1, 2))
STRANGER = Life(NodeId(99), 1)
VOTES = {NodeId(node): 1 for node in range(1, NODES + 1)}
ME, *OTHERS = LIVES

some_lives = st.lists(st.sampled_from((*OTHERS, STRANGER)), max_size=6, unique=True).map(lambda got: tuple(sorted(got)))
some_rows = st.builds(
    Row,
    st.sampled_from(LIVES),
    st.integers(0, 3),
    some_lives,
    st.builds(ViewId, st.integers(1, 2), st.sampled_from([NodeId(1), NodeId(2)])),
    some_lives,
)
some_gossip = st.lists(some_rows, max_size=8, unique_by=lambda row: row.life).map(
    lambda rows: Gossip(tuple(sorted(rows, key=lambda row: row.life)))
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("tells"), st.sampled_from(OTHERS), some_gossip),
        st.tuples(st.just("hears"), some_lives, st.none()),
        st.tuples(st.just("enters"), some_lives, st.integers(1, 9)),
    ),
    max_size=25,
)


class Plain:
    """The rules of rows.py without a thought about what they cost."""

    def __init__(self) -> None:
        self.rows = {ME: Row(ME, 0, ())}
        self.first_hand: set[Life] = set()

    def mine(self, **changed: object) -> None:
        mine = self.rows[ME]
        self.rows[ME] = replace(mine, version=mine.version + 1, **changed)
        self.prune()

    def learn(self, gossip: Gossip, teller: Life) -> None:
        hears = self.rows[ME].hears
        self.first_hand &= set(hears)
        for row in gossip.rows:
            if row.life == ME or STRANGER in (row.life, *row.hears, *row.members):
                continue
            known = self.rows.get(row.life)
            is_newer = known is None or row.version > known.version
            if row.life == teller:
                if is_newer or row.life not in self.first_hand:
                    self.rows[row.life] = row
                if row.life in hears:
                    self.first_hand.add(row.life)
            elif is_newer and row.life not in self.first_hand:
                self.rows[row.life] = row
        self.prune()

    def prune(self) -> None:
        reached, frontier = {ME}, [ME]
        while frontier:
            for life in self.rows[frontier.pop()].hears:
                if life in self.rows and life not in reached:
                    reached.add(life)
                    frontier.append(life)
        self.rows = {life: self.rows[life] for life in reached}

    def views(self) -> dict[Life, ViewId]:
        latest: dict[Life, ViewId] = {}
        for row in self.rows.values():
            for life in row.members:
                latest[life] = max(latest.get(life, row.view), row.view)
        return latest


@given(steps)
@settings(max_examples=300, deadline=None)
def test_taking_rows_in_cheaply_comes_to_the_same_as_the_plain_way(history: list[tuple[str, object, object]]) -> None:
    rows, plain = Rows(ME, VOTES), Plain()
    for verb, what, more in history:
        before = dict(plain.rows)
        match verb, what, more:
            case "tells", Life() as teller, Gossip() as gossip:
                told = rows.learn(gossip, teller)
                plain.learn(gossip, teller)
                assert told == (plain.rows != before)
            case "hears", tuple() as lives, None:
                lives = tuple(life for life in lives if life != STRANGER)
                if rows.hear(lives):
                    plain.mine(hears=lives)
            case "enters", tuple() as lives, int() as seq:
                members = tuple(sorted({ME, *lives} - {STRANGER}))
                rows.enter(ViewId(seq, NodeId(1)), members)
                plain.mine(view=ViewId(seq, NodeId(1)), members=members)
        rows.check()
        assert {row.life: row for row in rows.gossip().rows} == plain.rows
        chosen = {life.node: life for life in sorted(plain.rows)}
        latest = plain.views()
        assert rows._views(chosen) == {node: latest[life] for node, life in chosen.items() if life in latest}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_row_reaches_everybody_although_all_but_one_telling_in_a_few_is_lost(data: st.DataObject) -> None:
    """Digests come late, tellings are lost, and a wire may carry one way alone: whoever is connected both ways knows
    the new row after so many rounds for each step of the way."""
    count, losses = data.draw(st.integers(3, 8)), data.draw(st.integers(0, 3))
    lives = [Life(NodeId(n), 1) for n in range(1, count + 1)]
    votes = {life.node: 1 for life in lives}
    pairs = {(n, data.draw(st.integers(0, n - 1))) for n in range(1, count)}  # a tree: as far as it can be from end to end
    wires = {(a, b) for one, other in pairs for a, b in ((one, other), (other, one))}
    extra = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] != pair[1])
    wires |= set(data.draw(st.lists(extra, max_size=3)))  # one way
    nodes = [Rows(life, votes) for life in lives]
    for n, node in enumerate(nodes):
        node.hear(tuple(lives[a] for a, b in sorted(wires) if b == n))
    seen = dict.fromkeys(wires, -1)
    lost = dict.fromkeys(wires, 0)

    def round_of_tellings() -> None:
        late = {wire: nodes[wire[0]].digest for wire in wires}
        for a, b in sorted(wires):
            if seen.get((b, a), -1) == nodes[a].digest:
                continue
            if lost[a, b] < losses and data.draw(st.booleans()):
                lost[a, b] += 1
                continue
            lost[a, b] = 0
            nodes[b].learn(nodes[a].gossip(), lives[a])
        seen.update(late)

    def is_everywhere() -> bool:
        return len({node.digest for node in nodes}) == 1

    rounds = 2 * count * (losses + 1)
    for _ in range(rounds):
        round_of_tellings()
    assert is_everywhere()
    nodes[-1].enter(ViewId(5, NodeId(1)), tuple(lives[:2]))
    for _ in range(rounds):
        round_of_tellings()
    assert is_everywhere()


def test_what_is_told_fits_although_the_view_names_lives_that_are_new_here() -> None:
    most = ROWS_MAX // 2
    votes = {NodeId(n): 1 for n in range(1, most + 1)}
    me, friend, *rest = (Life(NodeId(n), 1) for n in range(1, most + 1))
    rows = Rows(me, votes)
    rows.hear((friend,))
    # The friend names the others, each by a life that is over and one that may never have been.
    old = tuple(Life(life.node, boot) for life in rest for boot in (1, 2))
    assert rows.learn(Gossip((Row(friend, 1, tuple(sorted((me, *old)))),)), friend)
    rows.enter(ViewId(2, me.node), tuple(sorted((me, friend, *(Life(life.node, 3) for life in rest)))))
    rows.check()
    told = rows.gossip()
    assert read_packet(write_packet(1, [write_record(told)])) == (1, [told])
