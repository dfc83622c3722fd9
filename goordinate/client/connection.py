"""A TaskMaster's configuration, its connection, and how strings travel."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

from goordinate.cborrpc import Client

from .exceptions import ProgrammerError
from .strings import RULES, Name

Strings = Literal["auto", "python2", "exact"]

Self = TypeVar("Self", bound="Connection")


class Connection:
    """The base of `TaskMaster`; see there."""

    def __init__(
        self,
        config: Mapping[str, Any] | str,
        *,
        strings: Strings = "auto",
        timeout: float = 60.0,
        client: Client | None = None,
    ) -> None:
        self.config: Mapping[str, Any] = {"address": config} if isinstance(config, str) else config
        #: Seconds of the leases that `get_work` asks for.
        self.default_lifetime: float = self.config.get("default_lifetime", 900)
        #: The worker that uses this object, if it is a worker's.
        self.worker_id: str | None = None
        #: The connection; other threads and greenlets need one of their own.
        self.client = client or Client(
            _address(self.config),
            timeout=timeout,
            retries=self.config.get("retries", 5),
            base_retry_seconds=float(self.config.get("base_retry_seconds", 0.5)),
        )
        if self.config.get("python2_strings"):
            strings = "python2"
        if strings not in RULES:
            raise ProgrammerError(f"strings is one of {', '.join(RULES)}, not {strings!r}")
        #: How strings are read and written.
        self.rules = RULES[strings]

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The next call opens another."""
        self.client.close()

    def rpc(self, method: str, *params: object) -> Any:
        """The result of any method of the server. Every byte string in it comes as str; see
        docs/strings.md. Raises RemoteError if the server answers with an error."""
        return self.rules.answer(self.client.call(method, *params))

    def _rpc(self, method: str, params: Sequence[object]) -> Any:
        """The same, as programs of the Python 2 package call it."""
        return self.rpc(method, *params)

    def _send(self, name: Name) -> Name:
        """A name as it is sent."""
        return self.rules.name_to_send(name)

    def _send_all(self, names: Name | Sequence[Name]) -> list[Name]:
        """Names as they are sent; a single one is a list of one."""
        if isinstance(names, bytes | str):
            names = [names]
        return [self._send(name) for name in names]


def _address(config: Mapping[str, Any]) -> str | tuple[str, int]:
    """Where the server is. Raises ProgrammerError if the configuration does not say."""
    address = config.get("address")
    if not address and config.get("addresses"):
        address = random.choice(config["addresses"])
    if isinstance(address, str) and address:
        return address
    if isinstance(address, tuple | list) and len(address) == 2:
        return str(address[0]), int(address[1])
    raise ProgrammerError(f"the configuration has no address of a server, got {address!r}")
