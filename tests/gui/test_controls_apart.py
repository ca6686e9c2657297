"""The controls of a result layer come a turn after it; nobody finds them missing."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import napari
import pytest
from napari.layers import Points
from qtpy.QtWidgets import QPushButton, QStackedWidget, QWidget

from napari_ds2net.gui._layers.controls_apart import ControlsApart
from napari_ds2net.gui.widgets import SegmentWidget
from tests.gui.window import SUFFIXES, disc


@pytest.fixture
def stack(viewer: napari.Viewer, panel: SegmentWidget) -> QStackedWidget:
    """Where napari keeps the controls, a page for every layer and one for none."""
    viewer.add_image(disc(), name="disc")
    window: Any = panel.window()
    found = [each for each in window.findChildren(QStackedWidget) if each.count() == 2]
    shown = [each for each in found if type(each).__name__ == "QtLayerControlsContainer"]
    assert len(shown) == 1
    controls: QStackedWidget = shown[0]
    return controls


@pytest.fixture
def steps(viewer: napari.Viewer, panel: SegmentWidget, stack: QStackedWidget) -> Generator[None]:
    """Making the layers, as far as a mask that has no controls yet."""
    layers = panel.controller.layers
    making = layers.make_layers(layers.results(panel.controller.image.source()))
    next(making)
    next(making)
    assert "disc mask" in viewer.layers
    assert stack.count() == 2
    return making


def test_controls_come_a_step_after_every_layer(
    viewer: napari.Viewer, stack: QStackedWidget, steps: Generator[None]
) -> None:
    behind = [1 + len(viewer.layers) - stack.count() for _ in steps]
    assert set(behind) == {0, 1}
    assert behind.count(1) == len(SUFFIXES) - 1  # that of the mask was seen already
    assert stack.count() == 1 + len(viewer.layers)


def test_what_is_selected_before_has_its_controls_at_once(
    viewer: napari.Viewer, stack: QStackedWidget, steps: Generator[None]
) -> None:
    before = stack.currentWidget()
    viewer.layers.selection.active = viewer.layers["disc mask"]
    assert stack.count() == 3
    assert stack.currentWidget() is stack.widget(2)
    viewer.layers.selection.active = viewer.layers["disc"]
    assert stack.currentWidget() is before
    assert len(list(steps)) > 0
    viewer.layers.selection.active = viewer.layers["disc uncertainty"]
    assert stack.currentWidget() is stack.widget(3)


def test_what_is_removed_before_leaves_nothing(
    viewer: napari.Viewer, stack: QStackedWidget, steps: Generator[None]
) -> None:
    viewer.layers.remove(viewer.layers["disc mask"])
    assert stack.count() == 2
    steps.close()
    assert [each.name for each in viewer.layers] == ["disc"]


def test_what_is_given_up_has_its_controls(
    viewer: napari.Viewer, stack: QStackedWidget, steps: Generator[None]
) -> None:
    steps.close()
    assert stack.count() == 3
    viewer.layers.selection.active = viewer.layers["disc mask"]
    assert stack.currentWidget() is stack.widget(2)


def test_what_others_insert_meanwhile_has_its_controls_at_once(
    viewer: napari.Viewer, stack: QStackedWidget, steps: Generator[None]
) -> None:
    points = viewer.add_layer(Points(name="points"))  # which napari selects
    assert stack.count() == 4
    assert viewer.layers.selection.active is points
    steps.close()


def test_controls_that_are_shown_are_styled(
    viewer: napari.Viewer, stack: QStackedWidget, steps: Generator[None], qapp: Any
) -> None:
    """Qt styles a widget when it is made or shown; the first of it is put off."""
    list(steps)
    looks: list[list[tuple[object, ...]]] = []
    for name in ("disc", "disc probability"):
        viewer.layers.selection.active = viewer.layers[name]
        qapp.processEvents()
        page = stack.currentWidget()
        assert page is not None
        assert page.isVisible()
        looks.append([look(each) for each in page.findChildren(QWidget) if each.isVisible()])
    assert len(looks[0]) > 20
    assert looks[0] == looks[1]


def look(widget: QWidget) -> tuple[object, ...]:
    """What the style of a widget gives it."""
    colour = widget.palette().window().color().name()
    size = widget.height() if isinstance(widget, QPushButton) else None
    return type(widget), widget.font().pointSize(), colour, size


def test_an_insertion_that_fails_leaves_napari_as_it_was(
    viewer: napari.Viewer, stack: QStackedWidget
) -> None:
    with pytest.raises(ValueError, match="no memory"), ControlsApart(viewer.layers):
        with viewer.layers.selection.events.blocker_all():
            viewer.add_image(disc(), name="other")
        assert stack.count() == 2
        raise ValueError("no memory")
    assert stack.count() == 3
    for place, name in enumerate(("disc", "other"), start=1):
        viewer.layers.selection.active = viewer.layers[name]
        assert stack.currentWidget() is stack.widget(place)


def test_without_a_stack_controls_come_with_the_layer(
    viewer: napari.Viewer, stack: QStackedWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ds2net.gui._layers.controls_apart.QStackedWidget", int)
    with ControlsApart(viewer.layers) as controls:
        viewer.add_image(disc(), name="other")
        assert stack.count() == 3
    controls.make()
    assert stack.count() == 3
