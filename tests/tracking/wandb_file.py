"""Reads back the file an offline W&B run leaves: a log of protobuf messages in LevelDB's record format.

W&B's own reader is no longer part of its Python package; the message types are.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

BLOCK = 32_768
HEADER = struct.Struct("<IHB")  # checksum, length, type: 1 whole, 2 first, 3 middle, 4 last part


@dataclass
class OfflineRun:
    id: str = ""
    group: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def read(path: Path) -> OfflineRun:
    run = OfflineRun()
    for content in _messages(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.id, run.group = record.run.run_id, record.run.run_group
            run.config.update({item.key: json.loads(item.value_json) for item in record.run.config.update})
        elif kind == "history":
            run.history.append(
                {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            )
    return run


def _messages(log: bytes) -> Iterator[bytes]:
    assert log[:4] == b":W&B"
    position, message = 7, b""
    while position + HEADER.size <= len(log):
        room = BLOCK - position % BLOCK
        if room < HEADER.size:
            position += room
            continue
        checksum, length, kind = HEADER.unpack_from(log, position)
        part = log[position + HEADER.size : position + HEADER.size + length]
        assert zlib.crc32(bytes([kind]) + part) == checksum
        position += HEADER.size + length
        message = part if kind in (1, 2) else message + part
        if kind in (1, 4):
            yield message
