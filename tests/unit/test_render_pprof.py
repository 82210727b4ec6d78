"""The protobuf form, read back field by field by code that shares nothing with the writer."""

import pytest
from pictured import QUERY, healthy, leaked, spawned, thread
from pprof_reading import packed, read_profile

from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.render.pprof_profile import difference, pprof_profile, samples_of
from opentelemetry.instrumentation.concurrency.render.protobuf import varint
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite

SHOP = ProcessInfo(4711, "3.14.0", "shop", "0.1.0")
LEAK = [leaked(number) for number in range(720, 723)]
TWIN = [healthy(number) for number in (3, 4)]


def counted(pictures):
    return tally(pictures, split_loops=True)


def profile(samples, name="task", **options):
    options = {"taken_at": 1_000_000.5, "process": SHOP, **options}
    return read_profile(b"".join(pprof_profile(name, samples, **options)))


def test_a_leak_and_its_twin_are_samples_with_stacks_and_labels():
    """Innermost first, the creating line last; count and age; labels for what they share, no verdict for healthy."""
    made = profile(samples_of(counted([*TWIN, *LEAK])))
    assert made.samples == [
        (
            [
                ("asyncio.queues.Queue.put", "/python/asyncio/queues.py", 140),
                ("shop.search.ask", "/app/shop/search.py", 24),
                ("shop.search.query", "/app/shop/search.py", 31),
            ],
            [3, 2_400_000],
            {
                "wait_reason": "queue.put",
                "verdict": "unwakeable",
                "creation_site": "shop.search.query:31",
                "loop": "MainThread",
            },
        ),
        (
            [
                ("asyncio.queues.Queue.get", "/python/asyncio/queues.py", 158),
                ("shop.search.Worker.work", "/app/shop/search.py", 60),
                ("shop.search.Worker.start", "/app/shop/search.py", 52),
            ],
            [2, 1_800_000],
            {"wait_reason": "queue.get", "creation_site": "shop.search.Worker.start:52", "loop": "MainThread"},
        ),
    ]
    assert (made.types, made.default_type) == ([("task", "count"), ("age", "milliseconds")], "task")
    assert made.time_nanos == 1_000_000_500_000_000
    assert made.comments == ["process 4711", "Python 3.14.0"]


def test_spawners_are_frames_up_to_the_creating_line():
    """``-peek`` and ``-focus`` find them by name; what runs is a label."""
    ((stack, _, labels),) = profile(samples_of(counted([spawned()]))).samples
    assert [name for name, _, _ in stack[1:]] == ["shop.search.ask", "shop.util.spawn", "shop.search.query"]
    assert (labels["creation_site"], labels["runs"]) == ("shop.search.query:31", "shop.search.ask")


def test_stack_created_by_two_lines_is_two_samples():
    """Where it waits is the same; the root is not."""
    other = leaked(2, site=CreationSite("shop.app.other", "/app/shop/app.py", 7))
    roots = [stack[-1][0] for stack, _, _ in profile(samples_of(counted([leaked(1), other]))).samples]
    assert sorted(roots) == ["shop.app.other", "shop.search.query"]


def test_the_one_mapping_says_that_names_are_complete():
    """Else pprof looks for a binary to take names from."""
    assert profile([]).mappings == [{1: 1, 5: "shop", 7: 1, 8: 1, 9: 1}]
    assert profile([], process=ProcessInfo(1)).mappings[0][5] == "python"


def test_tasks_of_different_loops_are_different_samples():
    """The loop is a label here, and no part of a group in the text."""
    samples = profile(samples_of(counted([leaked(1), leaked(2, loop="worker")]))).samples
    assert sorted(labels["loop"] for _, _, labels in samples) == ["MainThread", "worker"]


def test_one_without_a_stack_is_not_lost():
    """Tools drop samples without a place."""
    ((stack, values, _),) = profile(samples_of(counted([leaked(stack=(), wait_reason="unknown")]))).samples
    assert (stack[0], values[0]) == (("[unknown]", "", 0), 1)


def test_a_thread_has_neither_loop_nor_line_of_creation():
    """Labels without a value are left out."""
    ((_, values, labels),) = profile(samples_of(counted([thread()])), "thread").samples
    assert (values, labels) == ([1, 1_000_000], {"wait_reason": "running", "creation_site": "threading.MainThread"})


def test_difference_removed_tasks_are_negative():
    """What is as many as before is left out."""
    before = counted([*TWIN, leaked(1), leaked(2, wait_reason="sleep")])
    after = counted([*TWIN, *LEAK, leaked(9, site=CreationSite("new", "", 0))])
    made = profile(difference(before, after), duration_s=30.0)
    assert sorted(
        (labels["wait_reason"], labels["creation_site"], values[0]) for _, values, labels in made.samples
    ) == [
        ("queue.put", "new", 1),
        ("queue.put", "shop.search.query:31", 2),
        ("sleep", "shop.search.query:31", -1),
    ]
    assert min(values[1] for _, values, _ in made.samples) == -800_000
    assert made.duration_nanos == 30_000_000_000


def test_nothing_differs_from_itself():
    """The same counts give an empty profile."""
    assert profile(difference(counted(LEAK), counted(LEAK))).samples == []


def test_hostile_names_are_escaped_and_cut():
    """Profiles are shown on terminals and pages."""
    site = CreationSite("\x1b[31m\ud800" + "x" * 10_000, "", 0)
    picture = leaked(site=site, stack=(CodeLine("a\nb", "\x00", 1),), loop="\r")
    ((stack, _, labels),) = profile(samples_of(counted([picture]))).samples
    assert stack[0] == ("a\\nb", "\\x00", 1)
    assert labels["loop"] == "\\r"
    assert labels["creation_site"].startswith("\\x1b[31m\\ud800xxx")
    assert labels["creation_site"].endswith("… (9006 more characters)")


def test_unexamined_tasks_are_a_comment():
    """`go tool pprof -comments` shows it."""
    assert profile([], note="no lock").comments[-1] == "no lock"


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 1 << 40, (1 << 63) - 1, -1, -(1 << 63)])
def test_whole_numbers_of_64_bits_survive(number):
    """Negative ones are what a difference needs."""
    assert packed(varint(number)) == [number]


def test_a_stack_that_many_share_is_written_once():
    """Ten thousand sites with one chain are small."""
    pictures = [leaked(number, site=CreationSite(f"{QUERY.function}{number}", "", 0)) for number in range(10_000)]
    size = sum(map(len, pprof_profile("task", samples_of(counted(pictures)), taken_at=0, process=SHOP)))
    assert size < 200_000
