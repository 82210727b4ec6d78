"""A service keeps a helper process; a task that the boot started waits for its end, on some versions a thread as well.

``waitpid-N`` sits in a system call for as long as the child lives and was started by a task that is done.

Source: https://docs.python.org/3/library/asyncio-policy.html#asyncio.ThreadedChildWatcher
"""

import asyncio

EXPECTED = {}
POSIX = True

watchers = []


async def watch(process, codes):
    codes.append(await process.wait())


async def boot(codes):
    process = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)  # innocent
    watchers.append((process, asyncio.create_task(watch(process, codes))))  # innocent


async def main(park):
    codes = []
    await asyncio.create_task(boot(codes))  # innocent
    await park()
    process, task = watchers.pop()
    process.stdin.close()
    await task
    assert codes == [0]
