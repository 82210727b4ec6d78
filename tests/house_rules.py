"""The rules of the house, each as a function over one source text or one folder that returns what breaks it."""

import ast
import re

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40
HOOKS = {"create_task", "create_task_hook", "thread_start_hook"}
"""Longer functions: hooks are closures, and what they close over is made beside them."""
_FORBIDDEN_NAMES = re.compile(r"utils?|helpers?|common|manager|misc")


def missing_docstring(source):
    """Return what a module without a docstring lacks."""
    return [] if ast.get_docstring(ast.parse(source)) else ["the module has no docstring"]


def too_many_lines(source):
    """Return by how much a module is too long."""
    lines = len(source.splitlines())
    return [f"{lines} lines"] if lines > MAX_MODULE_LINES else []


def forbidden_name(stem):
    """Return the name of a module if it says nothing about what it is for."""
    return [stem] if _FORBIDDEN_NAMES.search(stem) else []


def long_functions(source):
    """Return the functions that are too long without their docstrings, those within them counted."""
    return [
        f"{node.name} has {lines} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := _lines_of(node)) > MAX_FUNCTION_LINES
        and node.name not in HOOKS
    ]


def cycles(imports):
    """Return the groups of modules that import each other, of any size.

    Args:
        imports: By module, those that it imports.
    """
    reached = {module: _reached_from(module, imports) for module in imports}
    groups = {frozenset(other for other in reached[module] if module in reached.get(other, ())) for module in imports}
    return sorted(sorted(group) for group in groups if group)


def imports_of(folder):
    """Return, by module below ``folder``, the modules there that it imports, also within functions.

    What only the type checker reads is left out.
    """
    modules = {_module_name(path, folder): path for path in sorted(folder.rglob("*.py"))}
    return {name: _imported_by(name, path, modules) - {name} for name, path in modules.items()}


def namespace_inits(package):
    """Return the ``__init__.py`` of the namespace packages around a package, which must not exist."""
    return [path for path in (package.parent / "__init__.py", package.parent.parent / "__init__.py") if path.exists()]


def _lines_of(function):
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.end_lineno - function.body[1 if documented else 0].lineno + 1


def _reached_from(module, imports):
    reached, pending = set(), list(imports[module])
    while pending:
        other = pending.pop()
        if other not in reached:
            reached.add(other)
            pending += imports.get(other, ())
    return reached


def _module_name(path, folder):
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_by(name, path, modules):
    tree = ast.parse(path.read_text())
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    for_types = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in for_types:
            base = [*package[: len(package) - node.level + 1], *([node.module] if node.module else [])]
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                found.add(whole if whole in modules else ".".join(base))
    return found & set(modules)
