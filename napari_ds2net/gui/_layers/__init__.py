"""The only place that touches napari's viewer and layers, always on the main thread."""

from __future__ import annotations

from napari_ds2net.gui._layers.adapter import LayerAdapter
from napari_ds2net.gui._layers.exporting import ExportLayers
from napari_ds2net.gui._layers.source import ImageSource, Region, RegionKind
from napari_ds2net.gui._layers.target import ResultLayers

__all__ = ["ExportLayers", "ImageSource", "LayerAdapter", "Region", "RegionKind", "ResultLayers"]
