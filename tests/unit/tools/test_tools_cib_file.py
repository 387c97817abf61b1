"""CIB_file: the tools and the shell on a CIB in a file, reading and writing it, without a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from standfast.base.report import Refused
from standfast.client.cib_file import CibFile

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cib(tmp_path: Path) -> Path:
    path = tmp_path / "cib.xml"
    path.write_bytes((ROOT / "docs" / "examples" / "web.xml").read_bytes())
    path.chmod(0o600)
    return path


def run(cib: Path, module: str, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; from standfast.{module} import main; sys.exit(main())", *words],
        env={**os.environ, "CIB_file": str(cib)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def found(cib: Path, expression: str) -> list[str]:
    values = etree.parse(cib).xpath(expression)
    assert isinstance(values, list)
    return [str(value) for value in values]


def test_crm_attribute_reads_and_writes(cib: Path) -> None:
    assert run(cib, "tools.crm_attribute", "-n", "stonith-enabled", "-G", "-q")[:2] == (0, "false\n")
    assert run(cib, "tools.crm_attribute", "-n", "maintenance-mode", "-v", "true")[0] == 0
    assert found(cib, "//nvpair[@name='maintenance-mode']/@value") == ["true"]
    assert found(cib, "/cib/@epoch") == ["13"]
    assert cib.stat().st_mode & 0o777 == 0o600, "the file's mode stays"


def test_cibadmin_and_crm_resource(cib: Path) -> None:
    code, out, _ = run(cib, "tools.cibadmin", "-Q", "-o", "resources")
    assert code == 0
    assert '<primitive id="ha-vip"' in out
    assert run(cib, "tools.crm_resource", "--ban", "-r", "ha-vip", "-N", "node2")[0] == 0
    assert found(cib, "//rsc_location/@id") == ["not-on-node1", "rather-node3", "cli-ban-ha-vip-on-node2"]
    assert run(cib, "tools.crm_resource", "--clear", "-r", "ha-vip")[0] == 0
    assert found(cib, "//rsc_location/@id") == ["not-on-node1", "rather-node3"]


def test_the_shell_edits_a_file(cib: Path) -> None:
    code, out, err = run(cib, "shell.main", "configure", "primitive", "extra", "ocf:heartbeat:IPaddr2", "params", "ip=172.16.0.7")
    assert (code, out) == (0, ""), err
    assert found(cib, "//primitive/@id") == ["ha-vip", "web", "extra"]
    assert run(cib, "shell.main", "resource", "stop", "web")[0] == 0
    assert "web" in run(cib, "shell.main", "resource", "why", "web")[1]
    assert "Start      extra" in run(cib, "shell.main", "configure", "simulate", "nograph")[1]
    assert run(cib, "shell.main", "node", "standby", "node2")[0] == 0
    assert "Node node2: standby" in run(cib, "shell.main", "status")[1]


def test_what_breaks_the_schema_is_not_written(cib: Path) -> None:
    before = cib.read_bytes()
    code, _, err = run(cib, "tools.cibadmin", "-C", "-o", "resources", "-X", '<primitive id="x" clazz="ocf"/>')
    assert code == 78
    assert "clazz='ocf': no such attribute" in err
    assert cib.read_bytes() == before


def test_what_needs_a_cluster_says_so(cib: Path) -> None:
    with pytest.raises(Refused, match="needs the running cluster") as caught:
        CibFile(str(cib)).call("node.shutdown")
    assert caught.value.exit_code == 102
    with pytest.raises(Refused) as unreadable:
        CibFile(str(cib.parent / "nowhere")).call("cib.query")
    assert unreadable.value.exit_code == 66


def test_a_disk_that_is_full_leaves_the_file_as_it_was(cib: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cib.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    operation = {"kind": "delete", "xpath": "//rsc_location[@id='rather-node3']"}
    with pytest.raises(Refused, match="No space left"):
        CibFile(str(cib)).call("cib.apply", operations=[operation])
    assert cib.read_bytes() == before
    assert [path.name for path in cib.parent.iterdir()] == ["cib.xml"]
