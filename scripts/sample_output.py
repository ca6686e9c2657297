"""Segment the sample images with the bundled networks and draw what came out, for `make run`.

Each sample is written as a PNG, segmented by the `ds2net` command as a user would, and summed up in
one picture: the image, the outline of the mask, and the three other layers for review.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

from napari_ds2net.core.phantoms import Phantom, phantoms

SAVED = ("mask", "labels", "detail", "semantic", "uncertainty")
PANEL_HEIGHT_PX = 352
CAPTION_HEIGHT_PX = 26
GAP_PX = 6
TRUE_OUTLINE_RGB = (255, 255, 255)
FOUND_OUTLINE_RGB = (255, 210, 0)
# Dark to bright, the same order in grey: black, violet, orange, pale yellow.
HEAT_RGB = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))

RGB = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of the row: an RGB image, uint8 (Y, X, 3), and what it shows."""

    caption: str
    picture: RGB


def main() -> None:
    """Write every sample, its results and its picture into the folder named on the command line."""
    folder = Path(sys.argv[1])
    results = folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    for phantom in phantoms().values():
        image = folder / f"{phantom.model}.png"
        Image.fromarray(phantom.image).save(image)
        run_ds2net(image, phantom.model, results)
        picture = folder / f"{phantom.model}-result.png"
        dice = draw_result(phantom, results, image.stem, picture)
        print(f"{picture}: Dice {dice:.3f} against the drawn truth\n")
    print(f"Pictures of the results are in {folder.resolve()}; the files themselves in results/.")


def run_ds2net(image: Path, model: str, results: Path) -> None:
    """Run `ds2net segment` and show the command; end the program when it fails."""
    command = ["segment", str(image), "--model", model, "--output", str(results)]
    command += ["--save", ",".join(SAVED), "--overwrite"]
    print("ds2net", *command, flush=True)
    finished = subprocess.run([sys.executable, "-m", "napari_ds2net", *command], check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


def draw_result(phantom: Phantom, results: Path, stem: str, target: Path) -> float:
    """Draw the row of panels into `target` and return the Dice of the mask, from 0 to 1."""
    mask = np.asarray(Image.open(results / f"{stem}_mask.png")) > 0
    labels = tifffile.imread(results / f"{stem}_labels.tif")
    maps = {what: tifffile.imread(results / f"{stem}_{what}.tif") for what in SAVED[2:]}
    image = phantom.image if phantom.image.ndim == 3 else np.stack([phantom.image] * 3, axis=-1)
    panels = [
        Panel(phantom.model, fit(image)),
        Panel("mask (yellow), truth (white)", outlined(image, labels, phantom.mask)),
        Panel("detail mask", fit(as_grey(maps["detail"]))),
        Panel("semantic mask", fit(as_grey(maps["semantic"]))),
        Panel("uncertainty", fit(as_heat(maps["uncertainty"]))),
    ]
    in_a_row(panels).save(target)
    truth = phantom.mask > 0
    return float(2 * np.sum(mask & truth) / max(np.sum(mask) + np.sum(truth), 1))


def fit(picture: RGB) -> RGB:
    """Resize (Y, X, 3) to the panels' height, at its own aspect."""
    return np.asarray(Image.fromarray(picture).resize(fitted_size(picture)))


def fitted_size(picture: NDArray[np.generic]) -> tuple[int, int]:
    """Return the (width, height) of (Y, X, ...) at the panels' height."""
    height, width = picture.shape[:2]
    return round(width * PANEL_HEIGHT_PX / height), PANEL_HEIGHT_PX


def outlined(image: RGB, found: NDArray[np.integer], truth: NDArray[np.integer]) -> RGB:
    """Draw the outlines of two label images (Y, X) on `image`, after fitting all three."""
    picture = fit(image).copy()
    for labels, colour in ((truth, TRUE_OUTLINE_RGB), (found, FOUND_OUTLINE_RGB)):
        whole = Image.fromarray(labels.astype(np.int32))
        fitted = np.asarray(whole.resize(fitted_size(labels), Image.Resampling.NEAREST))
        picture[find_boundaries(fitted, mode="thick")] = colour
    return picture


def as_grey(values: NDArray[np.float32]) -> RGB:
    """Show a map (Y, X) in [0, 1] from black to white."""
    grey = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)


def as_heat(values: NDArray[np.float32]) -> RGB:
    """Show a map (Y, X) in [0, 1] in colours that grow brighter."""
    stops = np.linspace(0, 1, len(HEAT_RGB))
    channels = [np.interp(values, stops, channel) for channel in np.transpose(HEAT_RGB)]
    heat: RGB = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return heat


def in_a_row(panels: list[Panel]) -> Image.Image:
    """Set panels of one height side by side, each under its caption."""
    width = sum(panel.picture.shape[1] + GAP_PX for panel in panels) - GAP_PX
    row = Image.new("RGB", (width, PANEL_HEIGHT_PX + CAPTION_HEIGHT_PX), (32, 32, 32))
    pen = ImageDraw.Draw(row)
    left = 0
    for panel in panels:
        pen.text((left + 4, 4), panel.caption, fill="white", font=ImageFont.load_default(15))
        row.paste(Image.fromarray(panel.picture), (left, CAPTION_HEIGHT_PX))
        left += panel.picture.shape[1] + GAP_PX
    return row


if __name__ == "__main__":
    main()
