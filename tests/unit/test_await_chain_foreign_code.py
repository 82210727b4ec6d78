"""Walking an await chain runs no code of the application and keeps nothing of it alive."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import types
import weakref

from suspended_tasks import names, outer, suspended

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import (
    leaf_waiter,
    plumbing_free_coroutine,
    walk_await_chain,
)
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import wait_reason

touched = []


armed = []


def note(hook):
    """Take a note and raise, but only while a test observes: pytest, too, looks at these objects."""
    if armed:
        touched.append(hook)
        raise RuntimeError(hook)


@contextlib.contextmanager
def nothing_touched():
    touched.clear()
    armed.append(True)
    try:
        yield
    finally:
        armed.clear()
    assert touched == []


class Meta(type):
    def __getattribute__(cls, name):
        note(f"Meta.{name}")
        return super().__getattribute__(name)

    def __hash__(cls):
        note("Meta.__hash__")
        return super().__hash__()

    def __eq__(cls, other):
        note("Meta.__eq__")
        return cls is other

    def __instancecheck__(cls, instance):
        note("Meta.__instancecheck__")
        return super().__instancecheck__(instance)


class Liar(metaclass=Meta):
    """An iterator to await that raises and takes notes whenever it is asked something."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return None

    def __getattribute__(self, name):
        note(name)
        return super().__getattribute__(name)

    def __eq__(self, other):
        note("__eq__")
        return self is other

    def __hash__(self):
        note("__hash__")
        return 0

    def __bool__(self):
        note("__bool__")
        return True

    def __len__(self):
        note("__len__")
        return 1

    @property
    def __class__(self):
        note("__class__")
        return types.CoroutineType


class LyingFuture(asyncio.Future):
    """A future whose Python side must not be asked."""

    @property
    def _callbacks(self):
        note("_callbacks")

    @property
    def _state(self):
        note("_state")

    def done(self):
        note("done")
        return super().done()

    def __bool__(self):
        note("__bool__")
        return True

    def __getattribute__(self, name):
        note(name)
        return super().__getattribute__(name)

    def __eq__(self, other):
        note("__eq__")
        return self is other

    __hash__ = None


class TestForeignCode:
    def test_lying_awaitable_is_never_asked(self):
        """An object that lies about its class and raises from every hook is the end of the chain, untouched."""
        liar = Liar()
        coro = outer(liar)
        coro.send(None)
        with nothing_touched():
            chain = walk_await_chain(coro)
            nothing = walk_await_chain(liar)
            same = plumbing_free_coroutine(liar)
            leaf = leaf_waiter(liar)
        coro.close()
        assert names(chain) == ["outer", "middle"]
        assert chain.awaited is liar
        assert "Liar" in chain.partial
        assert nothing.frames == ()
        assert same is liar
        assert leaf is None

    def test_overrides_of_a_future_are_never_called(self):
        """Futures are read by asyncio's own descriptors, past the overrides of a subclass."""

        async def main():
            future = LyingFuture(loop=asyncio.get_running_loop())
            task = asyncio.create_task(outer(future))
            owner = asyncio.create_task(outer(task))
            for _ in range(3):
                await asyncio.sleep(0)
            with nothing_touched():
                chain = walk_await_chain(task.get_coro())
                reason = wait_reason(task, chain)
                leaf, leaf_of_owner = leaf_waiter(task), leaf_waiter(owner)
            assert chain.awaited is future
            assert reason == "future"
            assert leaf is future
            assert leaf_of_owner is future
            asyncio.Future.set_result(future, None)
            await owner

        asyncio.run(main())

    def test_chain_keeps_nothing_but_the_awaited_object_alive(self):
        """Frames hold code objects only: coroutine, locals and frames die with the task."""

        class Local:
            pass

        async def hold(awaitable):
            local = Local()
            references.append(weakref.ref(local))
            await awaitable

        async def main():
            async with suspended(hold(asyncio.get_running_loop().create_future())) as task:
                chains.append(walk_await_chain(task.get_coro()).frames)
                references.append(weakref.ref(task))

        references, chains = [], []
        asyncio.run(main())
        gc.collect()
        assert names(types.SimpleNamespace(frames=chains[0])) == ["hold"]
        assert [reference() for reference in references] == [None, None]
