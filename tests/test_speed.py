"""Tests of the time limit for tests (`speed.py`), with a clock that the tests set."""

import pytest
import speed
from speed import Limit, Stopwatch

TESTS = """
import pytest

@pytest.fixture(scope="session")
def clock(pytestconfig):
    return pytestconfig.clock

@pytest.fixture(scope="module")
def shared(clock):
    clock.seconds += 100

@pytest.fixture
def own(shared, clock):
    clock.seconds += 3

def test_quick(clock):
    clock.seconds += 5

def test_with_a_shared_fixture(shared, own, clock):
    clock.seconds += 2

def test_with_its_own_fixture(own, clock):
    clock.seconds += 3

def test_slow(clock):
    clock.seconds += 5.1

def test_too_slow(clock):
    clock.seconds += 10.5

@pytest.mark.slow
def test_with_a_reason(clock):
    clock.seconds += 60

def test_that_fails_anyway(clock):
    clock.seconds += 60
    assert False, "a fault"
"""


class Clock:
    """Plugin that provides itself as `config.clock`."""

    seconds = 0.0

    def __call__(self):
        return self.seconds

    def pytest_configure(self, config):
        config.clock = self


@pytest.fixture
def run(pytester):
    """Function that runs `TESTS` with successive measurements of slowness, and returns pytest's result."""

    def run(*slowness):
        clock, measured = Clock(), iter(slowness)
        pytester.makepyfile(TESTS)
        pytester.makeini("[pytest]\nmarkers = slow")
        limit = Limit(5, clock=clock, slowness=lambda: next(measured))
        return pytester.runpytest_inprocess("-p", "no:speed", "-p", "no:xdist", plugins=[clock, limit])

    return run


def test_a_test_that_takes_too_long_is_reported_with_its_name_and_time(run):
    result = run(1, 1, 1, 1)
    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*test_too_slow took 10.5 s. Tests without the marker slow may take 5.0 s on this machine, *",
            "*a fault*",
            "*test_with_its_own_fixture took 6.0 s. *",
            "*test_slow took 5.1 s. *",
        ]
    )
    result.stdout.no_fnmatch_line("*test_that_fails_anyway took*")


def test_a_slower_machine_has_a_longer_limit(run):
    result = run(1.1, 1.1, 1.1)
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines("*test_with_its_own_fixture took 6.0 s. *")
    result.stdout.no_fnmatch_line("*test_slow took *")


def test_a_machine_that_becomes_slower_has_a_longer_limit(run):
    result = run(1, 1.2, 1.2, 1.2)
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.no_fnmatch_line("*test_with_its_own_fixture took *")


def test_a_stopwatch_does_not_count_pauses():
    now = [0]
    watch = Stopwatch(lambda: now[0])
    with watch.running():
        now[0] = 1
        with watch.paused():
            now[0] = 10
            with watch.paused():
                now[0] = 20
            now[0] = 30
        now[0] = 32
    with watch.paused():
        now[0] = 40
    assert watch.seconds == 3


def test_slowness_is_the_time_relative_to_the_reference_and_at_least_1(monkeypatch):
    monkeypatch.setattr(speed, "RUNS", 1)
    monkeypatch.setattr(speed, "REFERENCE", 1e9)
    assert speed.measure_slowness() == 1
    monkeypatch.setattr(speed, "REFERENCE", 1e-9)
    assert speed.measure_slowness() > 1000
