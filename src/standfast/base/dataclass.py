"""`dataclass`: the standard library's, defined in a third of the time. Each command of ours begins with defining dozens of them.

Up to Python 3.12 the standard library compiles every method of every class apart, six for a frozen one: that was a quarter of the
time of a whole `crm_simulate`. Here `__init__` is compiled at once, and what compares and hashes when it is first asked to.
A frozen class fills its slots through their descriptors, three times as fast as `object.__setattr__`.

What comes out is a dataclass of the standard library (for `fields`, `replace`, `asdict`, `match`, msgspec), and the type checker
takes it for one. What no class here asks for is left out: classes without slots, `kw_only`, `InitVar`, `unsafe_hash`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, slots: bool, frozen: bool = False, eq: bool = True, order: bool = False) -> Callable[[type], type]:
        """The class with `__init__` and `__repr__`, compared by value where `eq`, unchangeable (and hashed) where `frozen`."""
        if not slots:
            raise TypeError("a dataclass without slots: ask the standard library for it")
        return lambda cls: _made(cls, frozen=frozen, eq=eq, order=order)


Field = dataclasses.Field[Any]
Method = Callable[..., Any]
_GIVEN_BY_NOBODY = object()
_ORDER = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}


def _made(cls: type, *, frozen: bool, eq: bool, order: bool) -> type:
    own = vars(cls)
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    fields = dataclasses.fields(cls)
    compared = "".join(f"{{0}}.{field.name}, " for field in fields if field.compare)
    methods: dict[str, Method | None] = {"__init__": _init(cls, fields, frozen=frozen), "__repr__": _repr(fields)}
    if eq:
        methods |= {"__eq__": _comparing(cls, "__eq__", "==", compared), "__hash__": _hashing(cls, compared) if frozen else None}
    if order:
        methods |= {name: _comparing(cls, name, sign, compared) for name, sign in _ORDER.items()}
    if frozen:
        methods |= _FROZEN
    for name, method in methods.items():
        if name not in own:  # what a class says itself stands
            setattr(cls, name, method)
    return cls


def _init(cls: type, fields: tuple[Field, ...], *, frozen: bool) -> Method:
    """`__init__`, compiled with the globals of the class's module, where the types of its arguments resolve."""
    names: dict[str, Any] = {"_nobody": _GIVEN_BY_NOBODY}
    arguments, lines = ["self"], []
    for field in fields:
        name = value = field.name
        if field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            arguments.append(f"{name}=_default_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            names[f"_new_{name}"] = field.default_factory
            arguments.append(f"{name}=_nobody")
            value = f"_new_{name}() if {name} is _nobody else {name}"
        elif field.init:
            arguments.append(name)
        else:  # __post_init__ fills it
            continue
        names[f"_set_{name}"] = getattr(cls, name).__set__
        lines.append(f"_set_{name}(self, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    init = _compiled(cls, "__init__", arguments, lines or ["pass"], names)
    init.__annotations__ = {**{field.name: field.type for field in fields if field.init}, "return": None}
    return init


def _compiled(cls: type, name: str, arguments: list[str], lines: list[str], names: dict[str, Any]) -> Method:
    body = "\n  ".join(lines)
    text = f"def make({', '.join(names)}):\n def {name}({', '.join(arguments)}):\n  {body}\n return {name}"
    scope: dict[str, Any] = {}
    exec(text, vars(sys.modules[cls.__module__]), scope)  # noqa: S102 - as the standard library does; the text is the class's own
    method: Method = scope["make"](**names)
    method.__qualname__ = f"{cls.__qualname__}.{name}"
    return method


def _comparing(cls: type, name: str, sign: str, values: str) -> Method:
    """A comparison of the values in the order of the fields, with objects of the same class only."""

    def first(self: object, other: object) -> Any:
        lines = [
            "if other.__class__ is self.__class__:",
            f" return ({values.format('self')}) {sign} ({values.format('other')})",
            "return NotImplemented",
        ]
        method = _compiled(cls, name, ["self", "other"], lines, {})
        setattr(cls, name, method)
        return method(self, other)

    return first


def _hashing(cls: type, values: str) -> Method:
    def first(self: object) -> int:
        method = _compiled(cls, "__hash__", ["self"], [f"return hash(({values.format('self')}))"], {})
        type.__setattr__(cls, "__hash__", method)
        return int(method(self))

    return first


def _repr(fields: tuple[Field, ...]) -> Method:
    names = [field.name for field in fields if field.repr]

    @recursive_repr()
    def method(self: object) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return method


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"{type(self).__qualname__}.{name} cannot be changed")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_FROZEN: dict[str, Any] = {"__setattr__": _refuse, "__delattr__": _refuse, "__getstate__": _state, "__setstate__": _restore}
"""Without the last two, a copy would be filled as any object is, and refused."""
