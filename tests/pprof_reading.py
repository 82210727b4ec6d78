"""Reads a profile.proto by its field numbers, independent of the code that writes it."""

import gzip
from dataclasses import dataclass, field


def fields(message):
    """Yield field number and value of each field of a protobuf message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
        else:
            assert tag & 7 == 2, f"wire type {tag & 7}"
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
            assert len(value) == length
        yield tag >> 3, value


def _varint(message, at):
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if message[at - 1] < 0x80:
            return value, at


def packed(message):
    """Return the signed numbers of a packed field."""
    numbers, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        numbers.append(value - (1 << 64) if value >> 63 else value)
    return numbers


@dataclass
class Profile:
    """What a profile says, with all references resolved."""

    types: list = field(default_factory=list)
    default_type: str = ""
    samples: list = field(default_factory=list)
    mappings: list = field(default_factory=list)
    comments: list = field(default_factory=list)
    time_nanos: int = 0
    duration_nanos: int = 0


def read_profile(data):
    """Return the profile in gzip bytes; what no field refers to rightly raises."""
    found = {}
    for number, value in fields(gzip.decompress(data)):
        found.setdefault(number, []).append(value)
    texts = [value.decode() for value in found[6]]
    assert texts[0] == "" and len(set(texts)) == len(texts)
    functions = {}
    for message in map(dict, map(fields, found.get(5, ()))):
        assert message[2] == message[3]
        functions[message[1]] = (texts[message[2]], texts[message.get(4, 0)])
    mappings = [dict(fields(message)) for message in found[3]]
    locations = {}
    for message in map(dict, map(fields, found.get(4, ()))):
        assert message[2] in {mapping[1] for mapping in mappings}
        line = dict(fields(message[4]))
        locations[message[1]] = (*functions[line[1]], line.get(2, 0))
    types = [tuple(texts[value] for _, value in fields(message)) for message in found[1]]
    samples = []
    for message in map(list, map(fields, found.get(2, ()))):
        stack = [locations[number] for each, value in message if each == 1 for number in packed(value)]
        values = [number for each, value in message if each == 2 for number in packed(value)]
        labels = dict(tuple(texts[text] for _, text in fields(value)) for each, value in message if each == 3)
        assert len(values) == len(types) and len(labels) == sum(each == 3 for each, _ in message)
        samples.append((stack, values, labels))
    return Profile(
        types,
        texts[found[14][0]],
        samples,
        [{**mapping, 5: texts[mapping[5]]} for mapping in mappings],
        [texts[number] for number in found.get(13, ())],
        found[9][0],
        found.get(10, [0])[0],
    )
