"""A batch from its beginning to its end, over kills and full disks."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ds2net.cli.console import complain, in_words, note, progress
from napari_ds2net.cli.job_done import JobDone, LostFrames, Tally
from napari_ds2net.cli.outputs import Job, check_outputs
from napari_ds2net.cli.segmenting import Segmenting, origin_of, segment_jobs, tell
from napari_ds2net.errors import DS2NetError, ImageError

if TYPE_CHECKING:
    from napari_ds2net.cli.resume import Plan
    from napari_ds2net.core.export.record import RunRecord


def segment_batch(
    jobs: Sequence[Job],
    how: Segmenting,
    output: Path,
    *,
    absent: Sequence[Path] = (),
    update: bool = False,
) -> Tally:
    """Segment what is not finished, write everything, and keep the table of the batch.

    Parameters
    ----------
    jobs
        The images that are there.
    how
        How they are segmented, and what is written.
    output
        Folder for the results.
    absent
        Images that were named and are not there.
    update
        Whether results of other images, models or settings are replaced.

    Returns
    -------
    How many failed, the absent ones among them, and how many lack frames, finished ones among them.

    Raises
    ------
    SettingsError
        Something is there that would have to be overwritten; nothing is touched.
    EngineError
        Nothing can be computed any more.
    """
    from napari_ds2net.cli.resume import Plan
    from napari_ds2net.cli.summary import Summary

    check_outputs(jobs, overwrite=True)  # the images themselves are never written over
    plan = Plan(tuple(jobs), ()) if how.wanted.overwrite else _plan(jobs, how, update=update)
    if plan.finished:
        note(f"{len(plan.finished)} of {len(jobs)} images are finished already.")
    finished = [_finished(job, record) for job, record in plan.finished]
    for done in finished:
        if done.lost is not None:
            tell(dataclasses.replace(done, record=None))
    gone = [_absent(path) for path in absent]
    tally = sum(map(Tally.of, (*finished, *gone)), Tally())
    stems = [done.job.stem for done in gone] + [job.stem for job in jobs]
    if len(stems) < 2:
        return tally + segment_jobs(plan.left, how)
    summary = Summary(output, stems)
    summary.begin((*finished, *gone))
    with contextlib.ExitStack() as at_end:
        at_end.callback(_guarded, summary.finish)
        return tally + segment_jobs(
            plan.left, how, on_done=lambda done: _guarded(lambda: summary.add(done))
        )


def _plan(jobs: Sequence[Job], how: Segmenting, *, update: bool) -> Plan:
    """See what is finished."""
    from napari_ds2net.cli.resume import plan_rest

    with progress() as display:
        task = display.add_task("Looking at what is there", total=len(jobs))
        return plan_rest(
            jobs,
            how,
            origin_of(how.predictor, how.options),
            update=update,
            on_look=lambda _: display.advance(task),
        )


def _finished(job: Job, record: RunRecord) -> JobDone:
    return JobDone(job, record=record, lost=LostFrames.told_by(record))


def _absent(path: Path) -> JobDone:
    job = Job(path, path.stem, {})
    return JobDone(job, failure=ImageError(f"There is no file {path.name}."))


def _guarded(write: Callable[[], None]) -> None:
    """Write into the table; that it cannot be written is told and stops nothing else."""
    try:
        write()
    except (DS2NetError, OSError) as error:
        complain(f"The summary cannot be written: {in_words(error)}")
