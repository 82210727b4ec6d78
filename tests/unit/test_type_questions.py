"""Questions about the types of objects, answered without running their code."""

from opentelemetry.instrumentation.concurrency.diagnose.introspection.fields import attribute_of, has_method, is_a


class Base:
    __slots__ = ("slot",)

    def ask(self):
        """Be inherited."""


class Own(Base):
    """Has a dictionary as well."""


def test_has_method_of_the_type_or_a_base():
    assert has_method(Own, "ask") is True
    assert has_method(Own, "tell") is False


def test_is_a_type_of_a_package_by_its_name():
    package = __name__.partition(".")[0]
    assert is_a(Own(), "Base", package)
    assert not is_a(Own(), "Base", "elsewhere")
    assert not is_a(Own(), "Other", package)


def test_attribute_of_dictionary_slot_or_none():
    found = Own()
    assert attribute_of(found, "slot") is None
    found.slot, found.own = 1, 2
    assert (attribute_of(found, "slot"), attribute_of(found, "own")) == (1, 2)
    assert attribute_of(found, "other") is None
