"""Nothing that crosses a process boundary or is held in number has a __dict__."""
from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tgbulk import engine, stages
from tgbulk.engine import frame


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """Every module below the package, imported."""
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield importlib.import_module(found.name)


def classes() -> Iterator[type[Any]]:
    """Every class that engine and stages define."""
    for module in [*modules(engine), *modules(stages)]:
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value


def has_dict(cls: type[Any]) -> bool:
    """Whether instances have a __dict__, their own or that of a base class without slots."""
    return cls.__dictoffset__ != 0


def test_frames() -> None:
    list(classes())
    known = frame.known()
    assert len(known) > 15
    assert [name for name, cls in known.items() if has_dict(cls)] == []


def is_record(cls: type[Any]) -> bool:
    """A struct, not a service: a dataclass, or a tuple with names."""
    return dataclasses.is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))


@pytest.mark.parametrize("cls", [cls for cls in classes() if is_record(cls)], ids=lambda cls: cls.__qualname__)
def test_records(cls: type[Any]) -> None:
    """Also those of which there is one, such as configuration: so there is no exception to remember."""
    assert not has_dict(cls)


def test_it_would_be_found() -> None:
    @dataclasses.dataclass
    class Loose:
        number: int

    @dataclasses.dataclass(slots=True)
    class Heir(Loose):
        other: int

    assert has_dict(Loose)
    assert has_dict(Heir)
    with pytest.raises(TypeError):
        frame.frame(Loose)
