"""A debugger keeps threads in the process and marks them, so that whoever lists threads can leave them out.

They appear when somebody attaches, minutes after the start, one more for each session, and stay.

Source: https://github.com/microsoft/debugpy/blob/main/src/debugpy/_vendored/pydevd/_pydevd_bundle/pydevd_daemon_thread.py
"""

import threading

EXPECTED = {}


class DaemonThread(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.is_pydev_daemon_thread = True
        self.detached = threading.Event()

    def run(self):
        self.detached.wait()


async def main(park):
    sessions = []

    async def attach(number):
        sessions.append(DaemonThread())
        sessions[-1].start()  # innocent

    await park.requests(attach, 4)
    await park()
    for session in sessions:
        session.detached.set()
        session.join()
