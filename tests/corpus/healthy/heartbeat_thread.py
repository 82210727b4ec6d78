"""A daemon thread reports to the registry every ten seconds for as long as the process lives.

A boot thread started it and has ended; it sleeps nearly all the time.

Source: https://github.com/spotify/luigi/blob/master/luigi/worker.py (``KeepAliveThread``)
"""

import threading

EXPECTED = {}


class KeepAlive(threading.Thread):
    def __init__(self, seconds):
        super().__init__(daemon=True)
        self._seconds = seconds
        self._stopped = threading.Event()
        self.beats = 0

    def run(self):  # innocent
        while not self._stopped.wait(self._seconds):
            self.beats += 1

    def stop(self):
        self._stopped.set()
        self.join()


async def main(park):
    keep_alive = KeepAlive(0.01)
    boot = threading.Thread(target=keep_alive.start)
    boot.start()  # innocent
    boot.join()
    await park()
    keep_alive.stop()
