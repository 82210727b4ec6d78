"""Wait reasons of threads asleep in C functions, from the calling instruction.

A C function leaves no frame, so only its name is known. A Python function of the same name would have a frame of its
own; a thread that sleeps in a C function named ``acquire`` therefore waits for a lock, of whatever type. Other names
carry no information.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Final

_REASONS: Final[dict[str, str]] = {
    **dict.fromkeys(("acquire", "acquire_lock", "flock", "lockf"), "lock.acquire"),
    **dict.fromkeys(("sleep", "clock_nanosleep"), "sleep"),
    **dict.fromkeys(("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "accept", "input"), "io.read"),
    **dict.fromkeys(("read", "readinto", "readline", "readlines", "select", "poll"), "io.read"),
    **dict.fromkeys(("run_forever", "run_until_complete"), "io.read"),
    **dict.fromkeys(("send", "sendall", "sendto", "sendmsg", "sendfile", "write", "writelines", "connect"), "io.write"),
    **dict.fromkeys(("wait3", "wait4", "waitpid", "waitid"), "subprocess"),
}
_ENTER_BLOCK: Final = frozenset({"BEFORE_WITH", "SETUP_WITH"})
_KEYWORD_CALLS: Final = frozenset({"CALL_FUNCTION_KW", "CALL_KW"})
_CALLS: Final = frozenset({"CALL", "PRECALL", "CALL_FUNCTION", "CALL_METHOD"}) | _KEYWORD_CALLS
_MAX_KNOWN: Final = 1024
_known: dict[tuple[int, int], tuple[CodeType, str | None, bool]] = {}


def c_call_reason(code: CodeType, lasti: int) -> str | None:
    """Return the wait reason of a thread that sleeps at an instruction, or None if the instruction does not show it.

    Args:
        code: The code of the thread's innermost frame.
        lasti: The offset in bytes of its current instruction.

    Cost: a millisecond, once per instruction.
    """
    return _read(code, lasti)[1]


def stands_in_call(code: CodeType, lasti: int) -> bool:
    """Return whether an instruction is a call, so that the thread may be inside a C function."""
    return _read(code, lasti)[2]


def _read(code: CodeType, lasti: int) -> tuple[CodeType, str | None, bool]:
    known = _known.get((id(code), lasti))
    if known is None or known[0] is not code:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        instructions = [instruction for instruction in dis.get_instructions(code) if instruction.offset <= lasti]
        name = instructions[-1].opname if instructions else ""
        is_call = name in _CALLS or name in _ENTER_BLOCK or name == "CALL_FUNCTION_EX"
        # The entry keeps the code alive, so that its id is not reused.
        known = _known[id(code), lasti] = (code, _reason(instructions) if is_call else None, is_call)
    return known


def _reason(instructions: list[dis.Instruction]) -> str | None:
    call = instructions.pop()
    if call.opname in _ENTER_BLOCK:
        return "lock.acquire"
    if call.opname == "CALL" and instructions and instructions[-1].opname == "PRECALL":
        call = instructions.pop()
    loaded = _loads_callable(instructions, call)
    if loaded is None:
        return None
    if loaded.opname == "LOAD_SPECIAL":
        return "lock.acquire" if "__enter__" in loaded.argrepr else None
    return _REASONS.get(loaded.argval) if type(loaded.argval) is str else None


def _loads_callable(instructions: list[dis.Instruction], call: dis.Instruction) -> dis.Instruction | None:
    """Return the instruction that pushed the callable: the last one after which the callable was on top."""
    if call.opname not in _CALLS or call.arg is None:
        return None
    sought = -(call.arg + (call.opname in _KEYWORD_CALLS))
    height = 0
    for place in range(len(instructions) - 1, -1, -1):
        each = instructions[place]
        if height == sought and each.opname not in ("KW_NAMES", "CACHE", "EXTENDED_ARG"):
            if each.opname == "PUSH_NULL" and place:
                each = instructions[place - 1]
            return each
        height -= dis.stack_effect(each.opcode, each.arg if each.opcode >= dis.HAVE_ARGUMENT else None, jump=False)
        if height < sought:
            return None
    return None
