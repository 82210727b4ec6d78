"""The pytest plugin under its former name, for ``-p``."""

from .pytest.plugin import pytest_addoption, pytest_collection_finish, pytest_configure

__all__ = ["pytest_addoption", "pytest_collection_finish", "pytest_configure"]
