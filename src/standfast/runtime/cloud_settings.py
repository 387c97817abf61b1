"""Why a cloud's settings cannot be used, told from the files themselves: openstacksdk passes over a file that it cannot read, and
then says that the cloud was not found.

No value of a file is told, and no text around a fault of its syntax: a password may stand there.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

NAMES_MAX = 8
OVERRIDE = "OS_CLIENT_CONFIG_FILE"
VARIABLES = ("OS_AUTH_URL", "OS_CLOUD")


class SettingsError(Exception):
    """The settings of this host do not say whom to ask, or with what."""


def why_not(cloud: str, fault: Exception) -> SettingsError:
    """What is to be told after the library has refused the settings of a cloud with `fault`."""
    from openstack.config import loader

    override = os.environ.get(OVERRIDE)
    names = [override] if override else list(dict.fromkeys(loader.CONFIG_FILES))
    path = next((Path(name) for name in names if os.path.lexists(name)), None)  # the library reads one, the first
    if cloud == "envvars":
        return SettingsError(_library("the variables OS_AUTH_URL, OS_USERNAME, ... of this process", fault))
    if path is None:
        listed = ", ".join(name for name in names if override or name.endswith(".yaml"))
        return SettingsError(f"there is no clouds.yaml; looked for {listed}")
    clouds, problem = _clouds(path)
    if problem:
        return SettingsError(f"{path} {problem}")
    if cloud in clouds:
        return SettingsError(_library(f"the entry {cloud} of {path}", fault))
    has = sorted(clouds)
    more = ", ..." if len(has) > NAMES_MAX else ""
    return SettingsError(f"no cloud {cloud} in {path}; it has {', '.join(has[:NAMES_MAX]) or 'none'}{more}")


def _library(what: str, fault: Exception) -> str:
    """The library's own words where they are made for people."""
    if type(fault).__module__.partition(".")[0] in ("openstack", "keystoneauth1"):
        return f"{what} cannot be used: {' '.join(str(fault).split())}"
    return f"{what} cannot be understood ({type(fault).__name__})"


def _clouds(path: Path) -> tuple[tuple[str, ...], str]:
    """The names in a file, or what is wrong with it."""
    yaml: Any = importlib.import_module("yaml")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as fault:
        return (), f"cannot be read: {fault.strerror}"
    except UnicodeDecodeError:
        return (), "is no text in UTF-8"
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        return (), f"is no YAML{where}"
    clouds = value.get("clouds") if isinstance(value, dict) else None
    if not isinstance(clouds, dict):
        return (), "has no section clouds with names in it"
    return tuple(str(name) for name in clouds), ""
