"""A bulk mailer is fired by a request and forgotten; the mail server takes its time, but answers within a minute.

Five of them over ten minutes, each at the same line, each without anybody who waits: the only sign of health is that
they end.

Source: https://www.starlette.io/background/
"""

import asyncio

EXPECTED = {}


class MailServer:
    def __init__(self):
        self.pending = []

    async def send(self, text):
        answer = asyncio.get_running_loop().create_future()
        self.pending.append(answer)
        return await answer

    def answer(self):
        while self.pending:
            self.pending.pop().set_result("250 OK")


async def main(park):
    server, mails = MailServer(), set()

    async def order(number):
        mails.add(asyncio.create_task(server.send(f"order {number}")))  # innocent

    for minute in (2, 4, 6, 8, 10):
        await park.requests(order, 3, begin=minute * 60, end=minute * 60 + 5)
        await park.advance(30)
        server.answer()
    await park()
    assert all(mail.result() == "250 OK" for mail in mails)
