"""A limit on how long a test may take, for `--seconds-a-test`: it fails the tests that take longer without saying why.

Time is counted that a test takes itself, in its call and in what is set up for it alone; not that of fixtures that
others use as well. The limit is one on a current processor; on a slower machine it is as many times longer as a small
fixed work takes there, at the start, and again when a test is about to fail, since others may use the machine by then.
"""

import time
from contextlib import contextmanager

import numpy as np
import pytest

EXCUSES = ("slow", "nightly", "live", "browser")
"""Markers of tests that may take longer."""
REFERENCE = 0.02
"""Seconds that the work takes on a core of a current server processor (2025)."""
RUNS = 10


def measure_slowness():
    """How many times as long as on the reference a small fixed work takes, but at least 1: the mean of some, which a
    machine that others use as well makes longer, too."""
    return max(1.0, sum(_work() for _ in range(RUNS)) / RUNS / REFERENCE)


def _work():
    start = time.perf_counter()
    sum(number * number % 7 for number in range(200_000))
    np.sort(np.random.default_rng(0).random(100_000))
    return time.perf_counter() - start


class Stopwatch:
    """Sums the seconds within `running`, without those within `paused`; either may be entered within itself."""

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
    """The plugin, registered where a limit is given.

    Args:
        seconds: the limit on the reference.
        clock: gives seconds.
        slowness: as `measure_slowness`.
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
        if self._watch.seconds > self._seconds * slowness:
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} took {self._watch.seconds:.1f} s. Tests without the marker slow may take "
                f"{self._seconds * slowness:.1f} s on this machine, {self._seconds:g} s on a current processor."
            )
        return report


def pytest_addoption(parser):
    parser.addoption("--seconds-a-test", type=float, help="fail tests without the marker slow that take longer")


def pytest_configure(config):
    if seconds := config.getoption("--seconds-a-test"):
        config.pluginmanager.register(Limit(seconds))
