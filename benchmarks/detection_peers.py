"""Other tools as peers of the corpus: what they flag, and which frames of its creation their output shows.

Each is imported only in the processes that it watches.
"""

import asyncio
import importlib.util
import socket


class Pyleak:
    """`no_task_leaks()` with creation stacks, and `no_thread_leaks()`, around the body of main.

    Daemon threads count: those of the corpus are daemons only so that the process can end. Of a thread its output shows
    the name alone.
    """

    name = "pyleak"

    async def start(self):
        """Enter both blocks."""
        from pyleak import no_task_leaks, no_thread_leaks

        self.tasks = no_task_leaks(action="raise", enable_creation_tracking=True)
        self.threads = no_thread_leaks(action="raise", exclude_daemon=False)
        self.stacks = {}
        await self.tasks.__aenter__()
        self.threads.__enter__()

    async def leaked(self):
        """Leave both blocks and return the tasks and threads that they complain about."""
        from pyleak import TaskLeakError, ThreadLeakError

        found = []
        try:
            await self.tasks.__aexit__(None, None, None)
        except TaskLeakError as error:
            for leak in error.leaked_tasks:
                if leak.task_ref is not None:
                    found.append(leak.task_ref)
                    self.stacks[leak.task_ref] = leak.creation_stack or []
        try:
            self.threads.__exit__(None, None, None)
        except ThreadLeakError:
            found += list(self.threads.detector.get_leaked_resources(self.threads.initial_resources))
        return found

    def shown_frames(self, found):
        """Return the creation stack of a task, innermost frame first."""
        return _frames(self.stacks.get(found, ()))


class Aiomonitor:
    """aiomonitor with its task factory: `ps` lists every task, `where` shows the creation chain of one.

    It judges nothing, so everything that it lists counts as flagged.
    """

    name = "aiomonitor"

    async def start(self):
        """Start the monitor on free ports. It ends with the process."""
        from aiomonitor import start_monitor

        ports = {port: _free_port() for port in ("port", "console_port", "webui_port")}
        self.monitor = start_monitor(asyncio.get_running_loop(), hook_task_factory=True, **ports)

    async def leaked(self):
        """Return every task that `ps` lists, but for the one that asks."""
        listed = {int(row.task_id) for row in self.monitor.format_running_task_list("", persistent=False)}
        return [task for task in asyncio.all_tasks() - {asyncio.current_task()} if id(task) in listed]

    def shown_frames(self, found):
        """Return the frames of the creation chain, innermost first: those of the task, of its creator, and so on."""
        frames = []
        while found is not None:
            frames += _frames(self.monitor._created_tracebacks.get(found, ()))
            creator = self.monitor._created_traceback_chains.get(found)
            found = creator() if creator is not None else None
        return frames


def installed():
    """Return the classes of the tools that are installed."""
    return [peer for peer in (Pyleak, Aiomonitor) if importlib.util.find_spec(peer.name) is not None]


def _frames(stack):
    return [(frame.filename, frame.lineno) for frame in reversed(stack)]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
