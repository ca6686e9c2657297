"""Fine-tuning from a user's corrections: a generator of typed events that returns its result."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ds2net_training.finetuning.clock import Clock
from ds2net_training.finetuning.corrections import read_corrections
from ds2net_training.finetuning.events import FineTuneEvent, FineTuneResult, SteppedDown
from ds2net_training.finetuning.keeping import keep, learned_hashes
from ds2net_training.finetuning.run import Outcome, Run
from ds2net_training.finetuning.settings import FineTuneSettings
from ds2net_training.finetuning.unlabelled import read_unlabelled
from napari_ds2net.core.device import ComputePlan, choose_plan, cpu_plan
from napari_ds2net.core.memory import free, is_out_of_memory
from napari_ds2net.errors import DatasetError, DeviceError, SettingsError
from napari_ds2net.library import ModelEntry, ModelLibrary
from napari_ds2net.network.checkpoint import load_network


def finetune_steps(
    parent: str | Path,
    data: Path | str,
    name: str,
    settings: FineTuneSettings | None = None,
    *,
    device: str = "auto",
    unlabelled: Sequence[Path | str] = (),
    library: ModelLibrary | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Generator[FineTuneEvent, None, FineTuneResult]:
    """Fine-tune a network; the result is a new model of the library.

    To cancel, close the generator: nothing is left behind. To stop early and keep the best so far,
    let `should_stop` return true; it is asked before every step, so that what runs the generator
    need not do more than iterate. See `StopFile` for one that reaches another process.

    The network is tested on corrections that it did not learn from: a hold-out, or, with fewer
    than ten, every correction in a round of cross-validation that leaves it out. If it is not
    better there than the network it started from, it is kept but not to be selected.

    Parameters
    ----------
    parent
        Name or file of the network to start from.
    data
        A workspace, or a folder with ``images/``, ``masks/`` and perhaps ``reviewed/``. Earlier
        corrections in it are learned from again, so that they are not forgotten.
    name
        Of the new model.
    settings
        Mode, time, rates.
    device
        As for `choose_plan`.
    unlabelled
        Images of the user's without a correction, or folders of them; read only for ``"semi"``,
        or where ``settings.distillation`` asks for them.
    library
        Where the parent is found and the result is kept; the user's own if None.
    should_stop
        Asked before every step.

    Yields
    ------
    CorrectionsRead, UnlabelledRead, FeaturesCached, Prepared, Estimated, StepDone, Validated,
    SteppedDown, Compared

    Returns
    -------
    FineTuneResult

    Raises
    ------
    DS2NetError
        The network, the data, the name or the device are not usable.
    """
    settings = settings or FineTuneSettings()
    clock = Clock(settings.seconds)
    library = library or ModelLibrary()
    library.check_new_name(name)
    entry = _parent(library, parent)
    learned = learned_hashes(entry.card)
    corrections = yield from read_corrections(data, entry.card, settings, learned)
    if not any(item.has_object for item in corrections.items):
        raise DatasetError(
            f"All {len(corrections.items)} corrections are empty, from which a network would learn "
            "to find nothing; correct an image with something in it as well."
        )
    known = {item.content_hash for item in corrections.items}
    others = yield from read_unlabelled(unlabelled, entry.card, known, settings.most_unlabelled)

    def begin(plan: ComputePlan) -> Generator[FineTuneEvent, None, Outcome]:
        network = load_network(entry.path)
        run = Run(network, entry.card, corrections, others, settings, plan, clock)
        return run.steps(should_stop or _never)

    outcome = yield from with_fallback(begin, choose_plan(device))
    return keep(library, entry, name, outcome, corrections, settings)


def _parent(library: ModelLibrary, parent: str | Path) -> ModelEntry:
    """Return the model to start from; one with a card, which says how it sees an image."""
    path = library.find(parent)
    if path.suffix.lower() in (".pth", ".pt"):
        raise SettingsError(
            f"{path.name} has no model card; import it first with 'ds2net models import {path}'."
        )
    return library.entry(parent)


def with_fallback(
    begin: Callable[[ComputePlan], Generator[FineTuneEvent, None, Outcome]], plan: ComputePlan
) -> Generator[FineTuneEvent, None, Outcome]:
    """Run on the device that was asked for, and on the CPU where its memory is not enough.

    Parameters
    ----------
    begin
        Starts the run on a device, from its beginning.
    plan
        The device that was asked for.

    Raises
    ------
    DeviceError
        The computer's own memory is not enough.
    """
    try:
        return (yield from begin(plan))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if plan.device == "cpu":
            raise DeviceError(
                "The computer's memory is not enough for a step with one image; close other "
                "programs, or start from a smaller network."
            ) from None
    free(plan.device)
    yield SteppedDown(
        reason=f"The memory of {plan.device} is not enough; beginning again on the CPU."
    )
    return (yield from begin(cpu_plan()))


def _never() -> bool:
    return False
