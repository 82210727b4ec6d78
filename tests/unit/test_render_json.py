"""A snapshot as JSON: what is written is what is read, and what is wrong is said."""

import io
import json
import os
from random import Random

import jsonschema
import pytest
from pictured import SPAWN, SPAWNED_CREATION, healthy, leaked, snapshot, spawned, thread

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot
from opentelemetry.instrumentation.concurrency.render.folded import folded
from opentelemetry.instrumentation.concurrency.render.full_text import full_text
from opentelemetry.instrumentation.concurrency.render.grouped_text import grouped_text
from opentelemetry.instrumentation.concurrency.render.pprof_profile import pprof_profile, samples_of
from opentelemetry.instrumentation.concurrency.snapshot.as_json import (
    SnapshotWriter,
    read_process_info,
    read_snapshot,
    snapshot_schema,
    write_snapshot,
)
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo, this_process
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally

DEADLOCK = [leaked(5, waits_for=6, deadlock=(5, 6), owners=(6,)), leaked(6, waits_for=5, deadlock=(6, 5), owners=(5,))]
WHOLE = snapshot(
    [
        *(leaked(number) for number in range(20, 23)),
        healthy(),
        *DEADLOCK,
        healthy(8, note="cut", stack=()),
        spawned(30, creation_sampled=True),
    ],
    [thread(), thread(2, is_daemon=True, name="pool", verdict="orphaned", creator=5)],
)


def written(shown, **options):
    stream = io.BytesIO()
    write_snapshot(shown, stream, **options)
    return stream.getvalue()


def strict(schema):
    """Return the schema with no property allowed that it does not name."""
    if isinstance(schema, dict):
        made = {key: strict(value) for key, value in schema.items()}
        return {**made, "additionalProperties": False} if "properties" in schema else made
    return [strict(each) for each in schema] if isinstance(schema, list) else schema


def test_written_snapshot_is_read_back_equal():
    """Every field of every picture and group survives, so a client can render all that the process could."""
    assert read_snapshot(written(WHOLE)) == WHOLE


def test_a_mapping_that_was_parsed_already_is_read_as_well():
    """A client that looked into the object need not make text again."""
    assert read_snapshot(json.loads(written(WHOLE))) == WHOLE


def test_snapshot_matches_the_published_schema():
    """The schema names every property that is written."""
    schema = snapshot_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(strict(schema)).validate(json.loads(written(WHOLE)))


def test_schema_refuses_other_documents():
    """A schema that takes everything would prove nothing."""
    document = json.loads(written(WHOLE))
    document["tasks"][0]["wait_reason"] = "boredom"
    with pytest.raises(jsonschema.ValidationError, match="boredom"):
        jsonschema.Draft202012Validator(snapshot_schema()).validate(document)


def test_totals_and_process_come_first():
    """The first lines say what it is, of which process, and how bad."""
    document = json.loads(written(WHOLE, process=ProcessInfo(4711, "3.14.0", "shop", "0.1.0")))
    assert list(document)[:4] == ["schema_version", "taken_at", "process", "totals"]
    assert document["totals"] == {
        "tasks": {"live": 8, "orphaned": 0, "unwakeable": 6},
        "threads": {"live": 2, "orphaned": 1, "unwakeable": 0},
    }
    assert read_process_info(document) == ProcessInfo(4711, "3.14.0", "shop", "0.1.0")


def test_an_empty_process_is_a_snapshot_too():
    """No task and no thread is an answer."""
    assert read_snapshot(written(snapshot([]))) == snapshot([])


def test_snapshot_keeps_function_spawners_and_stack_owner():
    """They do not take part in the comparison of sites, so each is looked at by itself."""
    read = read_snapshot(written(snapshot([spawned(1, creation_sampled=True), spawned(2, wait_reason="sleep")])))
    site = read.tasks[0].site
    assert (site.runs, site.via) == ("shop.search.ask", (SPAWN,))
    assert [task.creation_sampled for task in read.tasks] == [True, False]
    assert {group.wait_reason: group.creation_sampled for group in read.by_stack} == {"queue.put": True, "sleep": False}
    assert [(group.creation_stack, group.creation_sampled) for group in read.by_site] == [(SPAWNED_CREATION, False)]


def test_snapshot_of_version_1_is_read():
    """Its sites are lines alone, and the creation stacks of its groups may be anyone's."""
    document = json.loads(written(snapshot([leaked()], [thread()])))
    document["schema_version"] = 1
    for group in document["by_site"] + document["by_stack"]:
        group.pop("creation_sampled", None)
    read = read_snapshot(document)
    assert read.tasks == (leaked(),) and read.tasks[0].site.runs == ""
    assert [group.creation_sampled for group in read.by_site if group.kind == "task"] == [True]


def test_pictures_that_come_one_by_one_give_the_same_document():
    """The streaming writer holds no picture, and groups as a snapshot does."""
    writer = SnapshotWriter(ProcessInfo(4711))
    for picture in (*WHOLE.tasks, *WHOLE.threads):
        writer.add(picture)
    stream = io.StringIO()
    writer.write(stream)
    read = read_snapshot(stream.getvalue())
    assert (read.tasks, read.threads, read.by_stack) == (WHOLE.tasks, WHOLE.threads, WHOLE.by_stack)
    assert sorted(read.by_site, key=str) == sorted(WHOLE.by_site, key=str)


def test_tasks_share_the_text_of_their_stacks():
    """A thousand like ones take little more than one line each."""
    one = len(written(snapshot([leaked()])))
    thousand = len(written(snapshot([leaked(100 + number, age_s=float(number)) for number in range(1000)])))
    assert thousand - one < 1000 * 320


@pytest.mark.parametrize("name", ["\ud800", "\x1b[31m", "</script>", '"\\\n', "naïve 🐍"])
def test_hostile_names_come_back_as_they_were(name):
    """ASCII JSON holds every character there is, lone surrogates too."""
    text = written(snapshot([leaked(name=name)]))
    assert text.isascii()
    assert read_snapshot(text).tasks[0].name == name


def test_name_of_a_megabyte_is_cut_with_a_note():
    """Nobody's name may fill a disk."""
    read = read_snapshot(written(snapshot([leaked(name="x" * 1_000_000)])))
    assert read.tasks[0].name.endswith("… (990000 more characters)")


def test_unknown_properties_of_a_later_version_are_ignored():
    """Within one schema version only properties are added."""
    document = json.loads(written(WHOLE))
    document["tasks"][0]["mood"] = document["weather"] = "fine"
    assert read_snapshot(document) == WHOLE


def wrong(**changes):
    document = json.loads(written(WHOLE))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = document
        for step in way:
            place = place[int(step[1:]) if step[1:].isdigit() else step]
        place[int(last[1:]) if last[1:].isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "expected a JSON object, got ''"),
        (b"\x1f\x8b\x08", "expected a JSON object, got b'"),
        ("[" * 100_000, "expected a JSON object, got"),
        ("[1]", r"expected a JSON object with schema_version 2, got a list with 1"),
        ({}, "expected a JSON object with schema_version 2, got an empty object"),
        ({"tasks": []}, "got an object with 'tasks'"),
        (wrong(schema_version=3), "has schema_version 3, this version of the package reads 1 and 2"),
        (wrong(tasks=3), "at tasks expected a list, got 3"),
        (wrong(tasks__n0=[]), r"at tasks\[0\] expected an object, got an empty list"),
        (wrong(tasks__n0__site=99), r"at tasks\[0\].site expected the number of one of the 4 sites, got 99"),
        (wrong(tasks__n0__site=-1), r"at tasks\[0\].site expected the number of one of the 4 sites, got -1"),
        (wrong(tasks__n1__name=None), r"at tasks\[1\].name expected a string, got None"),
        (wrong(tasks__n1__serial=True), r"at tasks\[1\].serial expected a whole number, got True"),
        (wrong(tasks__n1__age_s="old"), r"at tasks\[1\].age_s expected a number, got 'old'"),
        (wrong(tasks__n1__age_s=float("nan")), r"at tasks\[1\].age_s expected a number below 1e\+15, got nan"),
        (wrong(taken_at=10**400), r"at taken_at expected a number below 1e\+15, got 1000000"),
        (wrong(tasks__n4__owners=["a"]), r"at tasks\[4\].owners expected a list of whole numbers, got 'a'"),
        (wrong(stacks__n0="ab"), r"at stacks\[0\] expected a list of numbers of frames, got 'ab'"),
        (wrong(stacks__n0=[1.5]), r"at stacks\[0\] expected the number of one of the \d+ frames, got 1.5"),
        (wrong(by_site__n0__kind="fiber"), r"at by_site\[0\].kind expected 'task' or 'thread', got 'fiber'"),
        (wrong(sites__n0__runs=1), r"at sites\[0\].runs expected a string, got 1"),
        (wrong(sites__n0__via=7), r"at sites\[0\].via expected a list, got 7"),
        (wrong(sites__n0__via=[99]), r"at sites\[0\].via expected the number of one of the \d+ frames, got 99"),
        (wrong(schema_version=True), "has schema_version True"),
        (wrong(process={}), r"at process.process_id expected a whole number, got nothing"),
    ],
)
def test_wrong_input_is_named_with_the_expected_form(given, message):
    """Where, what was expected, what is there."""
    with pytest.raises(ValueError, match=message):
        read_snapshot(given)


def test_malformed_input_raises_only_value_error():
    """Ten thousand documents with something replaced at random; all that are read can be rendered."""
    random = Random(20261123)
    values = [None, True, -1, 0, 7, 10**30, 1.5, float("inf"), "", "x", [], [0], [[]], {}, {"line": 1}]
    text = written(WHOLE)
    refused = 0
    for _ in range(10_000):
        document = json.loads(text)
        place = document
        while True:
            key = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], (dict, list)) or not place[key] or random.random() < 0.2:
                break
            place = place[key]
        place[key] = random.choice(values)
        try:
            read = read_snapshot(document)
        except ValueError as error:
            assert str(error).startswith("This snapshot ")
            refused += 1
        else:
            written(read)
            counts = tally(read.tasks)
            for pieces in (full_text(read.tasks), grouped_text("task", counts), folded(counts)):
                "".join(pieces)
            pprof = pprof_profile("task", samples_of(counts), taken_at=read.taken_at, process=ProcessInfo(1))
            b"".join(pprof)
    assert refused > 5_000


def test_a_living_process_names_itself(monkeypatch):
    """The service name is the one of the telemetry."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=shop")
    assert this_process().service_name == "shop"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "till")
    assert this_process().service_name == "till"
    ConcurrencyInstrumentor().instrument(reports="none")
    try:
        text = written(take_snapshot())
    finally:
        ConcurrencyInstrumentor().uninstrument()
    info = read_process_info(text)
    assert (info.process_id, info.service_name) == (os.getpid(), "till")
    jsonschema.Draft202012Validator(strict(snapshot_schema())).validate(json.loads(text))
    assert "MainThread" in {one.name for one in read_snapshot(text).threads}
