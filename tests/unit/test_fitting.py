"""Texts cut to a width: the last part of a path and of a name stays, sentences are wrapped."""

import pytest

from opentelemetry.instrumentation.concurrency.cli.fitting import (
    field_lines,
    fit_command,
    fit_name,
    fit_path,
    place_lines,
    sentence_lines,
    shortest_path,
)
from opentelemetry.instrumentation.concurrency.cli.readable_stacks import readable_stacks
from opentelemetry.instrumentation.concurrency.cli.tables import Column, number, table

PATH = "/srv/company/src/shop/handlers/orders.py:131"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, PATH),
        (43, "…/company/src/shop/handlers/orders.py:131"),
        (40, "/srv/…/src/shop/handlers/orders.py:131"),
        (37, "…/src/shop/handlers/orders.py:131"),
        (30, "…/shop/handlers/orders.py:131"),
        (15, "…/orders.py:131"),
        (8, "….py:131"),
    ],
)
def test_path_is_cut_in_the_middle(width, shown):
    assert fit_path(PATH, width) == shown
    assert len(shown) <= width


def test_shortest_path_keeps_file_and_line():
    assert fit_path(PATH, shortest_path(PATH)) == "…/orders.py:131"
    assert fit_path("orders.py:1", shortest_path("orders.py:1")) == "orders.py:1"


@pytest.mark.parametrize(
    ("width", "shown"), [(30, "shop.orders.Cart.checkout"), (20, "…Cart.checkout"), (9, "…checkout"), (5, "…kout")]
)
def test_name_is_cut_at_a_dot(width, shown):
    assert fit_name("shop.orders.Cart.checkout", width) == shown


def test_command_keeps_the_names_of_its_files():
    command = "/opt/venv/bin/python /srv/company/src/service.py --port 8000"
    assert fit_command(command, 80) == command
    assert fit_command(command, 32) == "python service.py --port 8000"
    assert fit_command(command, 12) == "python serv…"


def test_place_is_one_line_or_two():
    long = "company.checkout.handlers.orders.subscribe_to_price_updates_of_warehouse"
    assert list(place_lines("  at ", "shop.f", "/a/b.py:1", 0)) == ["  at shop.f  /a/b.py:1\n"]
    (line,) = place_lines("  at ", "shop.orders.checkout", PATH, 45)
    assert len(line) <= 46 and line.endswith("/orders.py:131\n") and "checkout" in line
    first, second = place_lines("  at ", long, PATH, 50)
    assert first.startswith("  at …") and second == f"      {PATH}\n"
    assert list(place_lines("  runs ", long, "", 30)) == ["  runs …e_updates_of_warehouse\n"]


def test_sentence_is_wrapped_at_words():
    lines = list(sentence_lines("  one two three four five six seven eight", 20))
    assert lines == ["  one two three four\n", "    five six seven\n", "    eight\n"]
    assert list(sentence_lines("ok    one two three four", 20, 6)) == ["ok    one two three\n", "      four\n"]


def test_empty_and_dropped_columns_leave_no_gap(monkeypatch):
    """On a terminal; a pipe keeps every column."""
    columns = (number("N"), Column("EMPTY", rank=1), Column("FAR", rank=2), Column("SITE", cut="path"))
    row = ("1", "", "x" * 30, PATH)
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.cli.tables.terminal_width", lambda: 40)
    assert next(table(columns, [row], wide=False, with_headings=True)).split() == ["N", "SITE"]
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.cli.tables.terminal_width", lambda: 0)
    assert next(table(columns, [row], wide=False, with_headings=True)).split() == ["N", "EMPTY", "FAR", "SITE"]


def test_stacks_on_a_terminal_have_no_addresses():
    text = [
        "task profile: total 1\n",
        "1 @ 0x51 0x4c\n",
        "# [queue.put, 12 minutes]\n",
        "#\t0x51\tasyncio.queues.Queue.put\t/usr/lib/python3.11/asyncio/queues.py:140\n",
        "#\t0x4c\tshop.ask\t/app/shop.py:24\n",
        "# created by shop.query\t/app/shop.py:31\n",
        "# runs shop.ask\n",
        "\n",
    ]
    shown = list(readable_stacks(text, "task", 80, full=False))
    assert shown[1:6] == [
        "1 task [queue.put, 12 minutes]\n",
        "    shop.ask  /app/shop.py:24\n",
        "  created by shop.query  /app/shop.py:31\n",
        "  runs shop.ask\n",
        "\n",
    ]
    assert "asyncio.queues.Queue.put" in "".join(readable_stacks(text, "task", 80, full=True))


@pytest.mark.parametrize(
    ("width", "shown"), [(0, ["a  bb  ccc"]), (10, ["a  bb  ccc"]), (9, ["a  bb", "  ccc"]), (1, 3)]
)
def test_fields_that_do_not_fit_continue_on_another_line(width, shown):
    """Each field stays whole."""
    lines = [line.rstrip("\n") for line in field_lines(["a", "bb", "ccc"], width)]
    assert (len(lines) if isinstance(shown, int) else lines) == shown


def test_last_of_equal_columns_is_dropped_first_and_named(monkeypatch):
    """Only numbers are named; ``wide`` drops none."""
    columns = (Column("SITE", cut="path"), number("4711", rank=5), number("4712", rank=5), Column("RUNS", rank=6))
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.cli.tables.terminal_width", lambda: 40)

    def shown(wide):
        row = (PATH, "1" * 8, "2" * 8, "ask")
        return "".join(table(columns, [row], wide=wide, with_headings=True, names_hidden=True))

    assert "Columns that do not fit: 4712; -o" in shown(wide=False)
    assert "do not fit" not in shown(wide=True)
