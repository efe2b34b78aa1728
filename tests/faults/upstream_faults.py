"""Faults of the model server."""

from __future__ import annotations

from dataclasses import replace

from tests.faults.crowd import ANSWER
from tests.faults.fault import Fault, Scene
from tests.model_server_script import RATE_LIMITED, Script

PART = 12  # tokens before the fault
CUT = replace(ANSWER, fault="cut", after=PART)
RESET = replace(ANSWER, fault="reset", after=PART)
END = replace(ANSWER, fault="eof", after=PART)
GARBAGE = replace(ANSWER, fault="garbage", after=PART)
STALL = replace(ANSWER, fault="stall", after=PART)
LIMITED = Script(
    fault="status", status=429, body=RATE_LIMITED, headers={"Retry-After": "1"}
)


async def go_on(scene: Scene) -> None:
    """The model server does the rest."""
    await scene.at_random()


def upstream(
    name: str, *ends: str, plays: tuple[tuple[Script, ...], ...], in_short: bool = False
) -> Fault:
    return Fault(
        name=f"upstream-{name}",
        act=go_on,
        ends=("completed", *ends),  # that of the others
        plays=plays,
        spares=True,
        in_short=in_short,
    )


UPSTREAM_FAULTS = (
    upstream("cut", "failed:connection", plays=((CUT,),)),
    upstream("reset", "failed:connection", plays=((RESET,),)),
    upstream("eof", "failed:upstream_truncated", plays=((END,),)),
    upstream("garbage", "failed:garbage", plays=((GARBAGE,),)),
    upstream("stall", "failed:silence_timeout", plays=((STALL,),)),
    upstream("429", plays=((LIMITED, LIMITED, ANSWER),)),
    upstream(
        "mixed",
        "failed:connection",
        "failed:upstream_truncated",
        "failed:garbage",
        "failed:silence_timeout",
        plays=((CUT,), (RESET,), (END,), (GARBAGE,), (STALL,), (LIMITED, ANSWER)),
        in_short=True,
    ),
)
