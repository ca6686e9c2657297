"""One big image segmented in a process of its own, which reports its time and its peak memory.

    python -m benchmarks.big_run IMAGE OUTPUT tiny|NAME [SECONDS]

Nothing is imported before the memory of the bare interpreter is noted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Segment the image and print one line of JSON."""
    before = peak_bytes()
    image, output, network = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    limit_s = float(sys.argv[4]) if len(sys.argv) > 4 else float("inf")
    report = segment(image, output, network, limit_s)
    report["interpreter_mib"] = before / 2**20
    report["peak_mib"] = (peak_bytes() - before) / 2**20
    print(json.dumps(report))


def segment(image: Path, output: Path, network: str, limit_s: float) -> dict[str, Any]:
    """Segment an image, for as long as it may take; return what was measured."""
    from benchmarks.big_subjects import load
    from napari_ds2net.core.big.files import open_big
    from napari_ds2net.core.big.segmenting import big_steps
    from napari_ds2net.core.device import cpu_plan
    from napari_ds2net.core.events import BlockDone, RowsDone

    module, card = load(network)
    opened = open_big(image)
    libraries = peak_bytes()
    wall, cpu = time.perf_counter(), time.process_time()
    rows, maps_s, blocks, complete = 0, 0.0, 0, True
    for event in big_steps(opened, module, card, cpu_plan(), output):
        if isinstance(event, RowsDone):
            rows, maps_s = event.last, time.process_time() - cpu
        elif isinstance(event, BlockDone):
            blocks = event.done
        if time.perf_counter() - wall > limit_s:
            complete = False
            break
    height, width = opened.plane_shape
    return {
        "image": image.name,
        "network": network,
        "megapixels": height * width / 1e6,
        "complete": complete,
        "rows": rows,
        "all_rows": height,
        "blocks": blocks,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "maps_cpu_s": maps_s,
        "libraries_mib": libraries / 2**20,
        "result_mib": sum(p.stat().st_size for p in output.rglob("*") if p.is_file()) / 2**20,
    }


def peak_bytes() -> int:
    """Return the largest resident size that this process has had."""
    if os.path.exists("/proc/self/status"):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
