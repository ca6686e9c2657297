"""DS²Net in napari: segment images, see where the network is unsure, correct, and fine-tune.

Importing this package is cheap: neither torch nor Qt nor numpy is imported until they are needed.

- `segment` segments one array; see `napari_ds2net.api`.
- ``__version__`` is the installed version.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost the most here
if TYPE_CHECKING:
    from napari_ds2net.api import segment

__all__ = ["__version__", "segment"]

__version__: str


def __getattr__(name: str) -> object:
    """Look up `segment` and the version when they are first asked for."""
    if name == "segment":
        from napari_ds2net.api import segment

        value: object = segment
    elif name == "__version__":
        value = _installed_version()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the lazy names too, so that completion finds them."""
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    """Version of the installed distribution; ``"0+unknown"`` when run from a bare source tree."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("napari-ds2net")
    except PackageNotFoundError:
        return "0+unknown"
