"""crm_verify, crm_diff, crm_rule and iso8601: what they say, and that the installed originals say the same."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standfast.tools import cibadmin, crm_diff, crm_rule, crm_verify, iso8601

CIB = """<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-3.9" crm_feature_set="3.16.1">
<configuration>
<crm_config>
<cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/></nodes>
<resources>
<primitive id="vip" class="ocf" provider="heartbeat" type="Dummy"/>
<primitive id="web" class="ocf" provider="heartbeat" type="Dummy"/>
</resources>
<constraints>
<rsc_location id="l" rsc="vip">
<rule id="r" score="0"><date_expression id="e" operation="lt" end="2020-06-01"/></rule></rsc_location>
<rsc_order id="first" first="vip" then="web"/>
</constraints>
</configuration>
<status/>
</cib>"""
if TYPE_CHECKING:
    from tests.unit.tools.conftest import CibManager

Main = Callable[[Sequence[str] | None], int]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("CIB_file", raising=False)


def said(main: Main, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def original(name: str, *argv: str) -> tuple[int, str, str]:
    program = shutil.which(name, path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip("Pacemaker's tools are not installed")
    done = subprocess.run([program, *argv], capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout, done.stderr


def same(main: Main, name: str, capsys: pytest.CaptureFixture[str], *argv: str) -> None:
    code, out, _ = said(main, capsys, *argv)
    theirs_code, theirs, _ = original(name, *argv)
    bare = [re.sub(r'(api-version|request)="[^"]*"', "", text) for text in (out, theirs)]
    assert (code, bare[0]) == (theirs_code, bare[1]), argv


# ---- crm_verify -----------------------------------------------------------------------------------------------------


def test_a_clean_configuration_needs_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(crm_verify.main, capsys, "-X", CIB) == (0, "", "")


def test_errors_and_warnings_as_the_original_sums_them_up(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = CIB.replace('rsc="vip"', 'rsc="vipp"')
    code, _, err = said(crm_verify.main, capsys, "-X", wrong)
    assert code == 78
    assert err.endswith("Configuration invalid (-V may provide more detail)\n")
    code, _, err = said(crm_verify.main, capsys, "-V", "-X", wrong)
    assert "line:11: <rsc_location id=l>: rsc='vipp': no such object (define vipp in the same change" in err
    odd = CIB.replace('then="web"', 'then="web" kind="Serialize" symmetrical="true"')
    code, _, err = said(crm_verify.main, capsys, "-VX", odd)
    assert code == 78
    assert "warning: Ignoring symmetrical for 'first' because not valid with kind of 'Serialize' [line:13]\n" in err
    assert err.endswith("Configuration may need attention\n")
    unfenced = CIB.replace('value="false"', 'value="true"')
    assert "no fencing resources have been defined" in said(crm_verify.main, capsys, "-VX", unfenced)[2]
    assert said(crm_verify.main, capsys, "-qX", wrong) == (78, "", "")


def test_an_old_schema_is_upgraded_before_it_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    old = CIB.replace("pacemaker-3.9", "pacemaker-1.2").replace('type="Dummy"/>\n</res', 'type="Dummy"/>\n</res')
    assert said(crm_verify.main, capsys, "-X", old)[0] == 0
    off = CIB.replace("pacemaker-3.9", "none")
    assert "Schema validation of configuration is disabled" in said(crm_verify.main, capsys, "-VX", off)[2]


def test_where_the_input_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cib.xml"
    file.write_text(CIB)
    assert said(crm_verify.main, capsys, "-x", str(file), "-S", str(tmp_path / "saved"))[0] == 0
    assert "<rsc_order" in (tmp_path / "saved").read_text()
    monkeypatch.setenv("CIB_file", str(file))
    assert said(crm_verify.main, capsys, "-L")[0] == 0
    code, _, err = said(crm_verify.main, capsys)
    assert (code, err) == (1, "crm_verify: No input specified\n  crm_verify -x FILE, or -L\n")
    code, _, err = said(crm_verify.main, capsys, "-x", "/nowhere")
    assert code == 78
    assert err.startswith("crm_verify: Verification failed: Unable to parse CIB XML: /nowhere: No such file")
    code, _, err = said(crm_verify.main, capsys, "-X", "<foo/>")
    assert code == 78
    assert err.startswith("Input is not a CIB (outermost element is foo not cib)")
    code, out, _ = said(crm_verify.main, capsys, "--output-as=xml", "-X", CIB.replace('then="web"', 'then="wb"'))
    assert code == 78
    assert '<status code="78" message="Invalid configuration">' in out
    assert "then='wb'" in out


@pytest.mark.parametrize("spoil", ["", 'rsc="vip"', 'type="Dummy"', 'interval="0"', 'value="false"', ' score="0"'])
def test_the_original_crm_verify_agrees(spoil: str, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (
        CIB.replace(spoil, "", 1) if spoil else CIB,
        CIB.replace(spoil, spoil.replace('="', '="x'), 1) if spoil else CIB,
    ):
        assert said(crm_verify.main, capsys, "-X", text)[0] == original("crm_verify", "-X", text)[0], text


# ---- crm_diff -------------------------------------------------------------------------------------------------------

CHANGES = [
    ('first="vip" then="web"', 'first="web" then="vip"'),
    ('<primitive id="web" class="ocf" provider="heartbeat" type="Dummy"/>\n', ""),
    ('class="ocf" provider="heartbeat" type="Dummy"/>\n<prim', 'type="a&amp;b" class="ocf" provider="x"/>\n<prim'),
    ("<status/>", '<status><node_state id="1" crm-debug-origin="x"/></status>'),
    ('epoch="1"', 'epoch="2"'),
    ('<rsc_order id="first" first="vip" then="web"/>', '<rsc_order id="n" first="vip" then="web"/>'),
    ("", ""),
]


def test_a_difference_as_pacemaker_3_wraps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, patch = (str(tmp_path / name) for name in ("old", "new", "patch"))
    Path(old).write_text('<cib epoch="1" num_updates="0" admin_epoch="0"><a id="x"/></cib>')
    Path(new).write_text('<cib epoch="1" num_updates="0" admin_epoch="0"><a id="x" b="1"/></cib>')
    code, plain, _ = said(crm_diff.main, capsys, "-o", old, "-n", new)
    Path(patch).write_text(plain)
    head = '<pacemaker-result api-version="2.25" request="crm_diff --output-as=xml -o '
    code, out, err = said(crm_diff.main, capsys, "--output-as=xml", "-o", old, "-n", new)
    assert (code, err) == (1, "")
    unescaped = plain.replace("&apos;", "'")
    end = '  <status code="1" message="Error occurred"/>\n</pacemaker-result>\n'
    assert out == f'{head}{old} -n {new}">\n  <patchset><![CDATA[{unescaped}]]></patchset>\n{end}'
    assert said(crm_diff.main, capsys, "--output-as=xml", "-o", old, "-n", old)[1].splitlines()[1:-1] == [
        '  <status code="0" message="OK"/>'
    ]
    code, out, err = said(crm_diff.main, capsys, "--output-as=xml", "-o", old, "-p", patch)
    assert (code, err) == (0, "")
    assert '<updated><![CDATA[<cib epoch="1" num_updates="0" admin_epoch="0">\n  <a id="x" b="1"/>\n</cib>\n]]></updated>' in out
    code, out, err = said(crm_diff.main, capsys, "--output-as=xml", "-O", "<a", "-n", new)
    assert (code, err) == (65, "")
    assert "<error>crm_diff: Failed to parse original XML</error>" in out


def test_a_time_alone_is_one_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(iso8601.main, capsys, "-d", "T12:00", "-D", "P1D", "--output-as=xml")
    assert code == 0
    assert re.search(r"<date>\d{4}-\d\d-\d\d 12:00:00Z</date>\n.*\n  <duration_ends>\S+ 12:00:00Z</duration_ends>", out)
    assert said(iso8601.main, capsys, "-d", "T12:61")[0] == 2


@pytest.mark.parametrize(("before", "now"), CHANGES)
@pytest.mark.parametrize("option", ["-V", "-u", "-c"])
def test_the_original_crm_diff_writes_the_same(
    before: str, now: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, patch = (tmp_path / name for name in ("old", "new", "patch"))
    old.write_text(CIB)
    new.write_text(CIB.replace(before, now, 1) if before else CIB)
    same(crm_diff.main, "crm_diff", capsys, option, "-o", str(old), "-n", str(new))
    code, text, _ = said(crm_diff.main, capsys, "-o", str(old), "-n", str(new))
    if code == 1:
        patch.write_text(text)
        same(crm_diff.main, "crm_diff", capsys, "-o", str(old), "-p", str(patch))


def test_crm_diff_says_what_it_cannot_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(crm_diff.main, capsys, "-O", "<a/>") == (65, "", "Could not parse the second XML fragment\n")
    assert said(crm_diff.main, capsys, "-O", "<a", "-N", "<a/>")[0] == 65
    assert said(crm_diff.main, capsys, "-O", "<a/>", "-N", "<a/>", "-c", "-u")[0] == 64
    assert said(crm_diff.main, capsys, "-O", CIB, "-N", CIB) == (0, "", "")


# ---- crm_rule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        'operation="lt" end="2020-06-01"/>', 'operation="gt" start="2020-06-01"/>', 'operation="gt" start="nonsense"/>',
        'operation="in_range" start="2020-01-01" end="2020-02-01"/>',
        'operation="in_range" start="2020-01-01"><duration id="d" years="1" months="2"/></date_expression>',
        'operation="date_spec"><date_spec id="d" years="2020" months="3-6"/></date_expression>',
        'operation="date_spec"><date_spec id="d" months="3-6"/></date_expression>',
    ],
)  # fmt: skip
def test_the_original_crm_rule_answers_the_same(expression: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = CIB.replace('operation="lt" end="2020-06-01"/>', expression)
    for date in ("2019-05-01", "2020-05-01 12:00:00Z", "2020-W30-2", "2021-01-01", "2022-200"):
        same(crm_rule.main, "crm_rule", capsys, "-c", "-r", "r", "-d", date, "-X", text)
    same(crm_rule.main, "crm_rule", capsys, "-c", "-r", "none", "-r", "r", "--output-as=xml", "-d", "2020-05-01", "-X", text)


def test_crm_rule_wants_to_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(crm_rule.main, capsys) == (64, "", "crm_rule: No mode operation given\n")
    assert said(crm_rule.main, capsys, "-c") == (64, "", "crm_rule: --check requires use of --rule=\n")
    assert said(crm_rule.main, capsys, "-c", "-r", "r", "-X", CIB) == (110, "Rule r is expired\n", "")
    assert said(crm_rule.main, capsys, "-c", "-r", "r", "-X", "<", "-d", "2020-01-01")[0] == 65
    assert said(crm_rule.main, capsys, "-c", "-r", "r", "-X", CIB, "-d", "x")[0] == 65


# ---- iso8601 --------------------------------------------------------------------------------------------------------


def _date(chance: random.Random) -> str:
    year = chance.choice([chance.randrange(1, 9990), chance.randrange(1971, 2100), 2020, 2000, 1900])
    day = chance.choice(
        [
            f"{year:04d}-{chance.randrange(1, 14):02d}-{chance.randrange(1, 33):02d}",
            f"{year:04d}-{chance.randrange(1, 368):03d}",
            f"{year:04d}-W{chance.randrange(1, 54):02d}-{chance.randrange(1, 9)}", f"{year:04d}0228",
        ]
    )  # fmt: skip
    return day + chance.choice(["", " 24:00:00Z", f" {chance.randrange(24):02d}:30:05Z", " 10:00:00 +02:30", "T08:09:10"])


def _duration(chance: random.Random) -> str:
    days = "".join(f"{chance.choice([1, 2, 13, 30, 400])}{unit}" for unit in "YMWD" if chance.random() < 0.4)
    times = "".join(f"{chance.choice([1, 59, 60, 61, 3600])}{unit}" for unit in "HMS" if chance.random() < 0.4)
    return f"P{days}" + (f"T{times}" if times or not days else "")


def test_the_original_iso8601_counts_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(8601)
    for _ in range(120):
        argv = chance.choice(
            [
                ["-d", _date(chance)], ["-D", _duration(chance)], ["-d", _date(chance), "-D", _duration(chance)],
                ["-p", f"{_date(chance).partition('T')[0].partition(' ')[0]}/{_duration(chance)}"],
            ]
        )  # fmt: skip
        same(iso8601.main, "iso8601", capsys, *argv, *chance.choice([[], ["-O"], ["-W"], ["-s"], ["-S"]]))


def test_iso8601_expects_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(iso8601.main, capsys, "-d", "2020-02-03 10:20:30+02:00") == (0, "Date: 2020-02-03 08:20:30Z\n", "")
    assert said(iso8601.main, capsys, "-d", "2020-034", "-E", "2020-02-03 00:00:00Z")[0] == 0
    assert said(iso8601.main, capsys, "-d", "2020-034", "-E", "2020-02-04")[0] == 1
    assert said(iso8601.main, capsys, "-d", "xyz") == (2, "", "iso8601: Invalid date/time specified: xyz\n")
    assert said(iso8601.main, capsys, "-D", "P")[0] == 2
    assert said(iso8601.main, capsys, "-p", "P1D/P2D")[0] == 2
    code, out, _ = said(iso8601.main, capsys, "-p", "2020-01-01/P1M", "--output-as=xml")
    assert code == 0
    assert "<start>2020-01-01 00:00:00Z</start>" in out
    assert "<end>2020-02-01 00:00:00Z</end>" in out


# ---- cibadmin -------------------------------------------------------------------------------------------------------


def test_cibadmin_holds_updates_against_the_schema(cluster: CibManager, capsys: pytest.CaptureFixture[str]) -> None:
    before = cluster.cib.compact()
    code, _, err = said(cibadmin.main, capsys, "-C", "-o", "resources", "-X", '<bogus id="x"/>')
    assert code == 78
    assert err.startswith("Call failed: Update does not conform to the configured schema\ncibadmin: ")
    assert "<bogus id=x>: cannot stand in <resources>" in err
    assert cluster.cib.compact() == before


def test_cibadmin_upgrades_an_old_configuration(cluster: CibManager, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(cibadmin.main, capsys, "--upgrade")
    assert code == 107
    assert "the --force flag is required" in err
    cluster.cib.root.set("validate-with", "pacemaker-2.5")
    cluster.cib.touched(configuration=True)
    assert said(cibadmin.main, capsys, "--upgrade", "--force") == (0, "", "")
    assert cluster.cib.root.get("validate-with") == "pacemaker-3.10"
    version = cluster.cib.version
    assert said(cibadmin.main, capsys, "--upgrade", "--force") == (0, "", "")
    assert cluster.cib.version == version, "there was nothing to do"
