"""How a fine-tuning is handed over, and begun again in a smaller way when the worker is lost."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import cast

from ds2net_training.finetuning.settings import FineTuneSettings
from napari_ds2net.engine.finetune_job import finetune_model
from napari_ds2net.engine.run import Call

_FEW_VIEWS = 3
_FEW_UNLABELLED = 24


class FineTuneDispatch:
    """Hands over `finetune_model` as one call.

    Parameters
    ----------
    call
        Of `finetune_model`.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def calls(self) -> Iterator[Call]:
        """Yield the call."""
        yield self._call

    def note(self, event: object) -> None:
        """Remember nothing: a training that was lost begins again."""

    def smaller(self, reason: str) -> Call | None:
        """Return a call that learns on the CPU, one view at a time and few of each image."""
        values = inspect.signature(finetune_model).bind(*self._call.args, **self._call.kwargs)
        settings = cast("FineTuneSettings", values.arguments["settings"])
        semi = settings.semi
        if settings.mode == "semi":
            semi = dataclasses.replace(semi, images=min(semi.images, _FEW_UNLABELLED))
        values.arguments["settings"] = dataclasses.replace(
            settings, batch_size=1, views=min(settings.views, _FEW_VIEWS), semi=semi
        )
        values.arguments["device"] = "cpu"
        values.arguments["after"] = reason
        return Call(finetune_model, values.args, values.kwargs)

    def join(self, results: list[object]) -> object:
        """Return the result of the call that came to its end."""
        return results[0]
