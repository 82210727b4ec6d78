"""Lazy import and start of the agent.

The scan thread imports the agent when it is first needed. A fork during the import would leave the child with a module
lock that no thread releases. A fork therefore waits for an agent that is starting, and no agent starts during a fork.
If the wait takes too long, the child gets no agent.

* No lock is held across the fork: each side announces itself before it checks the other.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from ..record.fork import is_fork_under_way

if TYPE_CHECKING:
    from .agent import Agent
    from .target import Target

from ..own_log import own_logger

_logger = own_logger()

_START_LIMIT_S: Final = 5.0
_START_PAUSE_S: Final = 0.001


class LateAgent:
    """An agent that is created when it is first needed.

    Args:
        target: The process that the agent represents.
        configured: Value of ``OTEL_PYTHON_CONCURRENCY_AGENT_DIR``.
        is_off: Whether the agent is disabled.
    """

    def __init__(self, target: Target, configured: str, *, is_off: bool) -> None:
        self._target = target
        self._configured = configured
        self._is_off = is_off or os.name != "posix"
        self._agent: Agent | None = None
        self._starting: set[int] = set()

    def ensure_running(self) -> None:
        """Listen, unless the agent already does; called by the scan thread between scans. Never raises."""
        if self._is_off:
            return
        starter = threading.get_ident()
        self._starting.add(starter)
        try:
            if is_fork_under_way():
                return
            if self._agent is None:
                self._make()
            if self._agent is not None:
                self._agent.ensure_running()
        finally:
            self._starting.discard(starter)

    def _make(self) -> None:
        try:
            from .agent import Agent
            from .answers import Answers

            # Imported here, where a fork waits for it, rather than with the first request.
            self._target.live.load()
            answers = Answers(self._target)
            self._agent = Agent(self._configured, answers.answer, answers.answer_at_once)
        except Exception:  # the application does not depend on its agent
            self._is_off = True
            _logger.warning("The command line otel-concurrency cannot reach this process.", exc_info=True)

    def suspend(self) -> None:
        """Stop before a fork."""
        end_at = time.monotonic() + _START_LIMIT_S
        while self._starting and time.monotonic() < end_at:
            time.sleep(_START_PAUSE_S)
        if self._agent is not None:
            self._agent.suspend()

    def resume(self) -> None:
        """Resume after a fork, in the parent."""
        if self._agent is not None:
            self._agent.resume()

    def forget(self) -> None:
        """Reset the state in a forked child."""
        self._is_off = self._is_off or bool(self._starting)
        self._starting = set()
        if self._agent is not None:
            self._agent.forget()

    def close(self) -> None:
        """Stop permanently."""
        self._is_off = True
        if self._agent is not None:
            self._agent.close()
