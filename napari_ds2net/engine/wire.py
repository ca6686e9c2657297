"""Values on their way between processes: pickled, with large arrays beside the pickle, uncopied."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import cloudpickle


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A pickled value whose arrays travel as they lie in memory.

    Attributes
    ----------
    head
        The pickle, protocol 5.
    buffers
        The memory of its arrays, in the pickle's order.
    """

    head: bytes
    buffers: tuple[pickle.PickleBuffer | memoryview | bytearray, ...] = ()

    def __reduce_ex__(self, protocol: object) -> tuple[type[Parcel], tuple[object, ...]]:
        """Hand the arrays' memory to whoever pickles the parcel, uncopied from protocol 5 on.

        Dask's scheduler speaks protocol 4, so what goes through it is copied.
        """
        buffers = (pickle.PickleBuffer(each) for each in self.buffers)
        if isinstance(protocol, int) and protocol < 5:
            return Parcel, (self.head, tuple(bytearray(each.raw()) for each in buffers))
        return Parcel, (self.head, tuple(buffers))

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return len(self.head) + sum(memoryview(each).nbytes for each in self.buffers)


def pack(value: object) -> Parcel:
    """Make a value ready to travel; functions of a script travel by value.

    Raises
    ------
    Exception
        Whatever pickling says of a value that cannot leave its process.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        by_reference = b"__main__" not in head
    except (pickle.PicklingError, AttributeError, TypeError):
        head, by_reference = b"", False
    if not by_reference:
        buffers.clear()
        head = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return Parcel(head, tuple(buffers))


def unpack(parcel: Parcel) -> object:
    """Return what was packed; its arrays use the memory in which they arrived."""
    value: object = pickle.loads(parcel.head, buffers=parcel.buffers)
    return value
