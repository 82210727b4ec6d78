"""Each request starts a timer that would warn if it were slow; one that ends without ``finish`` leaves it waiting.

Source: https://github.com/nesquena/hermes-webui/pull/4975
"""

import threading

EXPECTED = {"RequestDiagnostics.__init__": "orphaned"}
COUNT = 5
THREADS = True

timers = []


class RequestDiagnostics:
    def __init__(self):
        self.timer = threading.Timer(3600, self.on_timeout)
        self.timer.daemon = True
        self.timer.start()  # guilty
        timers.append(self.timer)

    def on_timeout(self):
        """Warn."""

    def finish(self):
        self.timer.cancel()


def handle(number):
    diagnostics = RequestDiagnostics()
    if number >= 0:
        return
    diagnostics.finish()


async def main(park):
    await park.requests(handle)
    await park()
    for timer in timers:
        timer.cancel()
        timer.join()
