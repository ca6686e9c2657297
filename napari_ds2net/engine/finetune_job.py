"""Fine-tuning in the worker; torch is imported only when it runs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from importlib import import_module
from pathlib import Path

from ds2net_training.finetuning.events import FineTuneEvent, FineTuneResult, SteppedDown
from ds2net_training.finetuning.settings import FineTuneSettings, StopFile
from napari_ds2net.errors import WorkspaceError
from napari_ds2net.library import ModelLibrary


def finetune_model(
    parent: str,
    workspace: str,
    name: str,
    settings: FineTuneSettings,
    device: str,
    root: str,
    stop: StopFile,
    after: str = "",
    unlabelled: Sequence[str] = (),
) -> Generator[FineTuneEvent, None, FineTuneResult]:
    """Fine-tune a model of a library on the corrections of a workspace; see `finetune_steps`.

    Parameters
    ----------
    parent
        Name of the model to start from.
    workspace, root
        Folders of the corrections and of the library: a worker on another machine must reach them.
    name
        Of the new model; where another run took it while this one waited, the next free one.
    settings, device
        How, and where.
    stop
        Asks to stop and keep the best so far.
    after
        What ended the last attempt, without a full stop; that is told, and `settings` and `device`
        are those of a smaller one.
    unlabelled
        Files of images without a correction; those that the worker does not find are left out.

    Raises
    ------
    DS2NetError
        The worker does not see the corrections, or as for `finetune_steps`.
    """
    if not Path(workspace).is_dir():
        raise WorkspaceError(
            f"The worker does not find the corrections in {workspace}; expected a worker on this "
            "computer or one that shares its disk. Choose where to compute in the panel's "
            "preferences."
        )
    if after:
        views = f"{settings.batch_size} view{'s' * (settings.batch_size != 1)}"
        yield SteppedDown(
            reason=f"{after}, as happens when memory runs out; beginning again on the CPU, with "
            f"{views} at a time."
        )
    # A worker that has just started imports this in another thread. To ask for the same module is
    # to wait for it; to come in by another door may be to meet torch half imported.
    import_module("napari_ds2net.api")
    from ds2net_training.finetuning.finetune import finetune_steps

    library = ModelLibrary(Path(root))
    return (
        yield from finetune_steps(
            parent,
            Path(workspace),
            library.free_name(name),
            settings,
            device=device,
            unlabelled=[path for path in unlabelled if Path(path).is_file()],
            library=library,
            should_stop=stop,
        )
    )
