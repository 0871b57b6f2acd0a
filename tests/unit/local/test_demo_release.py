"""What the demo of releases shows, and what it writes down."""

import io
import json
from pathlib import Path

from rich.console import Console

from local.demo_release import GOAL, Screen, screen, times, write_report
from local.releasing import DEPLOY, PREPARE, STEPS, Progress, Shares

SHARES = Shares(total=30.0, webhook=0.5, pipeline=0.25, steps=10.25, synth=12.0, deploy=7.0)


def progress(now: str = "") -> Progress:
    found = Progress()
    for step in found.steps[:2]:
        step.state, step.seconds = "done", 2.0
    found.steps[2].state, found.steps[2].now = "failed", now
    found.steps[2].seconds = 1.5
    return found


def test_where_it_is_no_terminal_each_step_is_a_line_when_it_ended() -> None:
    output = io.StringIO()
    show = Screen(Console(file=output, width=100), None)
    show(Progress())
    show(progress("[alarm] is in ALARM"))
    show(progress("[alarm] is in ALARM"))
    lines = output.getvalue().splitlines()
    assert lines[1:] == [
        f"  ✓ {PREPARE} 2.0 s",
        f"  ✗ {DEPLOY} 1.5 s",
        "      [alarm] is in ALARM",
    ]


def test_on_a_terminal_all_steps_are_drawn_again_and_again() -> None:
    output = io.StringIO()
    console = Console(file=output, width=120, force_terminal=True)
    with screen(console, "the alias moved") as show:
        show(progress("[alarm] is in ALARM"))
    text = output.getvalue()
    assert all(title in text for title in STEPS)
    assert "[alarm] is in ALARM" in text
    assert text.startswith("\n\x1b[1mthe alias moved")


def test_the_platforms_own_share_is_what_no_cdk_does() -> None:
    assert SHARES.own == 11.0
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(times(SHARES, progress(), progress()))
    text = console.export_text()
    assert "the platform's own share" in text
    assert f"goal: {GOAL:.0f}" in text


def test_figures_are_written(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "release.json"
    write_report(SHARES, progress(), progress(), 100, 1, path)
    figures = json.loads(path.read_text())
    assert figures["until_update_begins"] == {**SHARES.as_json(), "own": 11.0}
    assert figures["requests"] == {"asked": 100, "lost": 1}
    assert figures["steps"][PREPARE] == 2.0
