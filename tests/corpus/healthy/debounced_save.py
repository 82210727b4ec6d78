"""Every edit cancels the save that was planned and plans a new one; the last stays planned.

Many tasks of one line, created by requests that are over; all but one were cancelled and the last sleeps.

Source: https://developer.mozilla.org/en-US/docs/Glossary/Debounce, as in Home Assistant's ``Debouncer``:
https://github.com/home-assistant/core/blob/dev/homeassistant/helpers/debounce.py
"""

import asyncio

EXPECTED = {}


class Debouncer:
    def __init__(self, save, seconds):
        self._save, self._seconds = save, seconds
        self.planned = None

    def edit(self):
        if self.planned is not None:
            self.planned.cancel()
        self.planned = asyncio.create_task(self._later())  # innocent

    async def _later(self):
        await asyncio.sleep(self._seconds)
        self._save()


async def main(park):
    debouncer = Debouncer(lambda: None, 3600)

    async def edit(number):
        debouncer.edit()

    await park.requests(edit, 12)
    await park()
    debouncer.planned.cancel()
    await asyncio.wait([debouncer.planned])
