"""Mutants of a module: one small change each to its syntax tree."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_REMOVED = (ast.AugAssign, ast.Delete, ast.Raise, ast.Break, ast.Continue)


class Mutant(NamedTuple):
    """One change to one module.

    Attributes:
        module: Path of the module in the package.
        line: Where it is changed.
        function: Name of the function around it; empty at module level.
        change: The old and the new code.
        make: Returns the whole module with the change; a tenth of a second.
    """

    module: str
    line: int
    function: str
    change: str
    make: Callable[[], str]

    @property
    def key(self) -> str:
        """What stays the same when other lines of the module change."""
        return f"{self.module} {self.function}: {self.change}"


def mutants_of(module: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a module.

    Args:
        module: Its path in the package.
        text: Its source.
    """
    tree = ast.parse(text)
    seen: Counter[str] = Counter()
    for line, function, change, changed in (*_changed(tree), *_removals(tree, "")):
        seen[f"{function}: {change}"] += 1
        again = seen[f"{function}: {change}"]
        yield Mutant(
            module, line, function, change if again == 1 else f"{change} (number {again})", partial(changed, tree)
        )


def _changed(tree: ast.Module) -> Iterator[tuple[int, str, str, Callable[[ast.Module], str]]]:
    for node, function in _nodes(tree, ""):
        for shown, new in _changes(node):
            before = _short(ast.unparse(node))
            with _fields(node, new):
                change = shown or f"{before} → {_short(ast.unparse(node))}"
            yield node.lineno, function, change, partial(_unparsed, node, new)


def _unparsed(node: ast.AST, new: dict[str, object], tree: ast.Module) -> str:
    with _fields(node, new):
        return ast.unparse(tree)


@contextmanager
def _fields(node: ast.AST, new: dict[str, object]) -> Iterator[None]:
    before = {name: getattr(node, name) for name in new}
    node.__dict__.update(new)
    try:
        yield
    finally:
        node.__dict__.update(before)


def _nodes(node: ast.AST, function: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield the expressions and statements that run, each with the function around it."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_text(child) or _is_for_types(child):
                continue
            inside = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            if isinstance(child, (ast.expr, ast.stmt)):
                yield child, inside
            yield from _nodes(child, inside)


def _changes(node: ast.AST) -> Iterator[tuple[str | None, dict[str, object]]]:
    """Yield the changes of one node, as new values of its fields; a text where the node itself is another one."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            other = _COMPARISONS[type(operator)]()
            yield None, {"ops": [*node.ops[:place], other, *node.ops[place + 1 :]]}
    elif isinstance(node, ast.BoolOp):
        yield None, {"op": ast.Or() if isinstance(node.op, ast.And) else ast.And()}
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS and not _has_text(node):
        yield None, {"op": _OPERATORS[type(node.op)]()}
    elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
        value = node.value
        yield None, {"value": not value if type(value) is bool else value + 1}
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield f"condition reversed: {_short(ast.unparse(node.test))}", {"test": ast.UnaryOp(ast.Not(), node.test)}
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield None, {"value": ast.Constant(None)}


def _removals(node: ast.AST, function: str) -> Iterator[tuple[int, str, str, Callable[[ast.Module], str]]]:
    """Yield the removal of each statement that does something and leaves no name undefined."""
    for name, block in ast.iter_fields(node):
        for place, child in enumerate(block) if isinstance(block, list) else ():
            if not isinstance(child, ast.AST) or _is_for_types(child):
                continue
            if name in ("body", "orelse", "finalbody") and _does_something(child):
                nothing = ast.Pass(lineno=child.lineno, col_offset=0)
                new: dict[str, object] = {name: [*block[:place], nothing, *block[place + 1 :]]}
                yield child.lineno, function, f"removed: {_short(ast.unparse(child))}", partial(_unparsed, node, new)
            inside = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            yield from _removals(child, inside)


def _does_something(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, (ast.Call, ast.Yield))
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], (ast.Attribute, ast.Subscript))
    return isinstance(node, _REMOVED)


def _is_text(node: ast.AST) -> bool:
    """Return whether a statement is a docstring or the description of a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _has_text(node: ast.BinOp) -> bool:
    sides = node.left, node.right
    return any(isinstance(side, (ast.JoinedStr, ast.Constant)) and not _is_number(side) for side in sides)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _short(code: str) -> str:
    first = " ".join(code.split("\n", 1)[0].split())
    return first if len(first) <= 90 else f"{first[:87]}..."
