"""Names that a function's code stores, loads and calls, read from its bytecode.

Each code object is scanned once. `dis` takes a millisecond per function, a scan of the bytes microseconds.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType
from typing import Final, NamedTuple

_EXTENDED: Final = dis.EXTENDED_ARG
_STORE_ATTR: Final = dis.opmap["STORE_ATTR"]
_STORE_DEREF: Final = dis.opmap["STORE_DEREF"]
_FAST_STORES: Final = frozenset(
    dis.opmap[name] for name in ("STORE_FAST", "DELETE_FAST", "STORE_FAST_MAYBE_NULL") if name in dis.opmap
)
_STORE_BOTH: Final = dis.opmap.get("STORE_FAST_STORE_FAST", -1)
_FAST_PAIRS: Final = frozenset({_STORE_BOTH, dis.opmap.get("STORE_FAST_LOAD_FAST", -1)})
"""Since 3.13, one instruction may name two variables, in four bits each."""
_COUNTS_WITH_LOCALS: Final = hasattr(CodeType, "co_qualname")
"""Since 3.11, closure variables are numbered together with the locals."""
_LOAD_GLOBAL: Final = dis.opmap["LOAD_GLOBAL"]
_GLOBAL_LOADS: Final = frozenset({_LOAD_GLOBAL, dis.opmap["LOAD_NAME"]})
_GLOBAL_SHIFT: Final = 1 if _COUNTS_WITH_LOCALS else 0
"""Since 3.11, the lowest bit states whether a call follows."""
_MAX_KNOWN: Final = 4096
_known: dict[int, tuple[CodeType, NamesInCode]] = {}
_known_awaited: dict[int, tuple[CodeType, frozenset[str]]] = {}
_PUSHES_NULL_AFTER: Final = int("CALL_KW" in dis.opmap)
"""Since 3.13, a NULL lies on the stack between the callable and its arguments."""
_HAS_PRECALL: Final = "PRECALL" in dis.opmap
"""On 3.11, the instruction before a call pops the arguments."""
_ALWAYS_TAKES_KEYWORDS: Final = dis.opmap["CALL_FUNCTION_EX"] < dis.HAVE_ARGUMENT
"""Since 3.14, ``CALL_FUNCTION_EX`` always has a stack entry for keyword arguments, possibly NULL."""
_CALLS: Final = {
    "CALL": lambda argument: argument + _PUSHES_NULL_AFTER,
    "CALL_KW": lambda argument: argument + 1 + _PUSHES_NULL_AFTER,
    "CALL_FUNCTION": lambda argument: argument,
    "CALL_FUNCTION_KW": lambda argument: argument + 1,
    "CALL_FUNCTION_EX": lambda argument: 1 + (argument & 1 | _ALWAYS_TAKES_KEYWORDS) + _PUSHES_NULL_AFTER,
}
"""Number of stack entries above the callable, by instruction."""


class NamesInCode(NamedTuple):
    """Names that a function's code uses.

    Attributes:
        attributes: Attributes that the function stores.
        cells: Variables shared with closures that the function stores.
        variables: Local variables that the function stores or deletes.
        loaded: Global names that the function loads.
    """

    attributes: frozenset[str]
    cells: frozenset[str]
    variables: frozenset[str]
    loaded: frozenset[str]


def names_in(code: CodeType) -> NamesInCode:
    """Return the names that a function's code stores and loads. Cost: 50 ns per byte, once per code object."""
    known = _known.get(id(code))
    if known is None or known[0] is not code:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        # The entry keeps the code alive, so that its id is not reused.
        known = _known[id(code)] = (code, _scan(code))
    return known[1]


def _scan(code: CodeType) -> NamesInCode:
    attributes: set[str] = set()
    cells: set[str] = set()
    variables: set[str] = set()
    loaded: set[str] = set()
    shared = _shared_names(code)
    for opcode, argument in _instructions(code):
        if opcode == _STORE_ATTR:
            attributes.add(code.co_names[argument])
        elif opcode in _GLOBAL_LOADS:
            loaded.add(code.co_names[argument >> _GLOBAL_SHIFT if opcode == _LOAD_GLOBAL else argument])
        elif opcode == _STORE_DEREF:
            cells.update(shared[argument : argument + 1])
        elif opcode in _FAST_STORES:
            variables.update(code.co_varnames[argument : argument + 1])
        elif opcode in _FAST_PAIRS:
            variables.update(code.co_varnames[argument >> 4 : (argument >> 4) + 1])
            if opcode == _STORE_BOTH:
                variables.update(code.co_varnames[argument & 15 : (argument & 15) + 1])
    return NamesInCode(*map(frozenset, (attributes, cells, variables, loaded)))


def _instructions(code: CodeType) -> Iterator[tuple[int, int]]:
    raw, extended = code.co_code, 0
    for place in range(0, len(raw) - 1, 2):
        opcode, argument = raw[place], raw[place + 1] | extended
        extended = argument << 8 if opcode == _EXTENDED else 0
        if opcode != _EXTENDED:
            yield opcode, argument


def _shared_names(code: CodeType) -> tuple[str, ...]:
    """Return the names that the argument of ``STORE_DEREF`` indexes."""
    if not _COUNTS_WITH_LOCALS:
        return code.co_cellvars + code.co_freevars
    own = set(code.co_varnames)
    return (*code.co_varnames, *(name for name in code.co_cellvars if name not in own), *code.co_freevars)


def awaited_calls(code: CodeType) -> frozenset[str]:
    """Return the names of local variables that a function calls in order to await the result: ``await make()``.

    Cost: one millisecond per code object, once. A call behind an unknown instruction is not seen.
    """
    known = _known_awaited.get(id(code))
    if known is None or known[0] is not code:
        if len(_known_awaited) >= _MAX_KNOWN:
            _known_awaited.clear()
        found = list(dis.get_instructions(code)) if "GET_AWAITABLE" in dis.opmap else []
        shown = [
            instruction
            for instruction in found
            if instruction.opname not in ("CACHE", "EXTENDED_ARG", "PRECALL", "KW_NAMES")
        ]
        calls = [place - 1 for place, each in enumerate(shown) if each.opname == "GET_AWAITABLE"]
        names = frozenset(name for call in calls if (name := _variable_called(shown, call)))
        known = _known_awaited[id(code)] = (code, names)
    return known[1]


def _variable_called(instructions: list[dis.Instruction], call: int) -> str:
    """Return the variable that the instruction at ``call`` calls, found by walking back over its arguments, or ""."""
    above = _CALLS.get(instructions[call].opname)
    left = above(instructions[call].arg or 0) if above is not None and call > 0 else -1
    for instruction in reversed(instructions[:call]):
        if left < 0 or instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            break
        if left == 0:
            name = instruction.argval[-1] if type(instruction.argval) is tuple else instruction.argval
            return name if instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF")) and type(name) is str else ""
        left -= dis.stack_effect(
            instruction.opcode, instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None, jump=False
        )
        if _HAS_PRECALL and instruction.opname == "CALL":
            left += instruction.arg or 0
        if left == 0 and _PUSHES_NULL_AFTER and instruction.opname != "PUSH_NULL":
            # A method call: the entry is the object of the method.
            break
    return ""


def names_function(code: CodeType, name: str) -> bool:
    """Return whether code, or a function defined in it, refers to ``name``, possibly in order to call it."""
    if name in code.co_names or name in code.co_freevars or name in code.co_varnames or name in code.co_cellvars:
        return True
    return any(type(constant) is CodeType and names_function(constant, name) for constant in code.co_consts)


def contains_code(code: CodeType, inner: CodeType) -> bool:
    """Return whether a function is defined within the code of another, at any depth."""
    return any(
        type(constant) is CodeType and (constant is inner or contains_code(constant, inner))
        for constant in code.co_consts
    )
