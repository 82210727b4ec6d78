"""The agent as the installation holds it: nothing of it is imported before the scan thread first wants it.

The import happens in the scan thread, and a fork must not fall into it: the child would inherit the lock of a module
that nobody finishes, and wait for it for ever. So a fork waits for the import; where it can't, the child stays without
agent.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .agent import Agent
    from .target import Target

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

_IMPORT_LIMIT_S: Final = 5.0


class LateAgent:
    """An agent that is made when it is first wanted.

    Args:
        target: The process, which the agent answers for.
        configured: What ``AGENT_DIR`` says.
        is_off: Whether there shall be none.
    """

    def __init__(self, target: Target, configured: str, *, is_off: bool) -> None:
        self._target = target
        self._configured = configured
        self._is_off = is_off or os.name != "posix"
        self._agent: Agent | None = None
        self._import = threading.Lock()
        self._fork_holds = False

    def ensure_running(self) -> None:
        """Listen, unless that is so; called by the scan thread between its looks. Never raises."""
        if self._is_off or not self._import.acquire(blocking=False):
            return
        try:
            if self._agent is None:
                from .agent import Agent
                from .answers import Answers

                answers = Answers(self._target)
                self._agent = Agent(self._configured, answers.answer, answers.answer_at_once)
        except Exception:
            self._is_off = True
            _logger.warning("The command line otel-concurrency cannot reach this process.", exc_info=True)
        finally:
            self._import.release()
        if self._agent is not None:
            self._agent.ensure_running()

    def suspend(self) -> None:
        """Stop before a fork."""
        self._fork_holds = self._import.acquire(timeout=_IMPORT_LIMIT_S)
        if self._agent is not None:
            self._agent.suspend()

    def resume(self) -> None:
        """Go on after a fork, in the parent."""
        if self._agent is not None:
            self._agent.resume()
        # Last: another thread may wait for it to fork as well, and will suspend the agent again.
        if self._fork_holds:
            self._fork_holds = False
            self._import.release()

    def forget(self) -> None:
        """Start empty, in a forked child."""
        self._is_off = self._is_off or not self._fork_holds
        self._import = threading.Lock()
        if self._agent is not None:
            self._agent.forget()

    def close(self) -> None:
        """Stop for good."""
        self._is_off = True
        if self._agent is not None:
            self._agent.close()
