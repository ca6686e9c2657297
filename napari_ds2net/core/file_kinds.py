"""What a file is, told by its first bytes and, where those say nothing, by its name."""

from __future__ import annotations

import stat
from pathlib import Path

from napari_ds2net.errors import ImageError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".npy", ".dcm")
"""Endings that files of single images have, in lower case."""
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""Endings that DICOM files have, in lower case; many have none."""
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
"""Endings that videos have, in lower case."""
INPUT_SUFFIXES = tuple(dict.fromkeys((*IMAGE_SUFFIXES, *DICOM_SUFFIXES, *VIDEO_SUFFIXES)))
"""Endings of everything that can be segmented, in lower case."""

_EXPECTED = "expected PNG, JPEG, TIFF, BMP, WebP, NPY, DICOM or a video"
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"\x93NUMPY", "NPY"),
    (b"\x1aE\xdf\xa3", "video"),  # Matroska, WebM
    (b"0&\xb2u\x8ef\xcf\x11", "video"),  # WMV
    (b"\0\0\x01\xba", "video"),  # MPEG
    (b"\0\0\x01\xb3", "video"),
)
_RIFF = {b"WEBP": "WEBP", b"AVI ": "video"}
_MOVIE_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide")
"""What stands after the first four bytes of MP4 and MOV."""
_PHOTOS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
"""Brands of them."""
_FOREIGN = (
    (b"GIF8", "a GIF, which is not read"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image, which is read in TIFF and DICOM only"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image, which is read in TIFF and DICOM only"),
    (b"8BPS", "a Photoshop document"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
)
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
_DICOM_AT, _DICOM = 128, b"DICM"


def kind_of(path: Path) -> str:
    """Return what a file is: "PNG", "JPEG", "TIFF", "BMP", "WEBP", "NPY", "DICOM" or "video".

    Raises
    ------
    ImageError
        The file is missing, cannot be opened, is no regular file, empty, or something else.
    """
    head = _head(path)
    if not head:
        raise ImageError(f"{path.name} is empty (0 bytes); {_EXPECTED}.")
    kind = _known(head) or _by_name(path)
    if kind is None:
        raise ImageError(f"{path.name} is {_foreign(head)}; {_EXPECTED}.")
    return kind


def is_dicom(path: Path) -> bool:
    """Tell whether a file starts as DICOM files do."""
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_AT + len(_DICOM))[_DICOM_AT:] == _DICOM
    except OSError:
        return False


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr array or group."""
    return any((path / name).is_file() for name in _ZARR_FILES)


def _head(path: Path) -> bytes:
    """Return the first bytes, without waiting for what is no file, such as a pipe."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{path} is a folder; expected an image file.")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{path} is no file but a pipe or a device; expected an image file.")
        with path.open("rb") as file:
            return file.read(_DICOM_AT + len(_DICOM))
    except FileNotFoundError as error:
        dangling = " that its link leads to" if path.is_symlink() else ""
        raise ImageError(f"There is no file {path}{dangling}.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path} cannot be opened: {reason}.") from error


def _known(head: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[_DICOM_AT:] == _DICOM:
        return "DICOM"
    if head[4:8] in _MOVIE_ATOMS and not _is_photo(head):
        return "video"
    return _RIFF.get(head[8:12]) if head.startswith(b"RIFF") else None


def _by_name(path: Path) -> str | None:
    """Return the kind of files that begin with anything: DICOM without a preamble, old videos."""
    suffix = path.suffix.lower()
    if suffix in DICOM_SUFFIXES:
        return "DICOM"
    return "video" if suffix in VIDEO_SUFFIXES else None


def _is_photo(head: bytes) -> bool:
    """Tell whether a file that is built like an MP4 is a photo: HEIC of phones, or AVIF."""
    return head[4:8] == b"ftyp" and head[8:12] in _PHOTOS


def _foreign(head: bytes) -> str:
    """Name what a file is that is not read."""
    if _is_photo(head):
        return "a HEIC or AVIF photo, which is not read"
    for signature, name in _FOREIGN:
        if head.startswith(signature) or head.lstrip().startswith(signature):
            return name
    printable = sum(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)
    return "text" if printable == len(head) else "no image of a kind that is known here"
