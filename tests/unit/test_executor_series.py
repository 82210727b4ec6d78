"""Metric series of executors: by site, summed, zero once they have ended."""

from test_metric_series import Service

from opentelemetry.instrumentation.concurrency.diagnose.executor_use import ExecutorUse


def executor_site(service, function="shop.pool", line=7):
    site = service.site(function, line, "concurrent.futures.thread._worker", kind="thread")
    site.executor = True
    return site


EXECUTOR_METRICS = ["executor.thread.limit", "executor.queue.size", "executor.queue.age.max"]


def test_executor_without_workers_has_a_series():
    service = Service()
    service.diagnosed.executors = {executor_site(service): ExecutorUse(1, 0, 0, 4, 0)}
    service.scan()
    assert service.value("executor.thread.limit", "shop.pool") == 4
    assert service.value("executor.thread.count", "shop.pool", python__executor__thread__state="busy") == 0


def test_executor_sites_with_equal_attributes_are_one_sum():
    service = Service()
    first, second = executor_site(service), executor_site(service)
    service.diagnosed.executors = {first: ExecutorUse(1, 2, 3, 8, 5, 1.5), second: ExecutorUse(1, 1, 1, 2, 7, 0.5)}
    service.scan()
    assert [service.value(metric, "shop.pool") for metric in EXECUTOR_METRICS] == [10, 12, 1.5]
    for state, workers in (("idle", 3), ("busy", 4)):
        assert service.value("executor.thread.count", "shop.pool", python__executor__thread__state=state) == workers


def test_executor_that_ended_leaves_zeros():
    service = Service()
    service.diagnosed.executors = {executor_site(service): ExecutorUse(1, 2, 3, 8, 5, 1.5)}
    service.scan()
    service.diagnosed.executors = {}
    service.scan()
    assert [service.value(metric, "shop.pool") for metric in EXECUTOR_METRICS] == [0, 0, 0]


def test_executors_beyond_the_limit_are_summed_in_other():
    service = Service(max_sites=4)
    sites = [executor_site(service, line=line) for line in range(1, 11)]
    service.diagnosed.executors = {site: ExecutorUse(1, 0, 1, 4, line) for line, site in enumerate(sites)}
    service.scan()
    assert len(service.read("executor.thread.limit")) == 4
    assert sum(service.read("executor.thread.limit").values()) == 40
    assert service.value("executor.thread.limit", "_OTHER") == 28


def test_threads_that_are_no_workers_have_no_executor_series():
    service = Service()
    service.site(kind="thread", created=2)
    service.scan()
    assert not service.of("executor.thread.limit", code__function__name="shop.query")
