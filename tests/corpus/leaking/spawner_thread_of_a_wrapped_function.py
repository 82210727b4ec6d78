"""A decorator runs each call of a function in a thread; the target is a wrapper that is defined inside.

Source: https://stackoverflow.com/questions/19846332/python-threading-inside-a-class (a ``threaded`` decorator)
"""

import functools
import threading

EXPECTED = {"handle": "orphaned"}
RUNS = {"handle": "follow_log"}
COUNT = 5
THREADS = True

ended = []


def threaded(function):
    @functools.wraps(function)
    def start(*arguments):
        def guarded():
            try:
                function(*arguments)
            except OSError as error:
                print(error)

        threading.Thread(target=guarded, daemon=True).start()

    return start


@threaded
def send_statistics(stop):
    while not stop.wait(3600):
        pass


@threaded
def follow_log(line):
    line.wait()


def boot(stop):
    send_statistics(stop)  # innocent


def handle(number):
    ended.append(threading.Event())
    follow_log(ended[-1])  # guilty


async def main(park):
    stop = threading.Event()
    boot(stop)
    await park.requests(handle, patience=1.0)
    await park()
    for each in (stop, *ended):
        each.set()
