"""A strategy that talks to the other side behind the harness's back."""

import os
import sys
import time
from dataclasses import dataclass

from labelbench_plus.isolation.wire import Wire
from labelbench_plus.strategies import PoolStrategy, strategies


def wire():
    """The connection, as it lies about in the process."""
    frame = sys._getframe()
    while not isinstance(frame.f_locals.get("wire"), Wire):
        frame = frame.f_back
    return frame.f_locals["wire"]


@strategies.register("liar")
@dataclass(frozen=True)
class Liar(PoolStrategy):
    """Sends what is no answer, in one of many ways."""

    needs = frozenset({"features"})

    how: str

    def select(self, view, n, rng):
        there = wire()
        if self.how == "garbage":
            there.send_bytes(os.urandom(50))
        elif self.how == "huge array":
            there.send_bytes(b'[{"notes": {}}, [["items", "int64", [900000000]]]]')
        elif self.how == "notes":
            there.send(notes={f"n{number}": 1 for number in range(5000)})
        elif self.how == "reads twice":
            there.send(read="features")
            there.receive_bytes()
            there.send(read="features")
        elif self.how == "no answer":
            there.send(notes={}, more=1)
        elif self.how == "answers twice":
            there.send(notes={}, items=view.candidates[-n:].numpy())
        elif self.how == "hangs up":
            os.close(there._descriptor)
        elif self.how == "prints":
            print("\x1b[2Jhello", "x" * 2**21)
        if self.how not in ("prints", "no answer", "answers twice"):
            time.sleep(3600)
        return view.candidates[:n]
