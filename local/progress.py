"""Steps that take a while, shown as they go, and timed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Say = Callable[[str], None]


class Steps:
    """Shows one step after the other on a console.

    On a terminal the running step has a clock and the last thing it said; elsewhere each step is
    a line when it starts and a line when it is done.

    Parameters
    ----------
    console
        Where to.

    Attributes
    ----------
    seconds : dict of str to float
        How long each step took.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """Run a step; what it yields may be told what is happening now.

        Parameters
        ----------
        title
            What the step does.
        """
        started = time.monotonic()
        with self._shown(title) as say:
            yield say
        self.seconds[title] = time.monotonic() - started
        self.console.print(f"[green]✓[/green] {title} [dim]{self.seconds[title]:.1f} s[/dim]")

    @contextmanager
    def _shown(self, title: str) -> Iterator[Say]:
        if not self.console.is_terminal:
            self.console.print(f"… {title}")
            yield lambda _: None
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[now]}[/dim]", markup=True),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(title, now="", total=None)

            def say(words: str) -> None:
                progress.update(task, now=_plain(words))

            yield say


def _plain(words: str) -> str:
    """What fits on the line, without anything that would be read as markup."""
    return words.replace("[", "(").replace("]", ")")[:50]
