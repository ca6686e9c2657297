from __future__ import annotations

from rich.progress import Progress, ProgressColumn

from napari_ds2net.cli.console import progress


def time_left(display: Progress) -> str:
    column = display.columns[-1]
    assert isinstance(column, ProgressColumn)
    return str(column(display.tasks[0]))


def test_the_bar_says_the_time_left_in_words() -> None:
    now = 0.0
    display = progress()
    display.get_time = lambda: now
    task = display.add_task("Segmenting", total=10)

    assert time_left(display) == ""

    for done in (1, 2, 3):
        now += 10.0
        display.update(task, completed=done)
    now += 1.0  # a column is written anew twice a second

    assert time_left(display) == "1 min 10 s left"

    display.update(task, completed=10)
    assert time_left(display) == ""
