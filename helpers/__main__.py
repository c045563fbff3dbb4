"""The command line: python run.py reports | compare | export | workbook | lab | new | check | convert | simulate …"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from helpers.visible import visible

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def say(text: str) -> None:
    """One line to the terminal at once, so that a pipe sees the progress too."""
    print(visible(text), flush=True)


@app.command()
def reports(
    study: Annotated[str, typer.Argument(help="A study's name, or the path of a study file.")] = "demo",
    only: Annotated[list[str] | None, typer.Option(help="By number or name: 20,21; may be given again")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NOTEBOOK.PARAMETER=VALUE; may be given several times")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder that gets STUDY/index.html; by default reports")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, max=64, help="Notebooks side by side; by default 2")] = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds that one cell may take")] = 1800,
    slides: Annotated[bool, typer.Option("--slides", help="Make slides of each notebook, too")] = False,
) -> None:
    """Run the notebooks on a study and publish their pages."""
    from helpers.report.build import make_reports

    more = {
        "only": ",".join(only or []),
        "sets": set_ or [],
        "output": output,
        "jobs": jobs,
        "timeout": timeout,
        "slides": slides,
    }
    made = make_reports(study, **more, say=say)
    if not made.fresh:
        say("Nothing changed; the report is up to date.")
    say(f"Open {made.folder / 'index.html'}")
    if made.failed:
        names = ", ".join(e["name"] for e in made.failed)
        raise typer.Exit(_fail(f"{names} failed; the page of an earlier run, if there is one, stays as it was."))


@app.command()
def check(study: Annotated[str, typer.Argument(help="A study's name, or the path of a study file.")]) -> None:
    """Check a study: its file, every input line, and what its data can answer."""
    from helpers.report.check import check_study

    check_study(study, say=say)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="A CSV, CSV.gz or Parquet file with a log of events.")],
    name: Annotated[str, typer.Option(help="The study's name; by default made from the file's name.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a study file of that name.")] = False,
) -> None:
    """Look at a file and write a first study file for it."""
    from helpers.report.check import new_study

    new_study(file, name=name, force=force, say=say)


@app.command()
def convert(
    layout: Annotated[str, typer.Argument(help="cdnow or online_retail")],
    file: Annotated[Path, typer.Argument(help="The file as its publisher gives it.")],
    output: Annotated[Path | None, typer.Option(help="CSV to write; by default where the study looks.")] = None,
) -> None:
    """Turn a public order file into a table of orders for its ready-made study."""
    from helpers.intake.convert import convert as converted

    say(f"Wrote {converted(layout, file, output=output)}. Next: python run.py reports {layout}")


@app.command()
def simulate(
    seed: Annotated[int | None, typer.Option(help="Start of all random numbers.")] = None,
    users: Annotated[int | None, typer.Option(help="Number of customers, 20 to 10,000,000.")] = None,
    events: Annotated[int | None, typer.Option(help="Wished number of events, in place of --users.")] = None,
    weeks: Annotated[int | None, typer.Option(help="Length in weeks, 4 to 26.")] = None,
    segments: Annotated[bool | None, typer.Option(help="Four segments, or none.")] = None,
    assignment: Annotated[str | None, typer.Option(help="randomised, confounded or aa")] = None,
    srm_fault: Annotated[bool | None, typer.Option(help="Lose a part of one treated group.")] = None,
    dirt: Annotated[bool | None, typer.Option(help="Put counted faulty lines into events.csv.")] = None,
    selected_on_activity: Annotated[bool | None, typer.Option(help="Keep only users active at the end.")] = None,
    format_: Annotated[str | None, typer.Option("--format", help="csv or parquet")] = None,
    campaigns: Annotated[str | None, typer.Option(help="Campaigns to run, joined by commas; by default all.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the shop; by default data/demo.")] = None,
) -> None:
    """Make a demo shop with its truth."""
    from helpers.report.demo import simulate_shop

    given = {
        "seed": seed,
        "users": users,
        "events": events,
        "weeks": weeks,
        "segments": segments,
        "assignment": assignment,
        "srm_fault": srm_fault,
        "dirt": dirt,
        "selected_on_activity": selected_on_activity,
        "format": format_,
        "campaigns": None if campaigns is None else tuple(c.strip() for c in campaigns.split(",") if c.strip()),
    }
    simulate_shop({k: v for k, v in given.items() if v is not None}, output, say=say)


@app.command()
def compare(
    before: Annotated[str, typer.Argument(help="A study's name, or the folder of a report.")],
    now: Annotated[str, typer.Argument(help="A study's name, or the folder of a report.")],
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("reports/compare.html"),
) -> None:
    """Tell what changed between two reports, and by how much against its interval."""
    from helpers.report.compare import compare as compared
    from helpers.whole_files import put

    put(output, compared(before, now))
    say(f"Open {output}")


@app.command()
def export(
    study: Annotated[str, typer.Argument(help="A study's name, or the path of a study file.")],
    notebook: Annotated[str, typer.Option(help="Number or name: 21")],
    output: Annotated[Path | None, typer.Option(help="By default notebooks/NAME.ipynb in the report's folder.")] = None,
) -> None:
    """Write an executed notebook to hand on, without paths of this machine."""
    from helpers.report.export import export as exported

    say(f"Wrote {exported(study, notebook=notebook, output=output, say=say)}")


@app.command()
def lab() -> None:
    """Open the notebooks in JupyterLab."""
    from helpers.report.tasks import open_lab

    raise typer.Exit(open_lab())


@app.command()
def workbook(
    solutions: Annotated[bool, typer.Option("--solutions", help="Keep the solutions, folded.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="By number or name: 20,21; may be given again")] = None,
    output: Annotated[Path | None, typer.Option(help="By default reports/workbooks or reports/solutions")] = None,
) -> None:
    """Write the notebooks for a class: without outputs, and without the solutions."""
    from helpers.report.collection import all_notebooks, select
    from helpers.report.workbook import write_workbooks
    from helpers.study import REPORTS

    folder = output or REPORTS / ("solutions" if solutions else "workbooks")
    chosen = select(all_notebooks(), only=",".join(only or []))
    written = write_workbooks(chosen, folder, solutions=solutions)
    kept = len(chosen) - len(written)
    say(f"Wrote {len(written)} notebooks to {folder}" + (f"; kept {kept} that stood there." if kept else "."))


@app.command()
def test(
    fast: Annotated[bool, typer.Option("--fast", help="Without the tests that run whole notebooks.")] = False,
) -> None:
    """Lint, unit tests, doctests, notebook tests and report tests."""
    from helpers.report.tasks import run_tests

    raise typer.Exit(run_tests(fast=fast, say=say))


@app.command()
def torture(
    files: Annotated[int, typer.Option(min=1, help="Broken files to try; the other proofs scale with it.")] = 300,
    seed: Annotated[int, typer.Option(help="Start of all random numbers.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="One proof, such as intake; may be given again.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the report; by default reports/torture.")] = None,
) -> None:
    """Put every promise of reliability and security to the test, and report what held."""
    from helpers.report.tasks import run_torture

    raise typer.Exit(run_torture(files=files, seed=seed, only=only or [], output=output))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def bench(context: typer.Context) -> None:
    """Measure how large a log may be, against other ways to the same results."""
    from helpers.report.tasks import run_bench

    raise typer.Exit(run_bench(context.args))


def _fail(message: str) -> int:
    print(visible(f"Error: {message}"), file=sys.stderr, flush=True)
    return 1


def main() -> int:
    """Run a command; what a user can mend is one message, not a traceback."""
    try:
        app(prog_name="python run.py")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        return _fail("interrupted; reports that stood before are untouched.")
    except OSError as error:
        return _fail(_disk(error))
    except (ValueError, RuntimeError) as error:
        if type(error) in (ValueError, RuntimeError) or not type(error).__module__.startswith("helpers."):
            raise
        return _fail(str(error))
    return 0


def _disk(error: OSError) -> str:
    """What a full disk or a closed folder means, in words."""
    import errno

    name = f"{Path(error.filename).name}: " if isinstance(error.filename, str) else ""
    cure = {
        errno.ENOSPC: "the disk is full. Free some space, then try again",
        errno.EROFS: "its folder is read-only. Make it writable, or take others: --output for the reports, SMN_CACHE "
        "for the cache",
        errno.EACCES: "no permission to read or write it. Change the permissions of the file and its folder, or close "
        "it in other programs",
    }.get(error.errno or 0, error.strerror or str(error))
    return f"{name}{cure if name else cure[:1].upper() + cure[1:]}. Reports that stood before are untouched."


if __name__ == "__main__":
    sys.exit(main())
