"""Numbers by address."""

import pytest

from opentelemetry.instrumentation.concurrency.census.by_address import NumbersByAddress


def test_get_number_of_each_address():
    numbers = NumbersByAddress()
    addresses = [0x7F00_0000_0000 + 16 * place for place in range(5000)]
    numbers.add(addresses, range(5000))
    assert [numbers.get(address) for address in addresses] == list(range(5000))


def test_get_unknown_address_returns_none():
    numbers = NumbersByAddress()
    numbers.add([16], [1])
    assert numbers.get(32) is None
    assert numbers.get(16 + 16 * 256) is None


def test_add_address_again_keeps_the_later_number():
    numbers = NumbersByAddress()
    numbers.add([16, 16], [1, 2])
    numbers.add([32], [3])
    numbers.add([32], [4])
    assert (numbers.get(16), numbers.get(32)) == (2, 4)


def test_add_of_different_lengths_is_an_error():
    with pytest.raises(ValueError):
        NumbersByAddress().add([16, 32], [1])


def test_addresses_are_spread_over_parts():
    """Objects are aligned to 16 bytes; neighbours are in different dictionaries, each of which stays small."""
    numbers = NumbersByAddress()
    numbers.add(range(0, 16 * 2560, 16), range(2560))
    assert {len(part) for part in numbers._parts} == {10}
