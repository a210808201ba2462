"""A plugin of pytest that finds assertions of nothing: places where all that was ever looked at, or compared, was empty.

    PYTHONPYCACHEPREFIX=$(mktemp -d) PYTHONPATH=tests python -m pytest -n 0 -p mutants.empty tests/engine

Looked at are comprehensions within an assertion, loops whose body only asserts, and two sides of `==` that are no literals.
"""
from __future__ import annotations

import ast
from collections.abc import Iterable, Sized
from typing import Any

import pytest
from _pytest.assertion import rewrite

#: (file, line) -> whether there was ever anything
_PLACES: dict[tuple[str, int], bool] = {}


def seen(values: Iterable[Any], file: str, line: int) -> Iterable[Any]:
    """The same values; whether there are any is kept."""
    held = values if isinstance(values, Sized) else list(values)
    _PLACES[file, line] = _PLACES.get((file, line), False) or len(held) > 0
    return held


def equal(left: Any, right: Any, file: str, line: int) -> bool:
    """Whether they are; whether there was anything to compare is kept."""
    is_something = not isinstance(left, list | dict | set | frozenset | tuple | str | bytes) or len(left) > 0
    _PLACES[file, line] = _PLACES.get((file, line), False) or is_something
    return bool(left == right)


class _Watch(ast.NodeTransformer):
    def __init__(self, file: str) -> None:
        self._file = file
        self._in_assertion = False

    def _call(self, name: str, *values: ast.expr) -> ast.expr:
        place = [ast.Constant(self._file), ast.Constant(values[0].lineno)]
        module = ast.parse(f'__import__("mutants.empty", fromlist=["{name}"]).{name}', mode="eval").body
        return ast.copy_location(ast.Call(module, [*values, *place], []), values[0])

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self._in_assertion = True
        self.generic_visit(node)
        self._in_assertion = False
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        if all(isinstance(one, ast.Assert) for one in node.body):
            node.iter = self._call("seen", node.iter)
        return self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if self._in_assertion and not node.is_async:
            node.iter = self._call("seen", node.iter)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        sides = [node.left, *node.comparators]
        if self._in_assertion and len(sides) == 2 and isinstance(node.ops[0], ast.Eq) and not any(map(_is_literal, sides)):
            return self._call("equal", *sides)
        return self.generic_visit(node)


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set) or ast.unparse(node) == "set()"


def pytest_configure(config: pytest.Config) -> None:
    del config
    real = rewrite.AssertionRewriter.run

    def run(self: Any, mod: ast.Module) -> None:
        if self.module_path and "/tests/" in self.module_path:
            _Watch(self.module_path).visit(mod)
            ast.fix_missing_locations(mod)
        real(self, mod)

    setattr(rewrite.AssertionRewriter, "run", run)  # noqa: B010


def pytest_terminal_summary(terminalreporter: Any) -> None:
    empty = sorted(place for place, ever in _PLACES.items() if not ever)
    terminalreporter.write_line(f"{len(_PLACES)} assertions about many things; of these, about nothing: {len(empty)}")
    for file, line in empty:
        terminalreporter.write_line(f"{file}:{line}")
