"""Single-point changes of a module: Cosmic Ray's, and three that it lacks.

Left out, for they change nothing that a test could see: annotations (they are never evaluated), constants of a module
(sizes, pauses, counts of attempts: settings, not rules), the number of a -1 that says "none", `==` for `is`; and exceptions
that are named with their module or unpacked, which Cosmic Ray fails to replace.
"""
from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from parso.tree import search_ancestor

Span = tuple[tuple[int, int], tuple[int, int]]
#: What is replaced by what; other pairs of Cosmic Ray's fail at once, or differ for nobody (`|` and `+` of flags).
OF_EACH = {
    "ReplaceComparisonOperator": ("Lt LtE Gt GtE Eq NotEq", "Is IsNot", "In NotIn"),
    "ReplaceBinaryOperator": ("Add Sub", "Mul FloorDiv Div Mod", "BitOr BitAnd", "LShift RShift"),
}


class RemoveStatement:
    """A call, an assignment or a raise within a function becomes `pass`."""

    KINDS = ("expr_stmt", "atom_expr", "power", "raise_stmt", "await_expr", "del_stmt")

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        if node.type == "simple_stmt" and node.children[0].type in self.KINDS and _in_function(node):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        del index
        node.children[0] = _code(node.children[0], "pass")
        return node


class ReturnNothing:
    """`return value` becomes `return None`; not of what is as false as that."""

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        if node.type == "return_stmt" and node.children[1].get_code(include_prefix=False) not in ("None", "False"):
            yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        del index
        node.children[1] = _code(node.children[1], "None")
        return node


class RemoveKeyword:
    """A call without one of its arguments that are given by name."""

    def mutation_positions(self, node: Any) -> Iterator[Span]:
        for place in self._places(node):
            yield node.children[place].start_pos, node.children[place].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        place = list(self._places(node))[index]
        # with the comma behind it, or the one before it
        first = place if place + 1 < len(node.children) else place - 1
        del node.children[first : first + 2]
        return node

    @staticmethod
    def _places(node: Any) -> Iterator[int]:
        if node.type == "arglist":
            for place, child in enumerate(node.children):
                if child.type == "argument" and child.children[1] == "=":
                    yield place


def _is_plausible(name: str) -> bool:
    kind, _, pair = name.partition("_")
    return kind not in OF_EACH or any(set(pair.split("_")) <= set(group.split()) for group in OF_EACH[kind])


#: Those of Cosmic Ray that need no arguments, by name, and ours.
OPERATORS: dict[str, Any] = {
    name.split("/")[1]: get_operator(name)
    for name in operator_names() if not get_operator(name).arguments() and _is_plausible(name.split("/")[1])
} | {cls.__name__: cls for cls in (RemoveStatement, ReturnNothing, RemoveKeyword)}


@dataclass(frozen=True)
class Change:
    """One place of one file, and what becomes of it."""

    file: str
    operator: str
    #: counts the operator's places in the file, from 0
    occurrence: int
    line: int

    def apply(self, code: str) -> str:
        changed = mutate_code(code, OPERATORS[self.operator](), self.occurrence)
        assert changed is not None, self
        return str(changed)

    def lines(self, code: str) -> tuple[str, str]:
        """(what was there, what is there now), without indentation."""
        found = list(ndiff(code.splitlines(), self.apply(code).splitlines()))
        was, now = ([line[2:].strip() for line in found if line[0] == sign] for sign in "-+")
        return " ".join(was), " ".join(now)


def changes(root: Path, file: str) -> dict[Span, list[Change]]:
    """All of one file, by the place that they change."""
    code = (root / file).read_text("utf-8")
    tree, left_out = get_ast(code), list(_left_out(ast.parse(code)))
    found: dict[Span, list[Change]] = defaultdict(list)
    for name, operator in OPERATORS.items():
        one = operator()
        spans = [span for node in ast_nodes(tree) for span in one.mutation_positions(node)]
        for occurrence, (start, end) in enumerate(spans):
            if not any(first <= start and end <= last for first, last in left_out):
                found[start, end].append(Change(file, name, occurrence, start[0]))
    return found


def _left_out(tree: ast.Module) -> Iterator[Span]:
    nodes: list[ast.AST | None] = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            nodes.append(node.annotation)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            nodes.append(node.operand)
        elif isinstance(node, ast.ExceptHandler):
            named = ast.walk(node.type) if node.type else ()
            if any(isinstance(one, ast.Attribute | ast.Starred) for one in named):
                nodes.append(node.type)
    for one in nodes:
        if isinstance(one, ast.stmt | ast.expr):
            yield (one.lineno, one.col_offset), (one.end_lineno or 0, one.end_col_offset or 0)


def _in_function(node: Any) -> bool:
    return search_ancestor(node, "funcdef") is not None


def _code(node: Any, text: str) -> Any:
    return get_ast(node.get_first_leaf().prefix + text)
