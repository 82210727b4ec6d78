"""Django's bridge runs synchronous views in one thread that all of them share; it idles between requests.

The thread was started by the first request, belongs to an executor that is never shut down, and waits. The line of the
executor is that of the import, or of the first request if something else has imported the library before.

Source: https://docs.djangoproject.com/en/stable/topics/async/#asgiref.sync.sync_to_async
"""

import threading

from asgiref.sync import sync_to_async  # innocent

EXPECTED = {}
NEEDS = ("asgiref",)


async def main(park):
    names = set()

    def view():
        names.add(threading.current_thread().name)

    async def handle(number):
        await sync_to_async(view)()  # innocent

    await park.requests(handle, 6, patience=1.0)
    await park()
    assert len(names) == 1
