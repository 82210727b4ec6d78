"""Each tenant gets a language server as a child process at its first request; one ``waitpid`` thread waits for each.

Eight threads of one line, started by requests that are over: the child watcher's, and each child is alive and in use.

Source: https://github.com/python/cpython/blob/3.11/Lib/asyncio/unix_events.py (``ThreadedChildWatcher``)
"""

import asyncio

EXPECTED = {}
POSIX = True


async def main(park):
    helpers = []

    async def handle(number):
        pipe = asyncio.subprocess.PIPE
        helpers.append(await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe))  # innocent
        helpers[-1].stdin.write(b"initialize\n")
        assert await helpers[-1].stdout.readline() == b"initialize\n"

    await park.requests(handle, 8, patience=1.0)
    await park()
    for helper in helpers:
        helper.stdin.close()
        await helper.wait()
