"""Notebooks that tell what they must not, in a project of their own: does the gate stop each of them?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.report.cells import code, document, markdown
from tests.torture.canaries import texts
from tests.torture.corner import Corner, log
from tests.torture.proof import Proof

SECRET = "sk-live-9d1f77ab"
GATE = re.compile("may not be published|would show fewer than|a value does not fit")
OPEN = "study = open_study(study_file, notebook)\nstudy"
OWN = "own = str(829000 + {n})\n"
"""The id of a user of the log, as long as ids are; the notebook's code holds it as a sum, which is no id."""
BEST = "best = pd.DataFrame({'customer': [own, 'b'], 'views': [12, 11]})\n"
FEW = "few = pd.DataFrame({'group': ['a', 'zq' + 'few'], 'users': [40, 3]})\n"
SHORT = "short = pd.DataFrame({'item': ['11', 'b'], 'views': [12, 11]})\n"
DRAW = "charts.bars(best, x='customer', y='views', title='Best', x_label='', y_label='views')"
WAYS: dict[str, tuple[str, str, str]] = {
    "prints an id": ("10_data_quality", "print('customer', own, 'bought most')", "829101"),
    "shows a table with an id": ("20_traffic", f"{BEST}show(best, 'Best')", "829102"),
    "draws an id in a chart": ("34_intent", f"{BEST}{DRAW}", "829103"),
    "saves a table with ids": (
        "21_funnel", "table = study.findings.table('best', pd.DataFrame({'user_id': [int(own)]}), 'Best')", "829104",
    ),
    "says an id in a finding": (
        "30_profiles", "study.findings.add('best', 3, unit='views', text=own + ' saw {value:.0f}')", "829105",
    ),
    "fails with an id in its message": ("23_paths", "raise ValueError(f'customer {own} is odd')", "829106"),
    "saves a table with three users": (
        "40_association_rules", f"{FEW}study.findings.table('few', few, 'Few')", "zqfew",
    ),
    "prints an address": ("31_value_tiers", "print('ask anna.b@shop-' + 'zq.example')", "anna.b@shop-zq.example"),
    "prints a path": ("41_sequences", "print('/' + 'home/anna/log.csv')", "/home/anna/log.csv"),
    "prints a phone number": ("60_scorecard", "print('call 139-5557-' + '0001')", "139-5557-0001"),
    "saves a table with short ids": ("00_start_here", f"{SHORT}study.findings.table('items', short, 'Items')", ""),
    "prints a secret": ("32_segments", "print(os.environ['SHOP_API_TOKEN'])", SECRET),
}  # fmt: skip
"""What it does → the notebook's name, the cell, the text that must not be published."""
HONEST = ("42_recommendation", "print('12 customers')", "")


def gate_stops(folder: Path, *, seed: int) -> Proof:
    """Doctored notebooks and an honest one on a small shop: what was published?"""
    started = time.monotonic()
    corner = Corner(folder / "doctored")
    ways = WAYS | {"is honest": HONEST}
    for file in (corner.tree / "notebooks").glob("*.ipynb"):
        file.unlink()
    for what, (name, cell, told) in ways.items():
        own = OWN.format(n=int(told) - 829_000) if told.isdigit() else ""
        write(corner.tree / "notebooks" / f"{name}.ipynb", what, own + cell)
    corner.events.write_text(long_ids(log(200, seed=seed)), encoding="utf-8")
    report, entries = run(corner)
    ends = {what: end(report, entries.get(name, {}), told) for what, (name, _, told) in ways.items()}
    faults = [
        f"a notebook that {w}: {e}" for w, e in ends.items() if e != ("published" if w == "is honest" else "stopped")
    ]
    return Proof(
        "privacy: the gate",
        "A page that tells an id, an address, a path, a secret or a group that is too small is not published.",
        len(ends), "notebooks", dict(Counter(e.split(":")[0] for e in ends.values())), faults,
        time.monotonic() - started, [{"a notebook that": w, "end": e} for w, e in ends.items()],
    )  # fmt: skip


def write(file: Path, what: str, cell: str) -> None:
    """One doctored notebook."""
    imports = "import os\nimport pandas as pd\nfrom helpers import charts\nfrom helpers.findings import show\n"
    imports += "from helpers.notebook import open_study"
    title = markdown(f"# {file.name[:2]} · Trial: a notebook that {what}\n\nYou will learn.")
    parameters = code('study_file: str = "demo"  # a study', "parameters")
    opened = code(OPEN.replace("notebook", repr(file.stem), 1))
    file.write_text(json.dumps(document(title, parameters, code(imports), opened, code(cell))), encoding="utf-8")


def long_ids(text: str) -> str:
    """The log with user ids of six digits."""
    return re.sub(r"^(\d+),", lambda m: f"{829_000 + int(m[1])},", text, flags=re.M)


def run(corner: Corner) -> tuple[Path, dict[str, dict]]:
    """The report of the corner shop, and one entry a notebook."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SMN_", "JPY_"))}
    command = [sys.executable, "-P", "-c", "from helpers.__main__ import main; main()", "reports", "corner"]
    environment |= {"SHOP_API_TOKEN": SECRET, "PYTHONPATH": str(corner.tree)}
    ran = subprocess.run(
        command, cwd=corner.tree, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    report = corner.reports / "corner"
    if not (report / "run.json").is_file():
        raise RuntimeError(f"no report was made: {(ran.stdout + ran.stderr)[-300:]!r}")
    entries = json.loads((report / "run.json").read_text(encoding="utf-8"))["notebooks"]
    return report, {e["name"]: e for e in entries}


def end(report: Path, entry: dict, told: str) -> str:
    """'stopped' where the gate did it, 'published' where the page is there; else what went wrong."""
    files = [f for f in report.rglob("*") if f.is_file()]
    if told and (leaky := [f.name for f in files if told in f.name or any(told in t for t in texts(f))]):
        return f"told: in {', '.join(sorted(leaky))}"
    if entry.get("status") == "rendered":
        return "published"
    reason = entry.get("reason", "nothing")
    return "stopped" if GATE.search(reason) else f"not tried: {reason}"
