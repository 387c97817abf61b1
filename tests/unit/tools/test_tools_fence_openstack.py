"""fence_openstack at its edge: lines, options, openrc files, and what is printed without a cloud."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from standfast.base.report import Refused
from standfast.fencing import agents
from standfast.openstack.fence_settings import settings
from standfast.openstack.ladder import Result
from standfast.tools import fence_openstack
from standfast.tools.fence_openstack import explicit, from_lines, from_openrc, from_options, main


def test_lines_and_options_mean_the_same() -> None:
    lines = from_lines("# from the cluster\naction=off\nplug=b\n\ncloud=lab\npassword=a=b\n")
    words = from_options(["-o", "off", "-n", "b", "--cloud", "lab", "--password=a=b"])
    assert lines == words == {"action": "off", "plug": "b", "cloud": "lab", "password": "a=b"}
    assert from_options(["--ssl-insecure", "-o", "list"]) == {"ssl-insecure": "1", "action": "list"}


@pytest.mark.parametrize("words", [["what"], ["-o"], ["--cloud"]])
def test_what_is_not_understood_is_refused(words: list[str]) -> None:
    with pytest.raises(Refused):
        from_options(words)


@pytest.mark.parametrize(
    ("action", "rc", "told"),
    [("status", 0, "Status: ON\n"), ("status", 2, "Status: OFF\n"), ("reboot", 0, "Success: Rebooted\n"), ("off", 1, "")],
)
def test_a_person_who_tries_it_is_told_in_the_words_of_fence_agents(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str, rc: int, told: str
) -> None:
    monkeypatch.setattr(fence_openstack, "carry_out", lambda _: Result(rc))
    assert main(["-o", action, "-n", "b", "--cloud", "lab"]) == rc
    assert capsys.readouterr().out == told


def test_meta_data_without_a_cloud(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-o", "metadata"]) == 0
    assert 'resource-agent name="fence_openstack"' in capsys.readouterr().out
    assert main(["-o", "off", "--cloud", "lab"]) != 0
    assert "pcmk_host_map" in capsys.readouterr().err


def test_an_openrc_of_horizon(tmp_path: Path) -> None:
    file = tmp_path / "rc"
    file.write_text('#!/bin/sh\nexport OS_AUTH_URL=https://k:5000/v3\nexport OS_USERNAME="ha user"\nOS_REGION_NAME=r1  # here\n'
                    "export OS_PASSWORD='a b#c'\nunset OS_TENANT_ID\nif [ -z x ]; then true; fi\n")  # fmt: skip
    found = from_openrc(str(file))
    assert found["auth"] == {"auth_url": "https://k:5000/v3", "username": "ha user", "password": "a b#c"}
    assert found["region_name"] == "r1"
    file.write_text("nothing")
    with pytest.raises(Refused):
        from_openrc(str(file))
    with pytest.raises(Refused):
        from_openrc(str(tmp_path / "absent"))


def test_a_script_gives_the_password(tmp_path: Path) -> None:
    script = tmp_path / "pass"
    script.write_text("#!/bin/sh\necho s3cret\n")
    script.chmod(0o700)
    given = {"auth_url": "http://k", "username": "u", "plug": "b", "action": "off", "passwd_script": str(script)}
    assert explicit(settings(given))["auth"]["password"] == "s3cret"
    with pytest.raises(Refused):
        explicit(settings(given | {"passwd_script": "/nowhere"}))


def test_nonsense_is_refused_and_never_raises_anything_else(tmp_path: Path) -> None:
    chance = random.Random(5)
    letters = "OS_AUTHURL=export '\"\\#$`\n\0é=-"
    for _ in range(2_000):
        text = "".join(chance.choice(letters) for _ in range(chance.randrange(80)))
        (tmp_path / "rc").write_text(text)
        try:
            from_openrc(str(tmp_path / "rc"))
            settings(from_lines(text))
            from_options(text.split())
        except Refused:
            pass


def test_ours_goes_before_another_of_its_name() -> None:
    own = (("fence_openstack", "/opt/sf/bin/fence_openstack"),)
    assert agents.path("fence_openstack", "/usr/sbin", own) == "/opt/sf/bin/fence_openstack"
    assert agents.path("fence_ipmilan", "/usr/sbin", own) == "/usr/sbin/fence_ipmilan"
