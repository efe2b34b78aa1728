"""The scripted model server, which knows for which question it was called."""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from tests.model_server import ModelServer
from tests.model_server_answer import Record
from tests.model_server_script import Script

KEY = re.compile(r"question (\w+)")


class Upstream(ModelServer):
    """Plays the scripts of a question's key in order, the last of them again and again.

    ``calls`` has the records of the requests by key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: defaultdict[str, list[Record]] = defaultdict(list)
        self._plays: dict[str, deque[Script]] = {}

    def play(self, key: str, scripts: Sequence[Script]) -> None:
        """What ``question KEY`` will be answered with."""
        self._plays[key] = deque(scripts)

    def _script_for(self, body: dict[str, Any]) -> Script:
        found = KEY.findall(json.dumps(body["messages"]))
        if not found:
            return self.default
        self.calls[found[-1]].append(self.requests[-1])
        plays = self._plays[found[-1]]
        return plays.popleft() if len(plays) > 1 else plays[0]
