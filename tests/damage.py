"""Damaged files for tests: what a broken disk, a bad cable or ill will makes of a good one."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psutil
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("DS2NET_FUZZ_EXAMPLES", "40"))
"""For each kind of file; set it higher for a longer run by hand."""
MOST_GROWTH_BYTES = 512 * 2**20
"""Reading files of a few kB may never take more."""

bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,  # this computer may be busy
    derandomize="DS2NET_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

_NUMBERS = [
    b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f", b"\0\0\1\0", b"\xff" * 8, b"\0" * 8, b"\0\0\0\0\0\0\1\0",
]  # fmt: skip
"""Sizes and offsets that readers stumble over."""

_places = st.floats(0, 1, exclude_max=True).map(lambda share: share**3)
"""Mostly near the beginning, where headers are."""
_edits = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "cut", "drop", "double"]),
        _places,
        st.sampled_from(_NUMBERS) | st.binary(min_size=1, max_size=6),
        st.integers(1, 64),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Return the content with bytes written over, left out, doubled, or cut off."""
    return _edits.map(lambda edits: _damage(content, edits))


def _damage(content: bytes, edits: list[tuple[str, float, bytes, int]]) -> bytes:
    for what, share, data, length in edits:
        at = int(share * len(content))
        if what == "write":
            content = content[:at] + data + content[at + len(data) :]
        elif what == "drop":
            content = content[:at] + content[at + length :]
        elif what == "double":
            content = content[: at + length] + content[at:]
        else:
            content = content[: len(content) - at]
    return content


_plain: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**9, 2**63, 10**400])
    | st.floats()
    | st.text(max_size=5)
)
values: st.SearchStrategy[Any] = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)
"""Whatever JSON and TOML can say."""


@st.composite
def altered(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """Return nested values with one of them replaced, left out, or added to."""
    copy = dict(whole)
    here = copy
    while True:
        key = draw(st.sampled_from(sorted(here)) | st.text(max_size=5))
        inner = here.get(key)
        if not isinstance(inner, dict) or not inner or draw(st.integers(0, 3)) == 0:
            break
        here[key] = dict(inner)
        here = here[key]
    if draw(st.integers(0, 4)) == 0:
        here.pop(key, None)
    else:
        here[key] = draw(values)
    return copy


@contextmanager
def full_disk(largest_bytes: int) -> Generator[None]:
    """Have the system refuse to let any file grow beyond a size, as a disk that is full does."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def little_memory() -> Generator[None]:
    """Fail where this process grows far beyond the size of what it reads."""
    before = _peak_bytes()
    yield
    assert _peak_bytes() - before < MOST_GROWTH_BYTES


def _peak_bytes() -> int:
    """Return the largest resident size that this process has had."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
