"""Objects that own a descriptor, on their way into a new process: the descriptor rides beside the pickle."""
import io
import pickle
from typing import Any

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel
from tgbulk.engine.lease import Lease
from tgbulk.engine.lock import Lock


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.descriptors: list[int] = []

    def persistent_id(self, obj: object) -> tuple[Any, ...] | None:
        if not isinstance(obj, Arena | Channel | Lease | Lock):
            return None
        self.descriptors.append(obj.fileno())
        place = len(self.descriptors) - 1
        if isinstance(obj, Arena):
            return ("arena", place, obj.slots, obj.slot_size)
        if isinstance(obj, Channel):
            return ("channel", place, obj.limit)
        if isinstance(obj, Lease):
            return ("lease", place, obj.seconds)
        return ("lock", place, obj.path, obj.what)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, descriptors: list[int]) -> None:
        super().__init__(file)
        self._descriptors = descriptors

    def persistent_load(self, key: tuple[Any, ...]) -> object:
        kind, place, *rest = key
        descriptor = self._descriptors[place]
        if kind == "arena":
            return Arena(descriptor, *rest)
        if kind == "channel":
            return Channel.from_descriptor(descriptor, *rest)
        if kind == "lease":
            return Lease(descriptor, *rest)
        path, what = rest
        return Lock.adopt(path, what, descriptor)


def dump(control: Channel, context: object) -> tuple[bytes, list[int]]:
    """(pickle, descriptors) of what a child is called with; the descriptors stay the caller's."""
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump((control, context))
    return file.getvalue(), pickler.descriptors


def load(data: bytes, descriptors: list[int]) -> tuple[Channel, Any]:
    """(control, context); only ever fed with what dump() made in the supervisor, over a private socket."""
    control: Channel
    control, context = _Unpickler(io.BytesIO(data), descriptors).load()
    return control, context
