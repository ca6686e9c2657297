"""What images larger than memory take: memory, and time per megapixel, from 1 to 400 megapixels.

    python -m benchmarks.big [--megapixels 1 4 16 64 400] [--kind zarr|tif] [--network tiny|NAME]
                             [--seconds T] [--folder DIR] [--json FILE]

Every image is drawn, RGB, and segmented in a process of its own. Memory is that process's peak
above the bare interpreter, torch and all other libraries included. Time is the processor's, so that
other programs count little; the ratio is to the first image's. The network ``tiny`` is two
operations: what is measured is reading, blending, writing and labelling. Take ``nuclei`` for the
whole; ``--seconds`` stops each image after that time and says how far it came.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Measure, print a table in Markdown, and write it as JSON if asked."""
    choices = _parse()
    print(
        "| megapixels | rows done | CPU s per Mpx | ratio | wall s | peak MiB | of it libraries |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    rows: list[dict[str, Any]] = []
    if choices.folder is not None:
        choices.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=choices.folder) as folder:
        for megapixels in choices.megapixels:
            rows.append(_measure(Path(folder), megapixels, choices))
            print(_line(rows[-1], rows[0]), flush=True)
    if choices.json is not None:
        choices.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 4, 16, 64, 400])
    parser.add_argument("--kind", choices=("zarr", "tif"), default="zarr", help="of the image")
    parser.add_argument("--network", default="tiny", help="tiny, or a model of the library")
    parser.add_argument("--seconds", type=float, default=1e9, help="longest time per image")
    parser.add_argument("--folder", type=Path, help="where there are some GB for the images")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    return parser.parse_args()


def _measure(folder: Path, megapixels: float, choices: argparse.Namespace) -> dict[str, Any]:
    """Draw an image in one process, segment it in another, and return what that one reports."""
    image, output = folder / f"image.{choices.kind}", folder / "result.zarr"
    draw = (
        "import sys; from pathlib import Path; from benchmarks.big_subjects import make_image; "
        "make_image(Path(sys.argv[1]), float(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", draw, str(image), str(megapixels)], check=True)
    command = [sys.executable, "-m", "benchmarks.big_run", str(image), str(output)]
    command += [choices.network, str(choices.seconds)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    report: dict[str, Any] = json.loads(text)
    for path in (image, output):
        _remove(path)
    return report


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _line(row: dict[str, Any], first: dict[str, Any]) -> str:
    done = row["rows"] / row["all_rows"]
    rows = f"{row['rows']:,} of {row['all_rows']:,}" + ("" if row["complete"] else ", stopped")
    seconds, reference = (
        each["maps_cpu_s"] / (each["megapixels"] * each["rows"] / each["all_rows"])
        if not row["complete"]
        else each["cpu_s"] / each["megapixels"]
        for each in (row, first)
    )
    per = f"{seconds:.2f} | {seconds / reference:.2f}" if done else "- | -"
    return (
        f"| {row['megapixels']:.0f} | {rows} | {per} | {row['wall_s']:.0f} | "
        f"{row['peak_mib']:.0f} | {row['libraries_mib']:.0f} |"
    )


if __name__ == "__main__":
    main()
