"""A socket client starts three interval runners; ``close`` shuts two of them down.

Source: https://github.com/slackapi/python-slack-sdk/issues/1873
"""

import threading

EXPECTED = {"IntervalRunner.start": "orphaned"}
COUNT = 5
THREADS = True

runners = []


class IntervalRunner:
    def __init__(self, interval):
        self.interval = interval
        self.stopped = threading.Event()

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()  # guilty
        runners.append(self)
        return self

    def run(self):
        while not self.stopped.wait(self.interval):
            pass

    def shutdown(self):
        self.stopped.set()
        self.thread.join()


class SocketModeClient:
    def __init__(self):
        self.session_runner = IntervalRunner(100).start()
        self.monitor = IntervalRunner(100).start()  # innocent
        self.processor = IntervalRunner(100).start()  # innocent

    def close(self):
        self.monitor.shutdown()
        self.processor.shutdown()


async def handle(number):
    SocketModeClient().close()


async def main(park):
    await park.requests(handle)
    await park()
    for runner in runners:
        runner.shutdown()
