"""The pytest plugin: modes, markers, settings, phases, scopes, and what it does while it is off."""

import os
import sys

import pytest
from suites import ONE_OF_EACH, PLUGIN, outcomes, suite  # noqa: F401 (a fixture)

OPTIONS = f"{PLUGIN.rpartition('.')[0]}.options"
ALWAYS_LOADED = (PLUGIN, PLUGIN.rpartition(".")[0], OPTIONS)

pytestmark = pytest.mark.every_python


class TestModes:
    """What happens with a leak, for the whole suite."""

    def test_error(self, suite):  # noqa: F811
        """The test that leaks has an error of its own, with the line that created it and both stacks."""
        result = suite.run(ONE_OF_EACH, "--leaks=error", "--leaks-timeout=0.1")
        assert outcomes(result) == {"passed": 3, "errors": 2}
        result.stdout.fnmatch_lines(
            [
                "*ERROR at teardown of test_thread*",
                "1 thread left behind, created by leaking.leak_thread (*leaking.py:*) running threading.Event.wait, "
                "in test_it.py::test_thread",
                "* thread 'leaked' running threading.Event.wait, a daemon",
                "*still there; wait reason: event.wait*",
                "*verdict: none",
                "*created by leaking.leak_thread (*",
                '*File "*test_it.py", line 8, in test_it.test_thread',
                "*leak_thread()",
                "*now, innermost last:",
                "*threading.Event.wait",
                "*ERROR at teardown of test_task*",
                "*still there when the runner ended its loop; wait reason: event.wait*",
                "*verdict: unwakeable: nothing that still runs holds what it waits for",
            ]
        )
        assert result.ret == 1

    def test_warn(self, suite):  # noqa: F811
        """The tests pass, and each leak is a warning with the same text."""
        result = suite.run(ONE_OF_EACH, "--leaks=warn", "--leaks-timeout=0.1")
        assert outcomes(result) == {"passed": 3}
        result.stdout.fnmatch_lines(["*LeakWarning: 1 thread left behind, created by leaking.leak_thread*"])
        assert result.ret == 0

    def test_warning_points_to_the_test(self, suite):  # noqa: F811
        result = suite.run(ONE_OF_EACH, "--leaks=warn", "--leaks-timeout=0.1")
        result.stdout.fnmatch_lines(["*test_it.py:7: *LeakWarning: 1 thread left behind*"])

    @pytest.mark.parametrize(
        ("ini", "arguments", "failing"),
        [
            ("leaks_only = threads", (), {"test_thread"}),
            ("leaks_only = tasks", (), {"test_task"}),
            ("", ("--leaks-only=tasks",), {"test_task"}),
            ("leaks_daemons = false", (), {"test_task"}),
            ("", ("--leaks-no-daemons",), {"test_task"}),
        ],
    )
    def test_suite_checks_what_it_names(self, suite, ini, arguments, failing):  # noqa: F811
        """Only tasks, only threads, no daemon threads; the leaked thread is one."""
        suite.ini(f"leaks = error\nleaks_timeout = 0.1\n{ini}")
        result = suite.run(ONE_OF_EACH, *arguments)
        assert outcomes(result) == {"passed": 3, "errors": 1}
        result.stdout.fnmatch_lines([f"*ERROR at teardown of {name}*" for name in failing])

    def test_marker_keeps_what_the_suite_checks(self, suite):  # noqa: F811
        """Unless it names something else."""
        suite.ini("leaks = error\nleaks_timeout = 0.1\nleaks_only = tasks")
        marked = "@pytest.mark.no_leaks(timeout=0)\ndef test_it():\n    leak_thread()\n"
        assert outcomes(suite.run(marked)) == {"passed": 1}
        marked = marked.replace("timeout=0", '"threads", timeout=0')
        assert outcomes(suite.run(marked)) == {"passed": 1, "errors": 1}

    def test_off(self, suite):  # noqa: F811
        """Off is the default: nothing is checked."""
        for args in ((), ("--leaks=off",)):
            result = suite.run(ONE_OF_EACH, *args)
            assert outcomes(result) == {"passed": 3}
            result.stdout.no_fnmatch_line("*left behind*")

    def test_the_setting_of_the_suite(self, suite):  # noqa: F811
        """The ini file holds for the whole suite, the command line stands over it."""
        suite.ini("leaks = error\nleaks_timeout = 0.1")
        assert outcomes(suite.run(ONE_OF_EACH)) == {"passed": 3, "errors": 2}
        assert outcomes(suite.run(ONE_OF_EACH, "--leaks=off")) == {"passed": 3}

    def test_filters_of_the_suite(self, suite):  # noqa: F811
        """Named rules of the ini file leave leaks out."""
        suite.ini("leaks = error\nleaks_timeout = 0.1\nleaks_ignore =\n    name:leaked\n    creator:leaking.leak_task")
        assert outcomes(suite.run(ONE_OF_EACH)) == {"passed": 3}

    @pytest.mark.parametrize(
        ("ini", "message"),
        [
            ("leaks = loud", "*leaks = 'loud': expected one of error, warn, off*"),
            ("leaks = error\nleaks_ignore = nonsense", "*leaks_ignore: 'nonsense': expected creator:PATTERN*"),
            ("leaks = error\nleaks_timeout = soon", "*could not convert string to float: 'soon'*"),
            (
                "leaks = error\nleaks_baseline = gone.json",
                "*there is no baseline file*gone.json*--leaks-write-baseline*",
            ),
        ],
    )
    def test_settings_that_cannot_work(self, suite, ini, message):  # noqa: F811
        """They end the run at once, with what was expected."""
        suite.ini(ini)
        result = suite.run(ONE_OF_EACH)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([message])


class TestOff:
    """What the plugin does to a suite that did not ask for it: nothing."""

    def test_it_loads_nothing(self, suite):  # noqa: F811
        """Neither asyncio, nor anything of OpenTelemetry, nor the rest of this package; no hook for each test."""
        result = suite.run(
            f"""
import sys

def test_what_is_loaded(request):
    # The first line of this module has imported asyncio.
    loaded = [name for name in sys.modules if name.startswith(("opentelemetry.", "wrapt"))]
    assert sorted(name for name in loaded if "concurrency.testing." in name) == {sorted(ALWAYS_LOADED)}
    assert not [name for name in loaded if name != "{OPTIONS}" and not "{PLUGIN}".startswith(name)]

def test_no_hook_is_in(request):
    assert threading.Thread.start.__module__ == "threading"
    plugin = request.config.pluginmanager.get_plugin("otel_concurrency")  or sys.modules["{PLUGIN}"]
    assert sorted(name for name in vars(plugin) if name.startswith("pytest_")) == [
        "pytest_addoption", "pytest_collection_finish", "pytest_configure"]
"""
        )
        assert outcomes(result) == {"passed": 2}

    def test_it_comes_with_the_package_and_changes_nothing(self, suite, monkeypatch):  # noqa: F811
        """Found through its entry point, it does not even import asyncio, and no test fails that passed before."""
        about = suite.pytester.mkdir("installed").joinpath("ours-1.dist-info")
        about.mkdir()
        about.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
        about.joinpath("entry_points.txt").write_text(f"[pytest11]\notel_concurrency_ours = {PLUGIN}\n")
        monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([suite.source, str(about.parent)]))
        suite.pytester.makepyfile(
            test_plain="""
            import sys

            def test_plain():
                print("loaded:", *sys.modules)
            """
        )
        others = ("asyncio", "anyio", "aiohttp", "pytest_aiohttp", "xdist", "timeout", "pyleak", "otel_concurrency")
        blocked = [word for name in others for word in ("-p", f"no:{name}")]
        loaded = []
        for without in ([], ["-p", "no:otel_concurrency_ours"]):
            result = suite.pytester.runpytest_subprocess("-s", *blocked, *without)
            assert outcomes(result) == {"passed": 1}
            (line,) = (line for line in result.outlines if "loaded:" in line)
            loaded.append(set(line.partition("loaded: ")[2].split()))
        more = {name for name in loaded[0] - loaded[1] if name != OPTIONS and not PLUGIN.startswith(name)}
        assert PLUGIN in loaded[0]
        # What it imports of the standard library is what its own few lines need.
        assert more <= set(sys.stdlib_module_names)
        assert not more & {"asyncio", "concurrent.futures", "unittest", "logging", "json"}

    def test_the_marker_of_another_tool(self, suite, monkeypatch):  # noqa: F811
        """Where pyleak is installed its marker of the same name stays its own, until we are asked for."""
        suite.pytester.mkpydir("pyleak").joinpath("pytest_plugin.py").write_text("")
        marked = "@pytest.mark.no_leaks(tasks=True, task_action='raise')\ndef test_theirs(): pass"
        assert outcomes(suite.run(marked, plugins=["pyleak.pytest_plugin"])) == {"passed": 1}
        both = suite.run(marked, "--leaks=error", plugins=["pyleak.pytest_plugin"])
        both.stdout.fnmatch_lines(["no_leaks() got task_action, tasks; it takes *"])

    def test_the_option_of_another_tool(self, suite):  # noqa: F811
        """Where pytest-leaks is installed its option stays its own; the setting still turns us on."""
        suite.pytester.makepyfile(pytest_leaks="def pytest_addoption(parser): parser.addoption('--leaks')")
        for plugins in ([PLUGIN, "pytest_leaks"], ["pytest_leaks", PLUGIN]):
            result = suite.run(ONE_OF_EACH, "--leaks=3:2", plugins=plugins, ours=False)
            assert outcomes(result) == {"passed": 3}
        suite.ini("leaks = error\nleaks_timeout = 0.1")
        result = suite.run_only("--leaks=3:2", plugins=["pytest_leaks"])
        assert outcomes(result) == {"passed": 3, "errors": 2}


class TestMarkers:
    """The most specific one wins, and wrong ones are errors."""

    def test_no_leaks_turns_a_test_on(self, suite):  # noqa: F811
        """In a suite that is not checked."""
        result = suite.run(
            """
@pytest.mark.no_leaks(timeout=0.1)
def test_marked():
    leak_thread()

def test_not_marked():
    leak_thread()
"""
        )
        assert outcomes(result) == {"passed": 2, "errors": 1}
        result.stdout.fnmatch_lines(["*ERROR at teardown of test_marked*"])

    def test_the_most_specific_one_wins(self, suite):  # noqa: F811
        """A test's marker stands over its class's, that over its module's, and all over the suite's setting."""
        result = suite.run(
            """
pytestmark = pytest.mark.no_leaks("threads", timeout=0.1)

def test_module_looks_for_threads_alone():
    async def main():
        leak_task()
    asyncio.run(main())

@pytest.mark.no_leaks(action="warn", timeout=0)
class TestWarned:
    def test_warned(self):
        leak_thread()

    @pytest.mark.no_leaks(timeout=0)
    def test_fails(self):
        leak_thread()

@pytest.mark.allow_leaks("SHOP-1: no close()")
class TestAllowed:
    def test_allowed(self):
        leak_thread()

    @pytest.mark.no_leaks(timeout=0)
    def test_not_allowed(self):
        leak_thread()

@pytest.mark.no_leaks(timeout=0)
@pytest.mark.allow_leaks("SHOP-2: known thread", name="known*")
@pytest.mark.parametrize("name", ["known-1", "other"])
def test_only_what_is_named(name):
    leak_thread(name)
""",
            "-ra",
        )
        assert outcomes(result) == {"passed": 7, "errors": 3}
        result.stdout.fnmatch_lines_random(
            [
                "ERROR test_it.py::TestWarned::test_fails - *1 thread left behind*",
                "ERROR test_it.py::TestAllowed::test_not_allowed - *",
                "ERROR test_it.py::test_only_what_is_named[[]other] - *",
            ]
        )

    def test_unknown_arguments(self, suite):  # noqa: F811
        """A typo is an error that says what is known."""
        result = suite.run(
            """
@pytest.mark.no_leaks(timeouts=1)
def test_a(): pass

@pytest.mark.no_leaks("task")
def test_b(): pass

@pytest.mark.no_leaks(action="raise")
def test_c(): pass

@pytest.mark.allow_leaks()
def test_d(): pass

@pytest.mark.allow_leaks("why", names="x")
def test_e(): pass

@pytest.mark.no_leaks(ignore="name")
def test_f(): pass

def test_g(): pass
""",
            "--leaks=error",
        )
        assert outcomes(result) == {"passed": 1, "errors": 6}
        result.stdout.fnmatch_lines(
            [
                "no_leaks() got timeouts; it takes action, timeout, *",
                "no_leaks('task'): expected 'tasks', 'threads', 'timers', 'sessions', 'all'",
                "no_leaks(action='raise'): expected one of error, warn",
                "allow_leaks() takes one reason as a string: *",
                "allow_leaks() got names; it takes a reason and creator, function, top, name",
                "ignore='name': a string does not show what it names; *",
            ]
        )

    def test_markers_are_declared(self, suite):  # noqa: F811
        """Strict markers accept them, and ``--markers`` explains them."""
        result = suite.run("", "--markers")
        result.stdout.fnmatch_lines(["@pytest.mark.no_leaks(*", "@pytest.mark.allow_leaks(reason, *"])
        marked = "@pytest.mark.no_leaks\ndef test_a(): pass"
        assert outcomes(suite.run(marked, "--strict-markers")) == {"passed": 1}


class TestPhases:
    """Setup and teardown belong to the test, wider fixtures to their scope."""

    def test_setup_and_teardown(self, suite):  # noqa: F811
        """What a fixture starts and ends is no leak, what it leaves is its test's, also from the teardown."""
        result = suite.run(
            """
@pytest.fixture
def closes():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()

@pytest.fixture
def leaks_in_setup():
    leak_thread("from setup")

@pytest.fixture
def leaks_in_teardown():
    yield
    leak_thread("from teardown")

def test_clean(closes): pass
def test_setup(leaks_in_setup): pass
def test_teardown(leaks_in_teardown): pass
def test_failing_too(leaks_in_setup): assert False
def test_skipped(leaks_in_setup): pytest.skip("no")
""",
            "--leaks=error",
            "--leaks-timeout=0.1",
            "-ra",
        )
        assert outcomes(result) == {"passed": 3, "failed": 1, "skipped": 1, "errors": 4}
        result.stdout.fnmatch_lines_random(
            [
                "* thread 'from setup'*",
                "* thread 'from teardown'*",
                "FAILED test_it.py::test_failing_too - assert False",
            ]
        )

    def test_a_failing_teardown_is_not_masked(self, suite):  # noqa: F811
        """Both are shown."""
        result = suite.run(
            """
@pytest.fixture
def breaks():
    leak_thread()
    yield
    raise KeyError("teardown broke")

def test_both(breaks): pass
""",
            "--leaks=error",
            "--leaks-timeout=0.1",
        )
        assert outcomes(result) == {"passed": 1, "errors": 1}
        result.stdout.fnmatch_lines_random(["*KeyError: 'teardown broke'*", "*1 thread left behind*"])

    @pytest.mark.parametrize("scope", ["class", "module", "session"])
    def test_wider_fixtures(self, suite, scope):  # noqa: F811
        """They may keep things over many tests; what is left when they are down is named after their scope."""
        result = suite.run(
            f"""
@pytest.fixture(scope="{scope}")
def clean():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()

@pytest.fixture(scope="{scope}")
def leaking():
    leak_thread("of the wider fixture")

class TestIt:
    def test_first(self, clean, leaking): pass
    def test_second(self, clean, leaking): pass

class TestNext:
    def test_third(self): pass
""",
            "--leaks=error",
            "--leaks-timeout=0.1",
            "-ra",
        )
        assert outcomes(result) == {"passed": 3, "errors": 1}
        last = "TestIt::test_second" if scope == "class" else "TestNext::test_third"
        where = {"class": " of test_it.py::TestIt", "module": " of test_it.py", "session": ""}[scope]
        result.stdout.fnmatch_lines(
            [
                f"* of {last.replace('::', '.')} *",
                f"*, in the {scope}-wide fixtures{where}",
                f"ERROR test_it.py::{last} - *",
            ]
        )
