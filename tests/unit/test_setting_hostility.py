"""Reading settings never raises, whatever stands there."""

import pytest
from settings_loading import load

from opentelemetry.instrumentation.concurrency.settings import SETTING_SPECS, Declarative, Settings, load_settings


class Hostile:
    """Raises at whatever is asked of it."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def _refuse(self, *_):
        raise RuntimeError

    __repr__ = __str__ = __eq__ = __ne__ = __hash__ = __bool__ = __len__ = __iter__ = __int__ = __float__ = _refuse
    __index__ = __fspath__ = __lt__ = __gt__ = __le__ = __ge__ = __contains__ = _refuse


class HostileText(str):
    __slots__ = ()
    strip = lower = upper = split = __repr__ = __eq__ = __len__ = __hash__ = Hostile._refuse


class HostileInteger(int):
    __slots__ = ()
    __int__ = __float__ = __index__ = __repr__ = __eq__ = __le__ = __hash__ = Hostile._refuse


class HostileList(list):
    __iter__ = __len__ = __repr__ = __eq__ = Hostile._refuse


class HostileName(type):
    __name__ = property(Hostile._refuse)


class Nameless(metaclass=HostileName):
    __repr__ = Hostile._refuse


class TestNothingRaises:
    @pytest.mark.parametrize(
        "make",
        [
            Hostile,
            lambda: HostileText("30s"),
            lambda: HostileInteger(5),
            lambda: HostileList(["a"]),
            lambda: Nameless(),
            object,
            lambda: object,
            dict,
            lambda: b"\xff",
            lambda: "\0",
            lambda: "\udcff",
            lambda: 10**5000,
        ],
    )
    def test_whatever_comes_in(self, make):
        """A hostile value is at most one warning for each setting, from code as from a file."""
        for wrap in (lambda value: value, Declarative):
            settings, warnings = load({spec.name: wrap(make()) for spec in SETTING_SPECS})
            assert isinstance(settings, Settings)
            assert len(warnings) <= len(SETTING_SPECS)
            repr(settings)

    def test_value_whose_repr_raises_is_a_warning_with_its_type(self):
        """The warning still says what it was."""
        settings, (warning,) = load({"max_sites": Hostile()})
        assert settings == Settings() and "<Hostile>" in warning

    def test_names_that_are_no_texts(self):
        """A mapping of anything is read for what can be read."""
        warnings = []
        settings = load_settings({5: 1, None: 2, "max_sites": 7}, {7: "x", b"y": "z"}, warn=warnings.append)
        assert settings == Settings(max_sites=7)
        assert len(warnings) == 2

    def test_variable_that_is_not_unicode(self):
        """The operating system passes any bytes."""
        _, (warning,) = load(REPORTS="\udcff\udcfe")
        assert "udcff" in warning
