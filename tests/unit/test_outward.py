"""Where the walk outwards from a creation ends."""

import asyncio
import sys

from opentelemetry.instrumentation.concurrency.record.outward import Outward
from opentelemetry.instrumentation.concurrency.record.restarts import ended_task_given_to


def names(outward, most=10) -> list[str]:
    frames = [outward.at(place) for place in range(most)]
    return [frame.f_code.co_name for frame in frames if frame is not None]


def walk(runs_loop=lambda frame: False) -> Outward:
    return Outward(sys._getframe(1), runs_loop)


def test_walk_ends_at_the_frame_that_runs_the_loop():
    def creates():
        return walk(lambda frame: frame.f_code is runs.__code__)

    def runs():
        outward = creates()
        return names(outward), outward.ended_at_loop

    assert runs() == (["creates"], True)


def test_walk_to_the_end_of_the_stack_has_not_ended_at_a_loop():
    def creates():
        outward = walk()
        return outward.at(1000), outward.ended_at_loop

    assert creates() == (None, False)


class Wrapper:
    """Resumes a coroutine, by a method of a name that the walk knows or does not."""

    def __init__(self, coroutine):
        self.coroutine = coroutine

    def send(self, value):
        return self.coroutine.send(value)

    def drive(self):
        return self.coroutine.send(None)


async def creates_in_coroutine(seen):
    seen += names(walk(), 2)


def test_coroutine_resumed_by_send_goes_on_outside():
    """A wrapper of a coroutine stands between two frames of one task."""
    seen = []
    try:
        Wrapper(creates_in_coroutine(seen)).send(None)
    except StopIteration:
        pass
    assert seen == ["creates_in_coroutine", "send"]


def test_coroutine_run_by_a_plain_function_ends_the_walk():
    """So an eager task ends before the frame that made it."""
    seen = []
    try:
        Wrapper(creates_in_coroutine(seen)).drive()
    except StopIteration:
        pass
    assert seen == ["creates_in_coroutine"]


async def ended():
    pass


def test_ended_task_given_to_a_done_callback_is_found():
    async def main():
        found = []
        task = asyncio.create_task(ended())

        def callback(done):
            found.append(ended_task_given_to(walk()))

        task.add_done_callback(callback)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return found == [task]

    assert asyncio.run(main())


def test_ended_task_passed_within_a_task_is_not_a_restart():
    """A handler that is called with a finished task is no callback of it."""

    async def main():
        task = asyncio.create_task(ended())
        await task

        def handler(done):
            return ended_task_given_to(walk())

        return handler(task)

    assert asyncio.run(main()) is None
