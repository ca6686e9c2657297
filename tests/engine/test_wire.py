from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

from napari_ds2net.engine.wire import Parcel, pack, unpack
from napari_ds2net.errors import EngineError


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_parcel_survives_the_journey(protocol: int) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    parcel = pack({"maps": (array, array.T), "name": "image"})
    arrived: Parcel = pickle.loads(pickle.dumps(parcel, protocol=protocol))
    value = unpack(arrived)
    assert isinstance(value, dict)
    np.testing.assert_array_equal(value["maps"][0], array)
    np.testing.assert_array_equal(value["maps"][1], array.T)
    value["maps"][0][:] = 0  # a person corrects it


def test_large_arrays_are_not_copied() -> None:
    array = np.zeros(1000)
    parcel = pack([array])
    assert len(parcel.head) < 500
    assert parcel.nbytes == len(parcel.head) + array.nbytes
    buffers: list[pickle.PickleBuffer] = []
    pickle.dumps(parcel, protocol=5, buffer_callback=buffers.append)
    assert np.shares_memory(np.frombuffer(buffers[0].raw(), float), array)


def test_functions_without_a_name_travel() -> None:
    factor = 3

    def scaled(number: int) -> int:
        return factor * number

    function = unpack(pack(scaled))
    assert callable(function)
    assert function(2) == 6


def test_what_cannot_leave_its_process_is_refused() -> None:
    with pytest.raises(TypeError):
        pack(threading.Lock())


def test_an_error_keeps_its_details() -> None:
    error = unpack(pack(EngineError("It failed.", "Traceback ...")))
    assert isinstance(error, EngineError)
    assert (str(error), error.details) == ("It failed.", "Traceback ...")
