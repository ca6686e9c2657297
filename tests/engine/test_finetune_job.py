"""Fine-tuning as a job of the worker."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from ds2net_training.finetuning.settings import StopFile, make_settings
from napari_ds2net.engine.finetune_job import finetune_model
from napari_ds2net.errors import WorkspaceError
from tests.gui.tuning import make_model
from tests.test_architecture import imported_by


def test_importing_it_does_not_load_torch() -> None:
    imported = imported_by("napari_ds2net.engine.finetune_job")
    assert "ds2net_training.finetuning.events" in imported
    assert not {name for name in imported if name.partition(".")[0] == "torch"}


def test_corrections_that_the_worker_does_not_see_are_a_sentence(tmp_path: Path) -> None:
    steps = finetune_model(
        "polyp", str(tmp_path / "elsewhere"), "mine", make_settings("quick"), "cpu",
        str(tmp_path / "models"), StopFile(tmp_path / "stop"),
    )  # fmt: skip
    with pytest.raises(WorkspaceError, match=r"elsewhere.*shares its disk"):
        next(steps)


def test_what_it_is_called_with_can_be_sent(tmp_path: Path) -> None:
    stop = StopFile(tmp_path / "stop")
    settings, sent = pickle.loads(pickle.dumps((make_settings("full", minutes=2), stop)))
    assert settings.seconds == 120
    assert not sent()
    stop.request()
    assert sent()


def test_a_name_that_the_run_before_took_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ds2net_training.finetuning import finetune

    asked: list[str] = []

    def steps(parent: str, data: Path, name: str, *_: object, **__: object) -> Iterator[str]:
        asked.append(name)
        yield "learning"

    monkeypatch.setattr(finetune, "finetune_steps", steps)
    make_model(str(tmp_path), "polyp", "polyp-2", (0.7, 0.8))
    for name in ("polyp-2", "polyp-7"):
        next(
            finetune_model(
                "polyp", str(tmp_path), name, make_settings("quick"), "cpu", str(tmp_path),
                StopFile(tmp_path / "stop"),
            )
        )  # fmt: skip
    assert asked == ["polyp-3", "polyp-7"]
