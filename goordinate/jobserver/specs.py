"""RPCs on work specs: set, get, control, list, delete."""

from __future__ import annotations

from goordinate.cborrpc.decode import Reader
from goordinate.cborrpc.errors import DecodeError, InvalidParams
from goordinate.cborrpc.heads import MAP, NULL, describe
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.tags import Encoded
from goordinate.coordinate.api import Namespace
from goordinate.coordinate.errors import (
    BadWorkSpec,
    CannotBecomeContinuous,
    CoordinateError,
    NoSuchWorkSpec,
)
from goordinate.coordinate.names import Name
from goordinate.jobserver.answers import DONE, encoded_name, fitting, message, no_spec, spliced_list
from goordinate.jobserver.options import Options, hashable, integer, name, options, seconds, whole
from goordinate.jobserver.stored import StoredReaders

SPEC_NAME = Parameter("work_spec_name", name)


def dictionary(read: Reader[bytes]) -> Reader[bytes]:
    """The reader of a work spec: a map as it came, which is read by `read`."""

    def read_map(buf: bytes, pos: int, depth: int) -> tuple[bytes, int]:
        if pos < len(buf) and buf[pos] >> 5 != MAP:
            raise DecodeError(f"expected a map, got {describe(buf, pos)}", pos)
        return read(buf, pos, depth)

    return read_map


#: The control values that RPC clients see and may change.
CONTROLLED = ("status", "continuous", "interval", "max_running", "weight")


class SpecCalls:
    """The RPCs of work specs on one namespace."""

    def __init__(self, namespace: Namespace, limits: Limits) -> None:
        self._namespace = namespace
        self._limits = limits

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        work_spec = Parameter("work_spec", dictionary(StoredReaders(self._limits).item))
        return [
            Method("set_work_spec", self.set_work_spec, (work_spec,)),
            Method("get_work_spec", self.get_work_spec, (SPEC_NAME,)),
            Method("get_work_spec_meta", self.get_work_spec_meta, (SPEC_NAME,)),
            Method(
                "control_work_spec",
                self.control_work_spec,
                (SPEC_NAME, Parameter("options", CONTROL_OPTIONS)),
            ),
            Method("list_work_specs", self.list_work_specs, (Parameter("options", LIST_OPTIONS),)),
            Method("del_work_spec", self.del_work_spec, (SPEC_NAME,)),
            Method("clear", self.clear, ()),
        ]

    def set_work_spec(self, work_spec: bytes) -> object:
        """Create or replace a work spec from its dictionary."""
        try:
            self._namespace.set_work_spec(work_spec)
        except CoordinateError as error:
            raise InvalidParams(f"set_work_spec(): work_spec: {error}") from None
        return DONE

    def get_work_spec(self, work_spec_name: Name) -> object:
        """The dictionary as stored, or None."""
        try:
            return Encoded(self._namespace.get_work_spec(work_spec_name))
        except NoSuchWorkSpec:
            return None

    @no_spec(None)
    def get_work_spec_meta(self, work_spec_name: Name) -> object:
        """The control values."""
        control = self._namespace.get_control(work_spec_name)
        return {key.encode(): getattr(control, key) for key in CONTROLLED}, None

    @no_spec(False)
    def control_work_spec(self, work_spec_name: Name, options: Options) -> object:
        """Change control values; none changes if one is refused."""
        changes = {key: options[key.encode()] for key in CONTROLLED if key.encode() in options}
        try:
            self._namespace.set_control(work_spec_name, changes)
        except CannotBecomeContinuous as error:
            return False, message(error)
        except BadWorkSpec as error:
            raise InvalidParams(f"control_work_spec(): options: {error}") from None
        return DONE

    def list_work_specs(self, options: Options) -> object:
        """Dictionaries by name, and the name that starts the next page."""
        specs, following = self._namespace.list_work_specs(
            options.get(b"start"), options.get(b"limit")
        )
        taken = fitting((data for _, data in specs), self._limits.max_answer)
        if len(taken) < len(specs):
            following = specs[len(taken)][0]
        return spliced_list(taken, NULL if following is None else encoded_name(following))

    @no_spec(False)
    def del_work_spec(self, work_spec_name: Name) -> object:
        """Delete a work spec with its units."""
        self._namespace.delete_work_spec(work_spec_name)
        return DONE

    def clear(self) -> object:
        """Delete every work spec, and say how many there were."""
        return self._namespace.clear()


CONTROL_OPTIONS = options(
    status=integer, continuous=hashable, interval=seconds, max_running=whole, weight=whole
)
LIST_OPTIONS = options(limit=whole, start=name)
