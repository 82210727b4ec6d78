"""A request listens to a channel of Redis in a thread and does not stop it; the service has one such thread of its own.

Source: https://github.com/redis/redis-py/issues/576
"""

import fakeredis

EXPECTED = {"follow": "orphaned"}
RUNS = {"follow": "redis.client.PubSubWorkerThread.run"}
COUNT = 5
THREADS = True
NEEDS = ("fakeredis", "redis")

left_running = []


def boot(client, seen):
    subscription = client.pubsub()
    subscription.subscribe(prices=seen.append)
    return subscription.run_in_thread(sleep_time=0.05, daemon=True)  # innocent


def follow(client, number):
    subscription = client.pubsub()
    subscription.subscribe(**{f"order-{number}": print})
    left_running.append(subscription.run_in_thread(sleep_time=0.05, daemon=True))  # guilty


async def main(park):
    server, seen = fakeredis.FakeServer(), []
    client = fakeredis.FakeRedis(server=server)
    thread = boot(client, seen)

    def handle(number):
        client.publish("prices", number)
        follow(client, number)

    await park.requests(handle, patience=2.0)
    await park()
    for each in (thread, *left_running):
        each.stop()
        each.join()
