"""The helper wraps the start of the task in an inner function that a gate calls, at once or when it opens.

The coroutine is in the closure of what the gate is given.

Source: https://github.com/zauberzeug/nicegui/blob/main/nicegui/background_tasks.py (``create_or_defer``)
"""

import asyncio

EXPECTED = {"show_page": "unwakeable"}
RUNS = {"show_page": "wait_for_click"}
COUNT = 5

tasks = set()


class Gate:
    def __init__(self):
        self.waiting = []
        self.is_open = False

    def run(self, start):
        if self.is_open:
            start()
        else:
            self.waiting.append(start)


gate = Gate()


def when_open(coro):
    def start():
        tasks.add(task := asyncio.create_task(coro))
        task.add_done_callback(tasks.discard)

    gate.run(start)


async def send_updates(changes):
    while await changes.get():
        pass


async def wait_for_click(clicked):
    await clicked.wait()


async def boot(changes):
    gate.is_open = True
    when_open(send_updates(changes))  # innocent


async def show_page(number):
    when_open(wait_for_click(asyncio.Event()))  # guilty


async def main(park):
    changes = asyncio.Queue()
    await asyncio.create_task(boot(changes))
    await park.requests(show_page)
    await park()
    changes.put_nowait(None)
