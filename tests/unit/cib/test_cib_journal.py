"""The journal: cut at every byte, rotten in the middle, started anew; and that the machine's own file recovers at each cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.report import Refused
from standfast.cib import journal
from standfast.cib.document import Cib, Version
from standfast.cib.effects import Append, Rewrite
from standfast.cib.journal import JournalPlan, encode_record, recover


def document(epoch: int, padding: int = 0) -> bytes:
    cib = Cib.empty(Version(0, epoch, 0))
    cib.root.set("update-client", "x" * padding)
    return cib.without_status()


def file_of(*epochs: int) -> tuple[bytes, list[int]]:
    """A journal of these documents, and the places where each record ends."""
    data, ends = b"", []
    for serial, epoch in enumerate(epochs, 1):
        data += encode_record(serial, 7, document(epoch))
        ends.append(len(data))
    return data, ends


def test_the_newest_record_is_recovered() -> None:
    data, _ = file_of(1, 2, 3)
    found = recover(data)
    assert found is not None
    assert (found.cib.version.epoch, found.lineage, found.serial, found.size_bytes) == (3, 7, 3, len(data))
    assert (found.lost_bytes, found.reports) == (0, ())
    assert recover(b"") is None


def test_cut_at_every_byte_the_last_whole_record_is_found() -> None:
    data, ends = file_of(1, 2, 3)
    for cut in range(ends[0], len(data) + 1):
        found = recover(data[:cut])
        assert found is not None
        whole = [end for end in ends if end <= cut]
        assert found.cib.version.epoch == len(whole)
        assert found.lost_bytes == cut - whole[-1]
        assert [report.code for report in found.reports] == (["cib.journal-cut"] if found.lost_bytes else [])


def test_a_torn_tail_of_old_blocks_is_no_record() -> None:
    data, ends = file_of(1, 2, 3)
    for cut in range(ends[1], len(data)):
        found = recover(data[:cut] + b"\0" * (len(data) - cut))
        assert found is not None
        assert found.cib.version.epoch == (2 if data[cut:] != b"\0" * (len(data) - cut) else 3)


def test_rot_in_the_middle_costs_nothing_but_is_told() -> None:
    data, ends = file_of(1, 2, 3)
    for at in range(ends[1]):
        found = recover(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        assert found is not None
        assert found.cib.version.epoch == 3
        assert [report.code for report in found.reports] == ["cib.journal-damaged"]


@pytest.mark.parametrize("data", [b"x", b"\0" * 4096, b"<cib/>", file_of(1)[0][:-1], encode_record(1, 0, b"<cib/>")])
def test_bytes_without_a_good_record_fail_closed(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        recover(data)
    assert caught.value.exit_code == 78
    assert "move it away" in str(caught.value)


def test_a_document_of_the_next_release_is_not_refused() -> None:
    xml = document(5).replace(b"<nodes/>", b'<nodes/><wormholes id="w"/>')
    found = recover(encode_record(1, 0, xml))
    assert found is not None
    assert b"wormholes" in found.cib.xml()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 400))
def test_noise_never_raises_anything_else(noise: bytes, start: int, end: int) -> None:
    data, _ = file_of(1, 2)
    try:
        found = recover(data[:start] + noise + data[end:])
    except Refused:
        return
    assert found is None or found.cib.version.epoch in (1, 2)


def test_the_file_is_begun_by_a_rewrite_then_appended_to_and_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COMPACT_BYTES", 2000)
    plan, disk, kinds = JournalPlan(None), b"", ""
    for epoch in range(1, 30):
        effect = plan.write(3, document(epoch, padding=epoch))
        if isinstance(effect, Append):
            disk += effect.data
            kinds += "a"
        else:
            assert isinstance(effect, Rewrite)
            disk = effect.data
            kinds += "R"
        found = recover(disk)
        assert found is not None
        assert found.cib.version.epoch == epoch
        assert len(disk) <= max(2000, 8 * len(effect.data))
    assert kinds.startswith("Raaa")
    assert 2 <= kinds.count("R") <= 8


def test_a_damaged_file_is_not_continued() -> None:
    data, _ = file_of(1, 2)
    whole, cut = recover(data), recover(data + b"torn")
    assert isinstance(JournalPlan(whole).write(0, document(3)), Append)
    effect = JournalPlan(cut).write(0, document(3))
    assert isinstance(effect, Rewrite)
    found = recover(effect.data)
    assert found is not None
    assert found.serial == 3, "serials grow across a rewrite too"
