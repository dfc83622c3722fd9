"""What the tests of the configuration share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from goordinate.config import Config, ConfigError, load


def load_text(text: str, *, backends: Collection[str] = (), **options: Any) -> Config:
    """The configuration of a file with this text; `port=1` is the option --port."""
    Path("site.yaml").write_text(text, encoding="utf-8")
    named = {f"--{name}": value for name, value in options.items()}
    return load("site.yaml", named, backends=backends)


def error_of(text: str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(text, **options)
    return str(caught.value)


DEFAULTS: dict[str, dict[str, dict[str, object]]] = {
    "coordinate": {
        "server": {
            "host": "localhost",
            "port": 5932,
            "httpd": None,
            "rpclog": False,
            "modules": [],
            "max_frame": 67_108_864,
            "max_depth": 256,
            "max_batch": 100_000,
            "max_connections": None,
            "frame_timeout": 60,
            "answer_timeout": 60,
            "max_buffered": 1_073_741_824,
            "stop_timeout": 10,
            "hold_get_work": 0,
            "tags": "known",
            "allow": [],
            "deny": [],
        },
        "http": {
            "answer_timeout": 60,
            "body_timeout": 60,
            "certificate": None,
            "head_timeout": 10,
            "hosts": [],
            "idle_timeout": 75,
            "key": None,
            "max_body": 67108864,
            "max_buffered": 268435456,
            "max_connections": 1000,
            "max_requests": 1000,
            "tokens": [],
            "tokens_file": None,
            "without_tokens": False,
        },
        "job_queue": {
            "limit_completed_count": None,
            "limit_completed_age": None,
            "attempt_data": 4096,
            "snapshot_period_seconds": None,
            "snapshot_path_format": None,
            "delete_snapshots_beyond": None,
            "log_path_format": None,
            "do_recover": False,
            "sqlite_path": None,
            "sync": "full",
            "sync_interval": 0.05,
            "restart_grace": 30,
            "postgres_connect": None,
            "postgres_schema": "public",
            "joblog": False,
        },
    }
}
