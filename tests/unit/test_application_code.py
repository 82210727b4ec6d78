"""Which code counts as the application's."""

import json
import sys
from types import CodeType

import pytest

from opentelemetry.instrumentation.concurrency.record.application import ApplicationCode, packages_being_run


def code_in(path: str) -> CodeType:
    return compile("pass", path, "exec")


def is_library(path: str, module: str, patterns=()) -> bool:
    return ApplicationCode(patterns).is_library(code_in(path), module)


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library directory of its own, as a virtual environment has one."""
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return folder


@pytest.mark.parametrize(
    ("path", "module"),
    [
        (json.__file__, "json"),
        ("/srv/venv/lib/python3.12/site-packages/aiojobs/_job.py", "aiojobs._job"),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", "yaml"),
        ("<frozen runpy>", "runpy"),
    ],
)
def test_library_directory_is_library(path, module):
    assert is_library(path, module)


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("/srv/shop/search.py", "shop.search"),
        ("/srv/shop.pyz/shop/search.py", "shop.search"),
        ("<string>", "__main__"),
        ("<ipython-input-1>", "__main__"),
        ("/srv/venv/lib/python3.12/site-packages/shop/__main__.py", "__main__"),
    ],
)
def test_everything_else_is_application(path, module, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "shop"])
    assert not is_library(path, module)


def test_generated_code_is_classified_by_its_module():
    """What a library generates, such as the methods of data classes, is the library's."""
    assert is_library("<string>", "json")
    assert not is_library("<string>", __name__)


@pytest.mark.parametrize("glob", ["plugins.*", "*/site-packages/plugins/*", "plugins/jobs.py"])
def test_application_setting_takes_modules_and_paths(glob, library):
    path = str(library / "plugins" / "jobs.py")
    assert is_library(path, "plugins.jobs")
    assert not is_library(path, "plugins.jobs", [glob])


@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        (["python", "-m", "shop.web"], {"shop"}),
        (["python", "-X", "dev", "-m", "shop"], {"shop"}),
        (["python", "-m", "uvicorn", "shop.web:app", "--port", "80"], {"shop"}),
        (["python", "/venv/bin/gunicorn", "shop.wsgi:make_app()"], {"shop"}),
        (["python", "/venv/bin/celery", "-A", "shop.jobs", "worker"], {"shop"}),
        (["python", "/venv/bin/celery", "--app=shop.jobs:app", "worker"], {"shop"}),
        (["python", "-m", "pytest", "-q", "tests/test_shop.py::test_sale"], set()),
        (["python", "-c", "import shop"], set()),
        (["python", "shop.py", "--bind", "127.0.0.1:8080"], set()),
        ([], set()),
    ],
)
def test_packages_being_run_are_read_from_the_command_line(arguments, packages):
    """Launchers are left out: they run somebody's application and are not one themselves."""
    assert packages_being_run(arguments) == packages


def test_console_script_names_the_package_that_it_imports(tmp_path):
    script = tmp_path / "bin" / "shop-worker"
    script.parent.mkdir()
    script.write_text("#!/bin/python\nimport re\nimport sys\nfrom shop.worker import main\nsys.exit(main())\n")
    assert packages_being_run(["python", str(script)]) == {"shop"}


def test_main_module_of_a_launcher_is_library(monkeypatch):
    """The line that calls uvicorn's main would be named for every task that uvicorn starts before the loop runs."""
    inside = "/srv/venv/lib/python3.12/site-packages/uvicorn/__main__.py"
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "uvicorn", "shop.web:app"])
    assert is_library(inside, "__main__")
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "cProfile", "shop.py"])
    assert not is_library("/srv/shop/shop.py", "__main__")


def test_console_script_of_a_launcher_is_library(tmp_path, monkeypatch):
    for name, package in (("uvicorn", "uvicorn"), ("shop-worker", "shop")):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"import sys\nfrom {package}.main import main\nsys.exit(main())\n")
        monkeypatch.setattr(sys, "orig_argv", ["python", str(script)])
        assert is_library(str(script), "__main__") == (package == "uvicorn")


@pytest.mark.parametrize(
    ("origin", "is_application"),
    [
        ({"url": "file:///srv/shop", "dir_info": {}}, True),
        ({"url": "file:///srv/shop.whl", "archive_info": {}}, False),
        ({"url": "https://example.org/shop.zip", "archive_info": {}}, False),
        ([], False),
    ],
)
def test_distribution_installed_from_a_folder_is_application(library, origin, is_application):
    """``pip install ./shop`` copies the application into the library directory."""
    info = library / "shop-1.0.dist-info"
    info.mkdir()
    (info / "direct_url.json").write_text(json.dumps(origin))
    (info / "RECORD").write_text("shop/__init__.py,,\nshop/web.py,,\nshop-1.0.dist-info/RECORD,,\n")
    assert is_library(str(library / "shop" / "web.py"), "shop.web") != is_application


def test_frozen_program_has_only_the_standard_library_as_library(monkeypatch):
    """PyInstaller puts nothing under a library directory."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert is_library("json/decoder.py", "json.decoder")
    assert not is_library("shop/web.py", "shop.web")


def test_spawners_setting_matches_module_and_function():
    code = compile("def launch(coro): pass", "shop.py", "exec").co_consts[0]
    assert ApplicationCode((), ["shop.tasks.launch"]).is_named_spawner(code, "shop.tasks")
    assert ApplicationCode((), ["*.launch"]).is_named_spawner(code, "shop.tasks")
    assert not ApplicationCode((), ["shop.launch"]).is_named_spawner(code, "shop.tasks")
    assert not ApplicationCode().is_named_spawner(code, "shop.tasks")
