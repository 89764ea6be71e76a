"""The option `--seconds-a-test`: it fails tests that take longer and have none of the markers in `EXCUSES`.

The time of a test includes its call and its function-scoped fixtures, but not fixtures that other tests share. The
limit is that on a current processor. On a slower machine it is multiplied by the slowness, which a small benchmark
measures at the start, and again before a test fails, since other programs may use the machine by then. One test's
time still varies twofold on processors that others share, so a test fails above twice the limit, and the summary names
those between.
"""

import time
from contextlib import contextmanager

import numpy as np
import pytest

OVER = "above the limit of time"
"""Name of the property of a report that says so."""
EXCUSES = ("slow", "nightly", "live", "browser")
"""Markers of tests that the limit does not apply to."""
REFERENCE = 0.02
"""Seconds that the benchmark takes on a core of a current server processor (2025)."""
RUNS = 10
"""Number of runs of the benchmark per measurement."""
TOLERANCE = 2
"""Multiple of the limit above which a test fails; below it, the summary names the test."""


def measure_slowness():
    """Return the mean time of the benchmark over `REFERENCE`, at least 1; other programs on the machine increase it."""
    return max(1.0, sum(_benchmark() for _ in range(RUNS)) / RUNS / REFERENCE)


def _benchmark():
    start = time.perf_counter()
    sum(number * number % 7 for number in range(200_000))
    np.sort(np.random.default_rng(0).random(100_000))
    return time.perf_counter() - start


class Stopwatch:
    """Sum of the seconds within `running`, without those within `paused`; pauses may be nested."""

    def __init__(self, clock=time.monotonic):
        self.seconds = 0.0
        self._clock = clock
        self._pauses = 0
        self._start = None

    @contextmanager
    def running(self):
        self._start = self._clock()
        try:
            yield
        finally:
            self.seconds += self._clock() - self._start
            self._start = None

    @contextmanager
    def paused(self):
        self._pauses += 1
        if self._pauses == 1 and self._start is not None:
            self.seconds += self._clock() - self._start
        try:
            yield
        finally:
            self._pauses -= 1
            if self._pauses == 0 and self._start is not None:
                self._start = self._clock()


class Limit:
    """Plugin that fails slow tests; it is registered if `--seconds-a-test` is given.

    Args:
        seconds: limit on a current processor.
        clock: function that returns seconds.
        slowness: function like `measure_slowness`.
    """

    def __init__(self, seconds, clock=time.monotonic, slowness=measure_slowness):
        self._seconds = seconds
        self._clock = clock
        self._measure = slowness
        self._slowness = self._measure()
        self._watch = Stopwatch(clock)

    def pytest_runtest_logstart(self):
        self._watch = Stopwatch(self._clock)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self):
        with self._watch.running():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self):
        with self._watch.running():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        if fixturedef.scope == "function":
            return (yield)
        with self._watch.paused():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        excused = any(item.get_closest_marker(name) for name in EXCUSES)
        if call.when != "call" or report.failed or excused or self._watch.seconds <= self._seconds * self._slowness:
            return report
        slowness = max(self._slowness, self._measure())
        if self._watch.seconds <= self._seconds * slowness:
            return report
        message = (
            f"{item.nodeid} took {self._watch.seconds:.1f} s. Tests without the marker slow may take "
            f"{self._seconds * slowness:.1f} s on this machine, {self._seconds:g} s on a current processor."
        )
        if self._watch.seconds > TOLERANCE * self._seconds * slowness:
            report.outcome, report.longrepr = "failed", message
        else:
            report.user_properties.append((OVER, message))
        return report

    def pytest_terminal_summary(self, terminalreporter):
        reports = terminalreporter.getreports("passed")
        messages = [message for report in reports for name, message in report.user_properties if name == OVER]
        if messages:
            terminalreporter.section("tests above the limit of time")
            for message in messages:
                terminalreporter.line(message)


def pytest_addoption(parser):
    parser.addoption("--seconds-a-test", type=float, help="fail tests without the marker slow that take longer")


def pytest_configure(config):
    if seconds := config.getoption("--seconds-a-test"):
        config.pluginmanager.register(Limit(seconds))
