from __future__ import annotations

from pathlib import Path

import pytest

from napari_ds2net.cli.outputs import check_outputs, find_images, make_folder, plan_jobs
from napari_ds2net.core.export.formats import ExportOptions, Format, MapType, parse_formats
from napari_ds2net.errors import ImageError, SettingsError

MASK = ExportOptions(formats=(Format.MASK,))
SUFFIXES = (".png", ".jpg", ".tif")


def touch(*paths: Path) -> list[Path]:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return list(paths)


def names(images: list[Path], output: Path) -> list[str]:
    return [job.files[Format.MASK].name for job in plan_jobs(images, output, MASK)]


def test_save_is_read_in_any_order_and_once() -> None:
    found = parse_formats(["detail, mask", "mask"], "--save")
    assert found == (Format.MASK, Format.DETAIL)
    with pytest.raises(SettingsError, match="--save has 'masks'; expected"):
        parse_formats(["masks"], "--save")
    with pytest.raises(SettingsError, match="--save has ''"):
        parse_formats(["mask,"], "--save")


def test_file_names_are_the_promised_ones(tmp_path: Path) -> None:
    every = ExportOptions(formats=tuple(Format))
    (job,) = plan_jobs([Path("in/frame.1.png")], tmp_path, every)
    assert {path.name for path in job.files.values()} == {
        "frame.1_mask.png",
        "frame.1_labels.tif",
        "frame.1_indexed.png",
        "frame.1_overlay.png",
        "frame.1_coco.json",
        "frame.1_measurements.csv",
        "frame.1_record.json",
        "frame.1_probability.tif",
        "frame.1_detail.tif",
        "frame.1_semantic.tif",
        "frame.1_uncertainty.tif",
    }


def test_names_that_some_system_does_not_allow_or_takes_for_one(tmp_path: Path) -> None:
    assert names([Path("10:45?.png")], tmp_path) == ["10_45__mask.png"]
    assert names([Path("in/a:b.png"), Path("in/a*b.png")], tmp_path) == [
        "1_a_b_png_mask.png", "2_a_b_png_mask.png",
    ]  # fmt: skip
    composed, decomposed = Path("x/gr\u00fcn.png"), Path("y/gru\u0308n.png")
    first, second = names([composed, decomposed], tmp_path)
    assert (first, second) == ("x_gr\u00fcn_mask.png", "y_gru\u0308n_mask.png")


def test_maps_as_png_are_called_so(tmp_path: Path) -> None:
    deep = ExportOptions(formats=(Format.DETAIL, Format.LABELS), map_type=MapType.PNG)
    (job,) = plan_jobs([Path("a.jpg")], tmp_path, deep)
    assert job.files[Format.DETAIL].name == "a_detail.png"
    assert job.files[Format.LABELS].name == "a_labels.tif"


def test_a_folder_gives_its_images_only(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    touch(*(folder / name for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png")))
    touch(folder / "deeper" / "c.png")
    found = find_images([folder, folder / "a.jpg"], SUFFIXES, tmp_path)
    assert [path.name for path in found] == ["a.jpg", "b.PNG"]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"holds no image; expected files like \*\.png"):
        find_images([tmp_path], SUFFIXES, tmp_path / "out")


def test_results_beside_the_images_are_not_images(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.png", "a_mask.png", "a_detail.png", "b_mask.png")))
    found = find_images([tmp_path], SUFFIXES, tmp_path)
    assert [path.name for path in found] == ["a.png", "b_mask.png"]
    assert len(find_images([tmp_path], SUFFIXES, tmp_path / "out")) == 4


def test_images_of_one_name_get_different_files(tmp_path: Path) -> None:
    images = [Path("one/a.png"), Path("one/a.jpg"), Path("one/b.png")]
    assert names(images, tmp_path) == ["a_png_mask.png", "a_jpg_mask.png", "b_mask.png"]
    images = [Path("one/a.png"), Path("two/a.png"), Path("two/A.jpg")]
    assert names(images, tmp_path) == ["one_a_mask.png", "two_a_mask.png", "A_jpg_mask.png"]
    images = [Path("1/x/a.png"), Path("2/x/a.png"), Path("3/x_a.png")]
    found = names(images, tmp_path)
    assert len({name.casefold() for name in found}) == 3


def test_nothing_is_overwritten_silently(tmp_path: Path) -> None:
    (image,) = touch(tmp_path / "a.png")
    jobs = plan_jobs([image], tmp_path, ExportOptions(formats=(Format.MASK, Format.DETAIL)))
    check_outputs(jobs, overwrite=False)
    touch(tmp_path / "a_detail.tif")
    with pytest.raises(SettingsError, match=r"a_detail\.tif would be overwritten; .*--overwrite"):
        check_outputs(jobs, overwrite=False)
    check_outputs(jobs, overwrite=True)


def test_an_image_of_the_run_is_never_overwritten(tmp_path: Path) -> None:
    images = touch(tmp_path / "a.png", tmp_path / "a_mask.png")
    jobs = plan_jobs(images, tmp_path, MASK)
    with pytest.raises(SettingsError, match="but this run reads it"):
        check_outputs(jobs, overwrite=True)


def test_many_files_are_counted(tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.png" for number in range(9)]
    jobs = plan_jobs(images, tmp_path, MASK)
    touch(*(path for job in jobs for path in job.files.values()))
    with pytest.raises(SettingsError, match="and 15 more would be overwritten"):
        check_outputs(jobs, overwrite=False)


def test_the_output_folder_is_tried_first(tmp_path: Path) -> None:
    make_folder(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    (file,) = touch(tmp_path / "file")
    with pytest.raises(SettingsError, match="Nothing can be written into"):
        make_folder(file / "below")
