"""What a file calls its channels: OME in TIFF and in zarr."""

from __future__ import annotations

import contextlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any, cast

import tifffile


def names_in_tiff(tiff: tifffile.TiffFile) -> tuple[str, ...]:
    """Return the names of the channels of the first image, "" for those without one.

    Nothing is known where OME does not say it or makes no sense.
    """
    if not tiff.ome_metadata:
        return ()
    with contextlib.suppress(ElementTree.ParseError):
        for pixels in ElementTree.fromstring(tiff.ome_metadata).iter():
            if pixels.tag.endswith("}Pixels"):
                channels = [each for each in pixels if each.tag.endswith("}Channel")]
                return tuple(channel.get("Name", "") for channel in channels)
    return ()


def names_in_zarr(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels of the channels of an OME-Zarr, "" for those without one.

    Parameters
    ----------
    attributes
        Of its group: of version 0.4, or of 0.5, where they lie below ``"ome"``.
    """
    found: Any = attributes.get("ome", attributes)
    about: Any = found.get("omero") if isinstance(found, Mapping) else None
    channels: Any = about.get("channels") if isinstance(about, Mapping) else None
    if not isinstance(channels, list):
        return ()
    entries: list[Any] = channels
    return tuple(
        str(cast("Mapping[str, Any]", each).get("label", "")) if isinstance(each, Mapping) else ""
        for each in entries
    )
