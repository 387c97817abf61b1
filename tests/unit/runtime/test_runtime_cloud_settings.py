"""What is told of a clouds.yaml that cannot be used: which file, where, which names it has; never what stands in it."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from standfast.openstack.api import Fault
from standfast.runtime.cloud_session import Cloud

pytest.importorskip("openstack.config")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries

SECRET = "hunter2"
GOOD = f"""
clouds:
  lab:
    auth: {{auth_url: "http://127.0.0.1:9/v3", username: owner, password: {SECRET}, project_name: p}}
  bare: {{}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "creds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path


def ask(cloud: str = "lab") -> dict[str, Any]:
    request = {"service": "network", "method": "GET", "path": "/v2.0/ports", "query": (), "timeout_ms": 1000}
    return Cloud(cloud).call(request)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"clouds:\n  lab: [\n  password: {SECRET}", "is no YAML (line 3, column 20)"),
        (f"clouds:\n  lab:\n    password: *{SECRET}\n", "is no YAML (line 3, column 15)"),
        ("clouds: 7\n", "has no section clouds with names in it"),
        ("", "has no section clouds with names in it"),
        ("- a\n- b\n", "has no section clouds with names in it"),
    ],
)
def test_a_broken_file_is_named_with_the_place_and_without_a_word_of_it(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    answer = ask()
    assert (answer["fault"], answer["detail"]) == (Fault.SETTINGS, f"{file} {told}")


def test_a_file_that_is_absent_a_folder_or_binary(file: Path) -> None:
    assert ask()["detail"] == f"there is no clouds.yaml; looked for {file}"
    file.mkdir()
    assert ask()["detail"] == f"{file} cannot be read: Is a directory"
    file.rmdir()
    file.write_bytes(b"clouds: \xff\xfe")
    assert ask()["detail"] == f"{file} is no text in UTF-8"
    assert ask("envvars")["fault"] is Fault.SETTINGS


def test_a_name_that_is_not_in_it_is_told_beside_those_that_are(file: Path) -> None:
    file.write_text(GOOD)
    assert ask("lba")["detail"] == f"no cloud lba in {file}; it has bare, lab"
    assert ask("bare")["fault"] is Fault.SETTINGS
    assert ask()["fault"] is Fault.UNREACHABLE, "the file is in order, and nobody answers there"


def test_of_several_files_the_one_is_told_of_that_is_read(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openstack.config import loader

    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    first, second = tmp_path / "clouds.yml", tmp_path / "etc.yaml"
    monkeypatch.setattr(loader, "CONFIG_FILES", [str(tmp_path / "clouds.yaml"), str(first), str(second)])
    second.write_text(GOOD)
    assert ask("lba")["detail"] == f"no cloud lba in {second}; it has bare, lab"
    first.write_text("clouds:\n  other: {}\n")
    assert ask()["detail"] == f"no cloud lab in {first}; it has other"


def test_whatever_stands_in_the_file_no_value_of_it_is_told(file: Path) -> None:
    draw = random.Random(5)
    for _ in range(60):
        text = list(GOOD)
        for _ in range(draw.randrange(1, 6)):
            text[draw.randrange(len(text))] = draw.choice("[]{}:*&!|>%@`'\"\n\t -#,\0")
        file.write_text("".join(text))
        answer = ask()
        assert answer["status"] == 0
        assert "hunter" not in answer["detail"]
