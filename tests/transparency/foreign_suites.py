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
        needs: What the tests need besides the package.
        arguments: For pytest.
        skipped: Files or tests that are left out, by reason.
        until: Newest Python that the package supports with a wheel; None for any.
    """

    name: str
    modules: tuple[str, ...] = ()
    package: str = ""
    tests: str = "tests"
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)


SUITES = (
    Suite("CPython test_asyncio", modules=("test.test_asyncio",)),
    Suite("CPython test_threading", modules=("test.test_threading", "test.test_threading_local")),
    Suite("CPython test_concurrent_futures", modules=("test.test_concurrent_futures",)),
    Suite("CPython test_contextlib_async", modules=("test.test_contextlib_async",)),
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
