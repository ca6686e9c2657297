"""Segment the sample images with the bundled networks and draw what came out, for `make run`.

Each sample is written as a PNG, segmented by the `ds2net` command as a user would, and summed up in
one picture: the image, the outline of the mask, and the three other layers for review.
"""

from __future__ import annotations

import os
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
PANEL_HEIGHT_PX = 448
CAPTION_HEIGHT_PX = 26
GAP_PX = 6
TRUE_OUTLINE_RGB = (0, 190, 255)
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
    drawn = list(phantoms().values())
    for model in dict.fromkeys(phantom.model for phantom in drawn):
        samples = [phantom for phantom in drawn if phantom.model == model]
        run_ds2net([write_sample(phantom, folder) for phantom in samples], model, results)
        for phantom in samples:
            picture = folder / f"{phantom.name}-result.png"
            print(f"{picture}: {draw_result(phantom, results, picture)}")
        print()
    print(f"The pictures to look at are {folder.resolve()}{os.sep}*-result.png")


def write_sample(phantom: Phantom, folder: Path) -> Path:
    """Write the image as PNG and return its path."""
    path = folder / f"{phantom.name}.png"
    Image.fromarray(phantom.image).save(path)
    return path


def run_ds2net(images: list[Path], model: str, results: Path) -> None:
    """Run `ds2net segment` and show the command; end the program when it fails."""
    command = ["segment", *map(str, images), "--model", model, "--output", str(results)]
    command += ["--save", ",".join(SAVED), "--overwrite"]
    print("ds2net", *command, flush=True)
    finished = subprocess.run([sys.executable, "-m", "napari_ds2net", *command], check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


def draw_result(phantom: Phantom, results: Path, target: Path) -> str:
    """Draw the row of panels into `target` and say how well the mask fits the drawn truth."""
    mask = np.asarray(Image.open(results / f"{phantom.name}_mask.png")) > 0
    labels, detail, semantic, uncertainty = (
        tifffile.imread(results / f"{phantom.name}_{what}.tif") for what in SAVED[1:]
    )
    image = phantom.image if phantom.image.ndim == 3 else np.stack([phantom.image] * 3, axis=-1)
    panels = [
        Panel(phantom.name, fit(image)),
        Panel("mask (yellow), truth (blue)", outlined(image, labels, phantom.mask)),
        stretched("detail mask", detail),
        stretched("semantic mask", semantic),
        Panel("uncertainty", fit(as_heat(uncertainty))),
    ]
    in_a_row(panels).save(target)
    return agreement(mask, phantom.mask > 0)


def agreement(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> str:
    """Give the Dice of two masks (Y, X), or what was found where there is nothing."""
    if not truth.any():
        return f"there is nothing to find; {mask.mean():.1%} of the image was marked"
    return f"Dice {2 * np.sum(mask & truth) / (np.sum(mask) + np.sum(truth)):.3f}"


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
        picture[find_boundaries(fitted, mode="inner")] = colour
    return picture


def stretched(caption: str, values: NDArray[np.float32]) -> Panel:
    """Show a map (Y, X) in grey, from its darkest to its brightest hundredth; both are named."""
    low, high = (float(value) for value in np.percentile(values, (1, 99)))
    grey = np.rint(np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    return Panel(f"{caption}, {low:.3f} to {high:.3f}", fit(np.stack([grey] * 3, axis=-1)))


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
