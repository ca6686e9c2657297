"""Arrays whose files may be damaged: a part that cannot be read is told in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ds2net.core.tiff_files import lacks_decoder, no_decoder
from napari_ds2net.errors import ImageError, reason_of


class CheckedArray:
    """An array that a library reads part by part; what it raises becomes an `ImageError`.

    Parameters
    ----------
    array
        zarr or the like, with shape, type and chunks.
    name
        Of its file or folder, for messages.
    """

    def __init__(self, array: Any, name: str) -> None:
        self._array = array
        self._name = name
        self.shape = tuple(int(n) for n in array.shape)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = array.dtype
        self.chunks = tuple(int(n) for n in array.chunks)

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Read a part.

        Raises
        ------
        ImageError
            It cannot be read.
        """
        try:
            return np.asarray(self._array[key])
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError(
                f"A part of {self._name} does not fit into the computer's memory; save it in "
                "smaller parts."
            ) from error
        except Exception as error:  # what damage makes a decoder raise has no common class
            if lacks_decoder(error):
                raise ImageError(no_decoder(self._name)) from error
            raise ImageError(
                f"{self._name} cannot be read as a whole ({reason_of(error)}); it may be damaged "
                "or cut short. Save or copy it anew."
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        return np.asarray(self[...], dtype=dtype)
