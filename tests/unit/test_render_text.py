"""The text forms: what a person reads, compared as a whole."""

import io
import re
from dataclasses import replace

import pytest
from pictured import ASK, QUERY, SPAWNED, SPAWNED_CREATION, healthy, leaked, spawned, thread

from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.render.folded import folded
from opentelemetry.instrumentation.concurrency.render.full_text import full_text
from opentelemetry.instrumentation.concurrency.render.grouped_text import grouped_text
from opentelemetry.instrumentation.concurrency.render.name_text import quoted, sanitize_name
from opentelemetry.instrumentation.concurrency.snapshot.output import CompressedBuffer, write_text
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite

LEAK = [leaked(10 + number, stalled_s=float(number)) for number in range(720, 723)]
TWIN = [healthy(number) for number in (3, 4)]
HOSTILE = ["\x1b[2J", "a\nb", "\r", "\ud800", "\u202e", "\u2028", "\x9b31m", "tab\there", "\x00", '"', "\\"]


def grouped(pictures, name="task", **options):
    return "".join(grouped_text(name, tally(pictures), **options))


def full(pictures, **options):
    return "".join(full_text(pictures, **options))


def test_grouped_text_shows_the_leak_first():
    """The whole text, with the addresses left out."""
    text = re.sub(r"0x[0-9a-f]{10}", "0x_", grouped([*TWIN, *LEAK]))
    assert text == (
        "task profile: total 5\n"
        "3 @ 0x_ 0x_ 0x_\n"
        "# [queue.put, 12 minutes, unwakeable]\n"
        "#\t0x_\tasyncio.queues.Queue.put\t/python/asyncio/queues.py:140\n"
        "#\t0x_\tshop.search.ask\t/app/shop/search.py:24\n"
        "# created by shop.search.query\t/app/shop/search.py:31\n"
        "\n"
        "2 @ 0x_ 0x_ 0x_\n"
        "# [queue.get, 2 seconds]\n"
        "#\t0x_\tasyncio.queues.Queue.get\t/python/asyncio/queues.py:158\n"
        "#\t0x_\tshop.search.Worker.work\t/app/shop/search.py:60\n"
        "# created by shop.search.Worker.start\t/app/shop/search.py:52\n"
        "\n"
    )


def test_grouped_text_is_independent_of_the_order():
    """A stable order lets two texts be compared by eye or by diff."""
    pictures = [*LEAK, *TWIN, healthy(8, wait_reason="event.wait"), healthy(9, stack=())]
    assert grouped(pictures) == grouped(pictures[::-1])


@pytest.mark.parametrize(
    "other",
    [
        {"site": CreationSite("shop.search.query", "/app/shop/search.py", 32)},
        {"site": SPAWNED},
        {"stack": ASK[:1]},
        {"wait_reason": "queue.get"},
        {"verdict": "orphaned"},
    ],
)
def test_a_group_shares_chain_site_wait_reason_and_verdict(other):
    """What differs in one of them is a block of its own."""
    assert len(tally([leaked(1), leaked(2)])) == 1
    assert len(tally([leaked(1), leaked(2, **other)])) == 2


def test_two_ways_through_spawners_are_one_group():
    """Line and what runs are the site; the spawner on the way is not."""
    straight = spawned(1, site=replace(SPAWNED, via=()))
    assert [one.count for one in tally([straight, spawned(2)])] == [2]


def test_group_prefers_the_creation_stack_of_a_member():
    """In whatever order they come."""
    own, of_another = spawned(1), spawned(2, creation_stack=SPAWNED_CREATION[1:], creation_sampled=True)
    for pictures in ([own, of_another], [of_another, own]):
        (made,) = tally(pictures)
        assert (made.creation_stack, made.creation_sampled) == (SPAWNED_CREATION, False)
    (made,) = tally([of_another])
    assert (made.creation_stack, made.creation_sampled) == (SPAWNED_CREATION[1:], True)


def test_grouped_text_has_function_and_spawners():
    """Below the creating line, as comments that pprof skips; the row of addresses names them all."""
    block = grouped([spawned()]).partition("\n")[2]
    assert re.sub(r"0x[0-9a-f]{10}", "0x_", block) == (
        "1 @ 0x_ 0x_ 0x_ 0x_\n"
        "# [queue.put, 12 minutes, unwakeable]\n"
        "#\t0x_\tasyncio.queues.Queue.put\t/python/asyncio/queues.py:140\n"
        "#\t0x_\tshop.search.ask\t/app/shop/search.py:24\n"
        "# created by shop.search.query\t/app/shop/search.py:31\n"
        "# runs shop.search.ask\n"
        "# through shop.util.spawn\t/app/shop/util.py:9\n"
        "\n"
    )


def test_a_frame_has_the_same_address_in_every_profile():
    """So that tools can subtract one text from another."""
    alone, among = grouped(LEAK[:1]), grouped([*LEAK, *TWIN])
    row = alone.splitlines()[1].partition(" @ ")[2]
    assert f"3 @ {row}\n" in among


def test_equal_stacks_are_one_group_even_if_they_are_different_objects():
    """Snapshots of two processes share no object."""
    copies = [leaked(number, stack=tuple(replace(entry) for entry in ASK), site=replace(QUERY)) for number in range(5)]
    assert [one.count for one in tally(copies)] == [5]


def test_threads_have_the_same_form():
    """The main thread was created by no line."""
    assert re.sub(r"0x[0-9a-f]{10}", "0x_", grouped([thread()], "thread")) == (
        "thread profile: total 1\n"
        "1 @ 0x_ 0x_\n"
        "# [running]\n"
        "#\t0x_\tshop.__main__.<module>\t/app/shop/__main__.py:3\n"
        "# created by threading.MainThread\n"
        "\n"
    )


def test_nothing_alive_is_a_profile_too():
    """A leak profile of a healthy process says so."""
    assert grouped([], "taskleak") == "taskleak profile: total 0\n"
    assert full([]) == ""


def test_unexamined_tasks_come_first():
    """An empty leak profile must not look like health when it is not."""
    assert grouped([], "taskleak", note="no\nlock") == "taskleak profile: total 0\n# no\\nlock\n"
    assert full([], note="no lock") == "# no lock\n\n"


def test_full_text_has_creator_and_evidence_per_task():
    """The whole text of a leak, its twin and a thread."""
    assert full([leaked(), healthy(), thread(2, is_daemon=True, name="pool")]) == (
        'task 17 "Task-17" [queue.put, 12 minutes, unwakeable]:\n'
        "asyncio.queues.Queue.put\n"
        "\t/python/asyncio/queues.py:140\n"
        "shop.search.ask\n"
        "\t/app/shop/search.py:24\n"
        "created by shop.search.query in task 9\n"
        "\t/app/shop/search.py:31\n"
        "# called from shop.app.handle\t/app/shop/app.py:12\n"
        "# 13 minutes old: its creator ended 12 minutes ago\n"
        "\n"
        'task 3 "worker-3" [queue.get, 2 seconds]:\n'
        "asyncio.queues.Queue.get\n"
        "\t/python/asyncio/queues.py:158\n"
        "shop.search.Worker.work\n"
        "\t/app/shop/search.py:60\n"
        "created by shop.search.Worker.start\n"
        "\t/app/shop/search.py:52\n"
        "\n"
        'thread 2 "pool" [running, daemon]:\n'
        "shop.__main__.<module>\n"
        "\t/app/shop/__main__.py:3\n"
        "created by threading.MainThread\n"
        "\n"
    )


def test_full_text_has_function_spawners_and_callers():
    """The spawner is not one of the callers, although the recorded stack begins there."""
    assert full([spawned()]).partition("created by ")[2] == (
        "shop.search.query in task 9\n"
        "\t/app/shop/search.py:31\n"
        "# runs shop.search.ask\n"
        "# through shop.util.spawn\t/app/shop/util.py:9\n"
        "# called from shop.app.handle\t/app/shop/app.py:12\n"
        "# 13 minutes old: its creator ended 12 minutes ago\n"
        "\n"
    )


@pytest.mark.parametrize("kind", ["task", "thread"])
def test_full_text_says_where_a_stack_is_of_another_task(kind):
    """Its callers may be those of a healthy one."""
    text = full([spawned(kind=kind, creation_sampled=True)])
    assert f"# stack of another {kind} created at this line:\n# called from shop.app.handle\t" in text
    assert "another" not in full([spawned(kind=kind, creation_sampled=True, creation_stack=())])


def test_a_deadlock_is_shown_as_the_circle_it_is():
    """Who awaits whom, back to the first."""
    text = full([leaked(5, waits_for=6, deadlock=(5, 6))])
    assert "# deadlock: task 5 awaits task 6 awaits task 5\n" in text


def test_a_chain_that_is_not_whole_says_so():
    """In both forms."""
    cut = healthy(note="only the outermost 200 frames were followed")
    assert "\n...only the outermost 200 frames were followed...\n" in full([cut])
    assert "\n# (only the outermost 200 frames were followed)\n" in grouped([cut])


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_a_line_or_reaches_the_terminal(name):
    """Names of tasks, functions and files are other people's text."""
    site = CreationSite(name, f"/app/{name}.py", 1, name, (CodeLine(name, name, 3),))
    picture = leaked(name=name, site=site, stack=(CodeLine(name, name, 2),), reason=name, note=name)
    plain = CreationSite("x", "/app/x.py", 1, "x", (CodeLine("x", "x", 3),))
    usual = leaked(site=plain, stack=(CodeLine("x", "x", 2),), reason="x", note="x")
    for render in (full, grouped, lambda pictures: "".join(folded(tally(pictures)))):
        text = render([picture])
        assert set(text) - {"\n", "\t"} == {each for each in text if each.isprintable()}
        assert text.count("\n") == render([usual]).count("\n")
        assert text.count("\t") == render([usual]).count("\t")


def test_quotes_within_a_name_do_not_end_it():
    """A task can not pretend to be in another state."""
    name = 'x" [running]:'
    assert full([leaked(name=name)]).startswith('task 17 "x\\" [running]:" [queue.put,')
    assert quoted("\\n") == '"\\\\n"'


def test_huge_name_is_cut_with_a_note():
    """How much is missing stands behind it."""
    assert sanitize_name("x" * 1_000_000) == "x" * 200 + "… (999800 more characters)"
    assert full([leaked(name="x" * 1_000_000)]).startswith(f'task 17 "{"x" * 200}"… (999800 more characters) [')
    huge = CreationSite("f" * 1_000_000, "/" + "p" * 1_000_000, 1)
    assert len(grouped([leaked(site=huge, stack=(CodeLine(huge.function, huge.path, 1),))])) < 4000


def test_folded_stacks_are_where_they_wait():
    """Outermost first, the wait reason at the tip, equal ones added up."""
    pictures = [*LEAK, *TWIN, leaked(1, verdict=None)]
    assert list(folded(tally(pictures))) == [
        "shop.search.Worker.work:60;asyncio.queues.Queue.get:158;[queue.get] 2\n",
        "shop.search.ask:24;asyncio.queues.Queue.put:140;[queue.put] 4\n",
    ]


def test_folded_stacks_by_creation_are_creation_stacks():
    """The sampled stack where there is one, else the line alone."""
    assert list(folded(tally([*LEAK, *TWIN]), by="creation")) == [
        "shop.app.handle:12;shop.search.query:31 3\n",
        "shop.search.Worker.start:52 2\n",
    ]


def test_folded_creations_show_spawners_and_function_once():
    """The recorded stack begins at the spawner; without one, the site knows the way."""
    assert list(folded(tally([spawned(1), spawned(2, wait_reason="sleep", creation_stack=())]), by="creation")) == [
        "shop.app.handle:12;shop.search.query:31;shop.util.spawn:9;shop.search.ask 1\n",
        "shop.search.query:31;shop.util.spawn:9;shop.search.ask 1\n",
    ]


def test_folded_stacks_hold_their_separators_alone():
    """A semicolon in a name would be a frame."""
    (line,) = folded(tally([leaked(stack=(CodeLine("a;b c", "x", 0),))]))
    assert line == "a,b c;[queue.put] 1\n"


def test_folding_by_something_else_is_refused():
    """What was given and what is expected."""
    with pytest.raises(ValueError, match="fold 'age': expected 'wait' or 'creation'"):
        list(folded([], by="age"))


def test_a_stream_in_a_small_encoding_gets_escapes():
    """A terminal in ASCII must not end a dump half way."""
    under = io.BytesIO()
    stream = io.TextIOWrapper(under, encoding="ascii")
    write_text(full_text([leaked(name="naïve " * 100)]), stream)
    stream.flush()
    assert b'"na\\xefve ' in under.getvalue()
    assert b"\\u2026 (400 more characters)" in under.getvalue()


def test_text_that_is_held_back_comes_out_as_it_went_in():
    """Whatever characters stand where it was cut."""
    held, text = CompressedBuffer(), "".join(f"🐍{number}ï\n" for number in range(100_000))
    for place in range(0, len(text), 977):
        held.add(text[place : place + 977])
    assert "".join(held.read()) == text
    assert "".join(CompressedBuffer().read()) == ""
