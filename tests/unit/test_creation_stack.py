"""Reading a creation stack: its depth, its first frame and its last."""

import asyncio
import sys

from opentelemetry.instrumentation.concurrency.record.application import ApplicationCode
from opentelemetry.instrumentation.concurrency.record.creation_stack import CreationStack, read_stack
from opentelemetry.instrumentation.concurrency.record.site_table import SiteTable

DEPTH = 12


def at_depth(levels, call):
    return call(sys._getframe()) if levels == 0 else at_depth(levels - 1, call)


def names(flat):
    return [frame.code.co_name for frame in CreationStack(0.0, flat).frames]


def test_read_stack_deeper_than_limit_keeps_all_of_the_limit():
    flat = at_depth(3 * DEPTH, lambda frame: read_stack(frame, DEPTH, None))
    assert names(flat) == ["at_depth"] * DEPTH


def test_read_stack_starts_at_the_first_frame_that_is_not_plumbing():
    def pretend_plumbing():
        return read_stack(sys._getframe(), 1, None)

    plumbing = eval("lambda call: call()", {"__name__": "asyncio.tasks"})
    inner = eval("lambda read, sys: read(sys._getframe(), 1, None)", {"__name__": "threading"})
    assert names(pretend_plumbing()) == ["pretend_plumbing"]
    assert names(plumbing(lambda: inner(read_stack, sys))) == ["<lambda>"]
    assert CreationStack(0.0, plumbing(lambda: inner(read_stack, sys))).frames[0].module == __name__


def test_read_stack_ends_before_a_module_that_ends_it():
    runner = eval("lambda call: call()", {"__name__": "runner"})
    assert names(runner(lambda: read_stack(sys._getframe(), DEPTH, lambda module: module == "runner"))) == ["<lambda>"]


def test_read_stack_ends_at_the_event_loop():
    async def main():
        return read_stack(sys._getframe(), DEPTH, None)

    assert names(asyncio.run(main())) == ["main"]


def test_site_table_first_creation_records_the_whole_depth():
    """The depth that is set reaches the stack that a site keeps."""
    table = SiteTable(
        "thread", stack_depth=DEPTH, stack_sampling=1, on_new_site=lambda: None, application=ApplicationCode((), ())
    )

    class Started:
        pass

    started = Started()
    site = table.named("shop.query")
    at_depth(3 * DEPTH, lambda frame: table.capture_stack(site, frame, 1.0, started))
    assert len(site.stack_of(started).frames) == DEPTH


def test_stacks_with_equal_frames_keep_them_once():
    first, second = (CreationStack(at, [read_stack.__code__, 4, "shop"]) for at in (1.0, 2.0))
    second.share_frames(first)
    assert second._flat is first._flat
    other = CreationStack(3.0, [read_stack.__code__, 6, "shop"])
    other.share_frames(first)
    assert other.frames[0].lasti == 6
