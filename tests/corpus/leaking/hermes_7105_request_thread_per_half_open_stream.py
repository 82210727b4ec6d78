"""A threading server's event stream ends only when a write fails; on half-open connections none does.

The request's own thread is what leaks, and the server that made it lives.

Source: https://github.com/nesquena/hermes-webui/issues/7105
"""

import queue

EXPECTED = {"accept_in_thread": "growing"}
NO_ORPHAN = "the request itself hangs, and the server that made it lives"
COUNT = 40
THREADS = True

subscriptions = []


def handle(number):
    subscription = queue.Queue()
    subscriptions.append(subscription)
    while subscription.get() is not None:
        pass


async def main(park):
    await park.requests(handle, 40, end=14 * 60, patience=0.001)
    await park(at=None)
    for subscription in subscriptions:
        subscription.put(None)
