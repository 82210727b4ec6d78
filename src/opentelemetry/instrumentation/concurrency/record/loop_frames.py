"""Frames that run an event loop, where the walk outwards to a creation site ends.

The standard library's loop runs each callback in ``Handle._run``. On uvloop, a callback runs directly from C, so the
next frame outwards is the one that calls ``run_forever()`` or ``run_until_complete()``; the line of `asyncio.run`
behind it created nothing. The instructions between the lookup of the method and the call show whether a frame is in
such a call and not in another one on the same line.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType
from typing import Any, Final

_RUN_CALLS: Final = frozenset({"run_forever", "run_until_complete"})
_ATTRIBUTE_MAY_BE_METHOD: Final = sys.version_info >= (3, 12)
"""Since 3.12, LOAD_ATTR with its lowest bit set replaces LOAD_METHOD."""


def may_run_loop(code: CodeType) -> bool:
    """Return whether code refers to a method that runs a loop, so that `stands_in_run_call` must check its frames."""
    return not _RUN_CALLS.isdisjoint(code.co_names)


def stands_in_run_call(code: CodeType, lasti: int) -> bool:
    """Return whether the instruction at ``lasti`` (bytes) calls a method that runs a loop. Cost: a millisecond."""
    instructions = [instruction for instruction in dis.get_instructions(code) if instruction.offset <= lasti]
    for place in range(len(instructions) - 1, -1, -1):
        each = instructions[place]
        if each.argval in _RUN_CALLS and each.opname.startswith(("LOAD_METHOD", "LOAD_ATTR")):
            return _calls(instructions[place + 1 :], 2 if _pushes_self(each) else 1)
    return False


def is_handle_run(code: CodeType) -> bool:
    """Return whether code is asyncio's ``Handle._run``, which runs every callback of the standard library's loop."""
    return code.co_name == "_run" and code.co_filename == _handle_path()


def _pushes_self(load: dis.Instruction) -> bool:
    """Return whether loading a method has put both it and its object (or NULL) on the stack."""
    return load.opname.startswith("LOAD_METHOD") or (_ATTRIBUTE_MAY_BE_METHOD and bool((load.arg or 0) & 1))


def _calls(following: list[dis.Instruction], size: int) -> bool:
    """Return whether the last instruction calls the method, which takes ``size`` places on the stack before the first.

    The first call that leaves no more than its result in their place is that of the method.
    """
    for each in following:
        size += dis.stack_effect(each.opcode, each.arg if each.opcode >= dis.HAVE_ARGUMENT else None, jump=False)
        if size <= 1:
            return each is following[-1]
    return False


def _handle_path() -> str:
    events: Any = sys.modules.get("asyncio.events")
    return events.Handle._run.__code__.co_filename if events is not None else ""
