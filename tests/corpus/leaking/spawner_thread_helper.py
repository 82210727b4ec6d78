"""A helper starts daemon threads; a request starts one that waits for a message which never comes.

Source: https://github.com/celery/celery/issues/6819 (threads that outlive the request) through the usual helper
"""

import asyncio
import queue
import threading

EXPECTED = {"handle": "orphaned"}
RUNS = {"handle": "drain"}
COUNT = 5
THREADS = True

inboxes = []


def start_daemon(target, *arguments):
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def drain(inbox):
    while inbox.get() is not None:
        pass


def boot(inbox):
    start_daemon(drain, inbox)  # innocent


def handle(number):
    inboxes.append(queue.Queue())
    start_daemon(drain, inboxes[-1])  # guilty


async def main(park):
    inbox = queue.Queue()
    await asyncio.get_running_loop().run_in_executor(None, boot, inbox)  # innocent
    await park.requests(handle, patience=1.0)
    await park()
    for each in (inbox, *inboxes):
        each.put(None)
