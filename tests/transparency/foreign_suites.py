"""Which foreign suites there are and how they are run."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    """A suite of others.

    Attributes:
        name: What it is called in the table.
        modules: Modules of unittest, of CPython's own tests; each runs in a process of its own.
        package: The package on the index whose source archive ships the tests; empty for CPython's.
        tests: Folder of the tests in that archive.
        installed: Whether the wheel holds the tests; ``tests`` is then the folder in site-packages.
        archive: Address and SHA-256 of the source archive, where the one on the index lacks tests.
        needs: What the tests need besides the package.
        arguments: For pytest.
        skipped: Files or tests that are left out, by reason.
        until: Newest Python that the package supports with a wheel; None for any.
    """

    name: str
    modules: tuple[str, ...] = ()
    package: str = ""
    tests: str = "tests"
    installed: bool = False
    archive: tuple[str, str] = ("", "")
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)


SUITES = (
    Suite("CPython test_asyncio", modules=("test.test_asyncio",)),
    Suite("CPython test_threading", modules=("test.test_threading", "test.test_threading_local")),
    Suite("CPython test_concurrent_futures", modules=("test.test_concurrent_futures",)),
    Suite(
        "CPython test_fork1 and others",
        modules=(
            "test.test_fork1",
            "test.test_wait3",
            "test.test_wait4",
            "test.test_thread",
            "test.test_threadsignals",
        ),
    ),
    Suite("CPython test_contextlib", modules=("test.test_contextlib",)),
    Suite("CPython test_contextlib_async", modules=("test.test_contextlib_async",)),
    Suite(
        "httpx",
        package="httpx",
        needs=("httpx[brotli,cli,http2,socks,zstd]", "chardet", "cryptography", "trio", "trustme", "uvicorn"),
        arguments=("-m", "not network"),
    ),
    Suite(
        "tornado",
        package="tornado",
        tests="tornado/test",
        installed=True,
        # Its own runner silences the access log, too: many tests fail if anything is logged.
        arguments=("-o", "python_files=*_test.py", "--log-disable=tornado.access"),
    ),
    Suite(
        "hypercorn",
        package="hypercorn",
        needs=("hypercorn[h3,trio,uvloop]", "httpx", "hypothesis", "mock", "pytest-asyncio", "pytest-trio"),
        # Its own options are those of pytest-cov.
        arguments=("-o", "addopts="),
    ),
    Suite(
        "trio",
        package="trio",
        tests="trio",
        installed=True,
        needs=("async_generator", "pyOpenSSL", "trustme"),
        arguments=("-p", "trio._tests.pytest_plugin"),
    ),
    Suite(
        "websockets",
        package="websockets",
        # Its archives on the index hold none of the tests that use a network; Debian 13 keeps that of the repository.
        archive=(
            "http://deb.debian.org/debian/pool/main/p/python-websockets/python-websockets_15.0.1.orig.tar.gz",
            "8451495265af3e368f794c4dc15c99ce90c771d95560f542bff8c64b5455af3b",
        ),
        needs=("websockets==15.0.1", "python-socks[asyncio]", "werkzeug"),
    ),
    Suite("pytest-asyncio", package="pytest-asyncio", needs=("coverage", "hypothesis")),
    Suite(
        "anyio",
        package="anyio",
        needs=(
            "trio",
            "uvloop",
            "exceptiongroup",
            "pytest-timeout",
            "hypothesis",
            "psutil",
            "pytest-mock",
            "trustme",
            "truststore",
        ),
        arguments=("-m", "not network", "-k", "not trio"),
    ),
    Suite(
        "Starlette",
        package="starlette",
        needs=(
            "anyio",
            "httpx",
            "itsdangerous",
            "jinja2",
            "python-multipart",
            "pyyaml",
            "trio",
            "httpx2",
            "opentelemetry-sdk",
        ),
        arguments=("-W", "default"),
    ),
    Suite(
        "upstream asyncio instrumentation",
        package="opentelemetry-instrumentation-asyncio",
        needs=("opentelemetry-test-utils",),
    ),
    Suite(
        "upstream threading instrumentation",
        package="opentelemetry-instrumentation-threading",
        needs=("opentelemetry-test-utils",),
    ),
    Suite(
        "aiohttp",
        package="aiohttp",
        needs=(
            "pytest-mock",
            "pytest-xdist",
            "pytest-cov",
            "proxy.py",
            "re-assert",
            "time-machine",
            "trustme",
            "freezegun",
            "blockbuster",
            "isal",
            "zlib-ng",
            "pytest-codspeed",
            "pytest-aiohttp",
            "pkgconfig",
            "setuptools",
        ),
        # Fast: no full collection after each test, which takes most of the time.
        arguments=("-p", "no:cacheprovider", "-o", "addopts=", "-W", "default", "--aiohttp-fast"),
        skipped={"test_benchmarks": "benchmarks"},
    ),
    Suite("uvloop", package="uvloop", needs=("aiohttp", "psutil", "pyOpenSSL"), arguments=("-W", "default")),
)
