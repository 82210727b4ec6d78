"""The lines of a program that a report must name, and those that it must not, read from the comments beside them.

``# guilty`` stands on each line that creates what leaks, as a person who fixes the bug would name it. ``# innocent``
stands on lines that create what is healthy: the nearer it lies to the guilty line, the better.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, Literal

Mark = Literal["guilty", "innocent"]
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_MARKS: Final[tuple[Mark, ...]] = ("guilty", "innocent")


@cache
def marked_lines(path: Path) -> dict[Mark, frozenset[int]]:
    """Return the numbers of the lines of a program that bear each mark.

    Args:
        path: The program.
    """
    lines: dict[Mark, set[int]] = {mark: set() for mark in _MARKS}
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type != tokenize.COMMENT:
            continue
        # A mark may be followed by why: "# guilty: nothing cancels it".
        word = token.string.removeprefix("#").strip().partition(":")[0]
        for mark in _MARKS:
            if word == mark:
                lines[mark].add(token.start[0])
    return {mark: frozenset(numbers) for mark, numbers in lines.items()}


def function_at(path: Path, line: int) -> str:
    """Return the qualified name, without ``<locals>``, of the innermost function that a line of a program belongs to.

    Args:
        path: The program.
        line: The number of the line.
    """
    names: list[str] = []
    node: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    while True:
        inner = next((child for child in _scopes(node) if child.lineno <= line <= (child.end_lineno or 0)), None)
        if inner is None:
            return ".".join(names) or "<module>"
        names.append("<lambda>" if isinstance(inner, ast.Lambda) else inner.name)
        node = inner


def _scopes(node: ast.AST) -> Iterator[Scope]:
    """Yield the functions and classes directly inside a node, through any other statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Scope):
            yield child
        else:
            yield from _scopes(child)
