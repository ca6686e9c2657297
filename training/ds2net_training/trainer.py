"""The training itself: a generator of typed events that returns its result."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ds2net_training.averaging import AveragedNetwork
from ds2net_training.dataset import Pair, Sample
from ds2net_training.distributed import mean_over_processes, share_batch_norm, world_size
from ds2net_training.encoder_weights import new_network, started_network
from ds2net_training.evaluation import ImageScored
from ds2net_training.events import (
    EpochDone,
    Event,
    ResumePointSaved,
    StepDone,
    TrainingResult,
    TrainingStarted,
)
from ds2net_training.feed import Batch, Shard, batches, epoch_length
from ds2net_training.freezing import freeze, frozen_modules, keep_statistics
from ds2net_training.gates import renew_gates, set_apart
from ds2net_training.lossnet import load_lossnet
from ds2net_training.optimiser import make_optimizer
from ds2net_training.reading import SplitSamples, read_and_split
from ds2net_training.record import fingerprint, make_card
from ds2net_training.resume import Progress, load_resume_point, resume_path, save_resume_point
from ds2net_training.run_options import RunOptions, start_fabric
from ds2net_training.schedule import rate_factor, step_sizes, steps_per_epoch
from ds2net_training.scorecard import score_network
from ds2net_training.settings import Settings
from ds2net_training.stage_logits import StageLogits, scaled
from ds2net_training.superres import SuperResolutionBranch, reduced
from ds2net_training.training_loss import training_loss
from ds2net_training.validation import normalised, validate
from napari_ds2net.network.checkpoint import save_checkpoint
from napari_ds2net.network.interface import SegmentationNetwork


def train_steps(
    settings: Settings, folders: Sequence[Path | str], options: RunOptions
) -> Generator[Event | ImageScored, None, TrainingResult]:
    """Train a network from a recipe.

    Closing the generator saves a resume point; a killed process loses at most
    ``options.resume_minutes``. On a CPU a resumed training gives the same weights, bit for bit.

    Parameters
    ----------
    settings
        From `read_recipe`.
    folders
        Data sets; see `find_pairs`.
    options
        Where it runs.

    Yields
    ------
    ImagesRead, TrainingStarted, StepDone, EpochDone, ResumePointSaved, and at last ImageScored
        while the best network is evaluated on the validation images, if any, for its card

    Returns
    -------
    TrainingResult

    Raises
    ------
    DS2NetError
        The data, the settings, the encoder's weights or the resume file are not usable.
    """
    split = yield from read_and_split(folders, settings)
    trainer = Trainer(settings, split, options)
    result = yield from trainer.run()
    if trainer.fabric.global_rank == 0 and split.validation:
        pairs = [sample.pair for sample in split.validation]
        yield from score_network(options.output, pairs, split.validation_groups, options.device)
    return result


class Trainer:
    """One training on decoded images; `run` is its generator."""

    def __init__(
        self,
        settings: Settings,
        split: SplitSamples,
        options: RunOptions,
        network: SegmentationNetwork | None = None,
        parent: str | None = None,
    ) -> None:
        self.settings = settings
        self.options = options
        self.split = split
        self.fabric = start_fabric(options, settings)
        if network is None and options.start is not None:
            network, parent = started_network(settings, options.start)
        self.parent = parent
        raw = network or new_network(settings, options.encoder_weights)
        _prepare_masks(raw, settings)
        self.average = AveragedNetwork(raw, settings.schedule.average_decay)
        self.average.network.to(self.fabric.device)
        self.module, self.optimizer = self._set_up(raw)
        self.lossnet = (
            load_lossnet(options.lossnet_weights, settings.loss.lossnet_sha256).to(
                self.fabric.device
            )
            if settings.loss.lossnet > 0
            else None
        )
        self.progress = Progress(weight_sum=[0.0] * len(raw.stage_strides))
        self.best: dict[str, torch.Tensor] = {}
        self._images = fingerprint(self._pairs(split.training), self._pairs(split.validation))
        per_epoch = epoch_length(split.training, settings)
        self.steps = steps_per_epoch(per_epoch, settings.schedule.batch_size)
        self._saved_at = time.monotonic()

    def run(self) -> Generator[Event, None, TrainingResult]:
        """Train to the end; see `train_steps`."""
        schedule, progress = self.settings.schedule, self._start()
        yield TrainingStarted(
            training_images=len(self.split.training),
            validation_images=len(self.split.validation),
            parameters=sum(p.numel() for p in self.raw.parameters()),
            epochs=schedule.epochs,
            first_epoch=progress.epoch,
            steps_per_epoch=self.steps,
            device=str(self.fabric.device),
        )
        try:
            while not progress.finished:
                yield from self._epoch()
                yield self._validate()
                yield self._save()
        except GeneratorExit:
            self._save()
            raise
        return self._result()

    @property
    def raw(self) -> SegmentationNetwork:
        """The network in training, without wrappers."""
        network: SegmentationNetwork = self.module.module.network
        return network

    @property
    def branch(self) -> SuperResolutionBranch | None:
        """What is trained beside the network and left behind."""
        branch: SuperResolutionBranch | None = self.module.module.branch
        return branch

    def _set_up(self, raw: SegmentationNetwork) -> tuple[Any, Any]:
        """Hand network and optimiser to Fabric."""
        schedule = self.settings.schedule
        raw = raw.to(memory_format=torch.channels_last)
        branch = _branch(raw, self.settings)
        if world_size() > 1:
            share_batch_norm(raw)
            share_batch_norm(branch or nn.Module())
        self._frozen = frozen_modules(raw.encoder, schedule.frozen_levels)
        optimizer = make_optimizer(raw, branch, schedule)
        freeze(self._frozen)
        if schedule.frozen_batch_norm:
            self._frozen += [m for m in raw.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
        module, optimizer = self.fabric.setup(StageLogits(raw, branch), optimizer)
        return module, optimizer

    def _start(self) -> Progress:
        """Go on from the resume file, or begin."""
        path = resume_path(self.options.output)
        if self.options.resume and path.is_file():
            self.progress, tensors = load_resume_point(path, self.settings, self._images)
            self.raw.load_state_dict(tensors["network"])
            self.average.restore(tensors["average"], int(tensors["average_steps"]))
            self.optimizer.load_state_dict(tensors["optimizer"])
            self.best = tensors["best"]
            if self.branch is not None:
                self.branch.load_state_dict(tensors["branch"])
        return self.progress

    def _epoch(self) -> Generator[Event, None, None]:
        """Run what is left of the epoch under way."""
        progress = self.progress
        shard = Shard(self.fabric.global_rank, self.fabric.world_size)
        self.module.train()
        keep_statistics(self._frozen)
        feed = batches(
            self.split.training,
            self.settings,
            progress.epoch,
            progress.step,
            shard,
            self.options.workers,
        )
        for batch in feed:
            began = time.monotonic()
            loss, weights = self._learn(batch)
            progress.step += 1
            progress.loss_sum += loss
            progress.weight_sum = [a + b for a, b in zip(progress.weight_sum, weights, strict=True)]
            progress.seconds += time.monotonic() - began
            yield StepDone(
                epoch=progress.epoch,
                step=progress.step,
                steps=self.steps,
                loss=loss,
                seconds_left=self._seconds_left(),
            )
            if time.monotonic() - self._saved_at > 60 * self.options.resume_minutes:
                yield self._save()

    def _learn(self, batch: Batch) -> tuple[float, list[float]]:
        """Take one optimiser step per size; return mean loss and stage weights."""
        settings, progress = self.settings, self.progress
        step = progress.step
        sizes = step_sizes(
            settings.seed, progress.epoch, step, settings.model.input_size, settings.schedule
        )
        self._set_rate((progress.epoch - 1) * self.steps + step)
        image = batch.image.to(self.fabric.device)
        mask = batch.mask.to(self.fabric.device)
        losses, weights = [], []
        for turn, size in enumerate(sizes):
            _seed_step(settings.seed, progress.epoch, step, turn, self.fabric.global_rank)
            size *= settings.model.super_resolution
            loss, weight = self._optimise(scaled(image, size), scaled(mask, size))
            losses.append(loss)
            weights.append(weight)
        mean_weights: list[float] = torch.stack(weights).mean(dim=0).tolist()
        return float(torch.stack(losses).mean()), mean_weights

    def _optimise(
        self, image: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one optimiser step."""
        schedule, settings = self.settings.schedule, self.settings
        self.optimizer.zero_grad(set_to_none=True)
        seen = normalised(reduced(image, settings.model.super_resolution), settings)
        output = self.module(seen.contiguous(memory_format=torch.channels_last))
        loss, weights = training_loss(
            output, image, mask, settings.loss, self.lossnet, mean_over_processes
        )
        self.fabric.backward(loss)
        if schedule.clip_value > 0:
            nn.utils.clip_grad_value_(self.module.parameters(), schedule.clip_value)
        if schedule.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.module.parameters(), schedule.clip_norm)
        self.optimizer.step()
        self.average.update(self.raw)
        return loss.detach(), weights

    def _set_rate(self, step: int) -> None:
        """Set the learning rates for a step counted from the beginning of the training."""
        schedule = self.settings.schedule
        factor = rate_factor(step, schedule.epochs * self.steps, schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def _validate(self) -> EpochDone:
        """Close the epoch: validate the average, keep it if it is the best or nothing tells."""
        progress, schedule = self.progress, self.settings.schedule
        began = time.monotonic()
        dice, loss = self._score()
        is_best = dice is None or schedule.keep == "last" or dice > progress.best_dice
        if is_best:
            progress.best_epoch = progress.epoch
            progress.best_dice = progress.best_dice if dice is None else dice
            self.best = {k: v.detach().cpu().clone() for k, v in self.average.state_dict().items()}
            self._write_best()
        steps = max(1, progress.step)
        mean_loss = progress.loss_sum / steps
        weights = tuple(value / steps for value in progress.weight_sum)
        epoch = progress.epoch
        waited = epoch - progress.best_epoch
        progress.finished = epoch >= schedule.epochs or 0 < schedule.patience_epochs <= waited
        progress.seconds += time.monotonic() - began
        progress.epoch, progress.step = epoch + 1, 0
        progress.loss_sum, progress.weight_sum = 0.0, [0.0] * len(weights)
        return EpochDone(
            epoch=epoch,
            epochs=schedule.epochs,
            loss=mean_loss,
            validation_dice=dice,
            validation_loss=loss,
            is_best=is_best,
            learning_rate=float(self.optimizer.param_groups[-1]["lr"]),
            stage_weights=weights,
            seconds=progress.seconds,
            seconds_left=0.0 if progress.finished else self._seconds_left(),
        )

    def _score(self) -> tuple[float, float] | tuple[None, None]:
        """Return Dice and loss of the average on what is held out, None where nothing is."""
        if not self.split.validation:
            return None, None
        return validate(
            self.average.network, self.split.validation, self.settings, self.fabric.device
        )

    def _seconds_left(self) -> float:
        """Estimate from the mean time of a step so far."""
        done = (self.progress.epoch - 1) * self.steps + self.progress.step
        total = self.settings.schedule.epochs * self.steps
        return self.progress.seconds / max(1, done) * (total - done)

    def _write_best(self) -> None:
        """Write the best network so far with its card."""
        if self.fabric.global_rank == 0:
            save_checkpoint(self.options.output, self.average.network, self._card())

    def _card(self) -> Any:
        """Describe the best network so far."""
        progress, held_out = self.progress, len(self.split.validation)
        scores: dict[str, float] = {"validation_images": held_out, "epoch": progress.best_epoch}
        if held_out:
            scores = {"validation_dice": round(progress.best_dice, 4), **scores}
        return make_card(self.settings, self._pairs(self.split.training), scores, self.parent)

    def _save(self) -> ResumePointSaved:
        """Write the resume file."""
        path = resume_path(self.options.output)
        if self.fabric.global_rank == 0:
            tensors = {
                "network": self.raw.state_dict(),
                "average": self.average.state_dict(),
                "average_steps": self.average.steps,
                "optimizer": self.optimizer.state_dict(),
                "best": self.best,
            }
            if self.branch is not None:
                tensors["branch"] = self.branch.state_dict()
            save_resume_point(path, self.settings, self._images, self.progress, tensors)
        self._saved_at = time.monotonic()
        return ResumePointSaved(epoch=self.progress.epoch, step=self.progress.step, path=str(path))

    def _result(self) -> TrainingResult:
        """Sum up."""
        progress = self.progress
        epochs_run = progress.epoch - 1
        return TrainingResult(
            path=str(self.options.output),
            config=self.raw.config,
            card=self._card(),
            best_epoch=progress.best_epoch,
            best_dice=progress.best_dice if self.split.validation else None,
            epochs_run=epochs_run,
            stopped_early=epochs_run < self.settings.schedule.epochs,
            seconds=progress.seconds,
        )

    @staticmethod
    def _pairs(samples: Sequence[Sample]) -> list[Pair]:
        return [sample.pair for sample in samples]


def _branch(network: SegmentationNetwork, settings: Settings) -> SuperResolutionBranch | None:
    """Return what DS2F trains beside the network, where the recipe asks for it."""
    if settings.model.super_resolution == 1:
        return None
    torch.manual_seed(settings.seed)
    branch = SuperResolutionBranch(network, settings.model.super_resolution)
    return branch.to(memory_format=torch.channels_last)


def _prepare_masks(network: SegmentationNetwork, settings: Settings) -> None:
    """Do what the recipe says about the detail and semantic masks before the first step."""
    if settings.loss.fresh_masks:
        torch.manual_seed(settings.seed)
        renew_gates(network)
    if settings.loss.masks > 0:
        set_apart(network)


def _seed_step(seed: int, epoch: int, step: int, turn: int, rank: int) -> None:
    """Fix the random numbers inside the network (dropout) for one optimiser step."""
    number = ((seed * 100_003 + epoch) * 1_000_003 + step) * 31 + turn
    torch.manual_seed((number * 1_009 + rank) % 2**63)


__all__ = ["RunOptions", "SplitSamples", "Trainer", "read_and_split", "train_steps"]
