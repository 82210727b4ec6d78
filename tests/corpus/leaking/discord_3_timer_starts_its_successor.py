"""A keep-alive timer sets up the next one itself; logging out cancels the first, which has long fired.

Source: https://github.com/Rapptz/discord.py/pull/3
"""

import threading

EXPECTED = {"Client.keep_alive": "orphaned"}
COUNT = 5
THREADS = True

latest = []


class Client:
    def login(self):
        self.again = threading.Event()
        self.timer = threading.Timer(0, self.keep_alive)
        self.timer.start()  # innocent
        self.again.wait(5)

    def keep_alive(self):
        following = threading.Timer(3600, self.keep_alive)
        following.daemon = True
        following.start()  # guilty
        latest.append(following)
        self.again.set()

    def logout(self):
        self.timer.cancel()
        self.timer.join()


async def handle(number):
    client = Client()
    client.login()
    client.logout()


async def main(park):
    await park.requests(handle)
    await park()
    for timer in latest:
        timer.cancel()
        timer.join()
