"""What is kept: the corpora and the crashes of each target, one file an input, named by its content."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from tests.fuzz import targets

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
CRASHES = HERE / "crashes"


def names() -> list[str]:
    """The targets."""
    return sorted(module.name for module in pkgutil.iter_modules(targets.__path__))


def target(name: str) -> ModuleType:
    """The module of a target."""
    return importlib.import_module(f"tests.fuzz.targets.{name}")


def known(name: str) -> list[Path]:
    """Every input that is kept for a target."""
    return sorted(path for folder in (CORPUS, CRASHES) for path in (folder / name).glob("*") if path.is_file())


def keep(name: str, kind: str, data: bytes) -> Path:
    """Keep what broke a target."""
    folder = CRASHES / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path
