"""Every module of record, census, diagnose and report has a unit test that imports it, or one that is named."""

import pytest
from mutation.tests_of_modules import TESTED_THROUGH, UNIT, imported_by_tests, modules


@pytest.mark.parametrize("module", modules())
def test_module_is_imported_by_a_test_or_names_one(module):
    """A new module needs a test file of its own; `TESTED_THROUGH` is for those that are tested through another."""
    assert imported_by_tests(module) or module in TESTED_THROUGH


@pytest.mark.parametrize("module", sorted(TESTED_THROUGH))
def test_named_test_exists_and_so_does_its_module(module):
    assert module in modules()
    assert all((UNIT / name).exists() for name in TESTED_THROUGH[module])
