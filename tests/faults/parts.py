"""All that the suite can do: the faults of the matrix, and the longer scenarios."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.clock import clock
from tests.faults.cuts import cuts
from tests.faults.database_faults import DATABASE_FAULTS
from tests.faults.disk import full_disk
from tests.faults.every_index import every_index
from tests.faults.network_faults import NETWORK_FAULTS
from tests.faults.people_faults import PEOPLE_FAULTS
from tests.faults.process_faults import PROCESS_FAULTS
from tests.faults.report import Report
from tests.faults.rolling import rolling
from tests.faults.stage import Stage
from tests.faults.stops import stop, stop_without_doorbells
from tests.faults.upstream_faults import UPSTREAM_FAULTS

FAULTS = (
    *PROCESS_FAULTS,
    *DATABASE_FAULTS,
    *NETWORK_FAULTS,
    *UPSTREAM_FAULTS,
    *PEOPLE_FAULTS,
)


@dataclass(frozen=True)
class Scenario:
    """A part with its own course; it fills the report that it is given."""

    name: str
    act: Callable[[Stage, Report], Awaitable[None]]
    in_short: bool = True


SCENARIOS = (
    Scenario("cuts", cuts),
    Scenario("every-index", every_index),
    Scenario("rolling", rolling),
    Scenario("disk-full", full_disk, in_short=False),
    Scenario("clock", clock, in_short=False),
    Scenario("stop", stop),
    Scenario("stop-no-doorbells", stop_without_doorbells),
)
