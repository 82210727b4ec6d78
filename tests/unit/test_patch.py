"""Installing a hook on an attribute and removing it without a trace."""

import wrapt

from opentelemetry.instrumentation.concurrency.record.patch import Patch


class Base:
    def start(self):
        return ["original"]


class Derived(Base):
    pass


def recording(mark):
    def build(original):
        active = True

        def hook(self):
            return [mark, *original(self)] if active else original(self)

        def disarm():
            nonlocal active
            active = False

        return hook, disarm

    return build


def other_library(wrapped, instance, args, kwargs):
    return ["other", *wrapped(*args, **kwargs)]


def make_class():
    return type("Own", (), {"start": Base.__dict__["start"]})


def test_patch_inherited_attribute_is_deleted_on_removal():
    """Left behind as a copy it would hide what is later patched on the base class."""
    patch = Patch(Derived, "start", recording("hook"))
    patch.install()
    assert Derived().start() == ["hook", "original"]
    patch.remove()
    assert "start" not in vars(Derived)
    assert Derived.start is Base.start


def test_patch_own_attribute_is_restored_on_removal():
    owner = make_class()
    original = vars(owner)["start"]
    patch = Patch(owner, "start", recording("hook"))
    patch.install()
    assert owner().start() == ["hook", "original"]
    patch.remove()
    assert vars(owner)["start"] is original


def test_patch_installed_twice_runs_once():
    owner = make_class()
    patch = Patch(owner, "start", recording("hook"))
    patch.install()
    patch.install()
    assert owner().start() == ["hook", "original"]


def test_patch_below_a_wrapper_is_removed_from_below():
    owner = make_class()
    wrapt.wrap_function_wrapper(owner, "start", other_library)
    patch = Patch(owner, "start", recording("hook"))
    patch.install()
    assert owner().start() == ["other", "hook", "original"]
    assert patch.is_installed()
    patch.remove()
    assert owner().start() == ["other", "original"]
    assert not patch.is_installed()


def test_patch_under_a_later_wrapper_is_removed_from_below():
    owner = make_class()
    patch = Patch(owner, "start", recording("hook"))
    patch.install()
    wrapt.wrap_function_wrapper(owner, "start", other_library)
    patch.remove()
    assert owner().start() == ["other", "original"]


def test_patch_under_a_plain_function_passes_through():
    """Nothing leads to it from the attribute: it stays in the chain without effect."""
    owner = make_class()
    patch = Patch(owner, "start", recording("hook"))
    patch.install()
    hooked = vars(owner)["start"]
    owner.start = lambda self: ["plain", *hooked(self)]
    assert not patch.is_installed()
    patch.remove()
    assert owner().start() == ["plain", "original"]


def test_patches_removed_first_first_leave_nothing():
    owner = make_class()
    original = vars(owner)["start"]
    lower, upper = Patch(owner, "start", recording("lower")), Patch(owner, "start", recording("upper"))
    lower.install()
    upper.install()
    lower.remove()
    assert owner().start() == ["upper", "original"]
    upper.remove()
    assert vars(owner)["start"] is original


def test_patches_of_inherited_attribute_leave_nothing():
    owner = type("Own", (Base,), {})
    lower, upper = Patch(owner, "start", recording("lower")), Patch(owner, "start", recording("upper"))
    lower.install()
    upper.install()
    lower.remove()
    upper.remove()
    assert "start" not in vars(owner)


def test_patch_replaced_by_another_function_stays_replaced():
    owner = make_class()
    patch = Patch(owner, "start", recording("hook"))
    patch.install()
    owner.start = lambda self: ["plain"]
    patch.remove()
    assert owner().start() == ["plain"]


def test_patch_removed_twice_does_nothing_the_second_time():
    owner = make_class()
    patch = Patch(owner, "start", recording("hook"))
    patch.install()
    patch.remove()
    owner.start = lambda self: ["plain"]
    patch.remove()
    assert owner().start() == ["plain"]
