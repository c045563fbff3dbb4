"""Every notebook is built alike: names agree, cells are short, outputs are stripped but for the checked ones."""

from __future__ import annotations

import ast
import re

import pytest

from helpers.report.collection import NOTEBOOKS, Notebook, all_notebooks, tags
from helpers.report.markup import Prose
from helpers.study import ROOT
from helpers.tables import NEEDS

PARTS = {"1": "intake", "2": "behaviour", "3": "customers", "4": "products", "5": "campaigns", "6": "summary"}
COLLECTION = all_notebooks()
EVERY = pytest.mark.parametrize("notebook", COLLECTION, ids=lambda n: n.name)
CHECKED = {"keep_output", "nbval-check-output"}


def trees(notebook: Notebook) -> list[ast.Module]:
    return [ast.parse(c["source"]) for c in notebook.cells("code")]


def test_all_files_of_the_folder_are_notebooks_of_the_collection() -> None:
    assert {p.name for p in NOTEBOOKS.iterdir() if p.name[0] != "."} == {n.path.name for n in COLLECTION}
    assert {n.name for n in COLLECTION} <= set(NEEDS)
    assert len({n.number for n in COLLECTION}) == len(COLLECTION)


@EVERY
def test_the_module_and_its_test_have_the_same_name(notebook: Notebook) -> None:
    if notebook.number == "00":
        return
    part, name = PARTS[notebook.number[0]], notebook.name.partition("_")[2]
    assert (ROOT / "helpers" / part / f"{name}.py").is_file()
    assert (ROOT / "tests" / part / f"test_{name}.py").is_file()
    # notebook 10 may import intake's one public module only; all others import their own part
    assert part in notebook.parts


@EVERY
def test_the_title_asks_a_question(notebook: Notebook) -> None:
    first = notebook.content["cells"][0]
    assert first["cell_type"] == "markdown" and first["source"].startswith(f"# {notebook.number} · ")
    assert notebook.question.endswith("?") and len(notebook.question) <= 120


@EVERY
def test_it_has_between_20_and_50_cells_with_ids_of_their_own(notebook: Notebook) -> None:
    cells = notebook.content["cells"]
    assert 20 <= len([c for c in cells if "check" not in tags(c)]) <= 50  # self-checks do not count
    assert len({c["id"] for c in cells}) == len(cells)
    assert (notebook.content["nbformat"], notebook.content["nbformat_minor"]) == (4, 5)
    assert notebook.content["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook.content["metadata"]["language_info"]["name"] == "python"


@EVERY
def test_one_parameters_cell_whose_every_parameter_has_a_meaning_and_limits(notebook: Notebook) -> None:
    parameters = notebook.parameters
    assert next(iter(parameters)) == "study_file" and parameters["study_file"].default == "demo"
    assert all(p.meaning for p in parameters.values())
    assert all(p.allowed for p in parameters.values() if p.type in ("int", "float"))


@EVERY
def test_code_cells_are_short_and_define_nothing(notebook: Notebook) -> None:
    for cell in notebook.cells("code"):
        # comments, and lines that only close brackets, do not count
        lines = [x for x in cell["source"].splitlines() if re.search(r"\w", x) and not x.lstrip().startswith("#")]
        assert "parameters" in tags(cell) or len(lines) <= 10, cell["id"]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Global)
    assert not [n for tree in trees(notebook) for n in ast.walk(tree) if isinstance(n, kinds)]


@EVERY
def test_imports_stand_in_one_cell_before_the_parameters(notebook: Notebook) -> None:
    imports = [any(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(t)) for t in trees(notebook)]
    place = [i for i, c in enumerate(notebook.cells("code")) if "parameters" in tags(c)]
    assert imports[0] and sum(imports) == 1 and place == [1]


@EVERY
def test_no_shell_no_path_no_filter(notebook: Notebook) -> None:
    code = "\n".join(c["source"] for c in notebook.cells("code"))
    assert not re.search(r"^\s*[!%]|sys\.path|filterwarnings|simplefilter|pip install|/home/|C:\\", code, flags=re.M)


@EVERY
def test_it_opens_its_own_study_first(notebook: Notebook) -> None:
    third = notebook.cells("code")[2]["source"]
    assert f'study = open_study(study_file, "{notebook.name}")' in third


@EVERY
def test_only_checked_cells_have_outputs_and_all_have_counts(notebook: Notebook) -> None:
    cells = notebook.cells("code")
    assert all(set(tags(c)) >= CHECKED for c in cells if c["outputs"])
    assert all(c["outputs"] for c in cells if CHECKED & set(tags(c)))
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    assert any(set(tags(c)) >= CHECKED for c in cells)


@EVERY
def test_kept_outputs_are_text_without_paths(notebook: Notebook) -> None:
    outputs = [o for c in notebook.cells("code") for o in c["outputs"]]
    assert all(o["output_type"] != "error" for o in outputs)
    assert all(set(o.get("data", {})) <= {"text/plain", "text/html"} for o in outputs)
    assert not re.search(r"/(?:home|root|tmp|Users|work)/", str(outputs))


@EVERY
def test_every_exercise_has_its_solution(notebook: Notebook) -> None:
    cells = notebook.content["cells"]
    start = next(i for i, c in enumerate(cells) if re.search(r"^## Exercises", c["source"], flags=re.M))
    words = "\n".join(c["source"] for c in cells[start:] if c["cell_type"] == "markdown")
    exercises = re.findall(r"^\*\*(?:Exercise )?\d\.\*\*", words.partition("## Exercises")[2], flags=re.M)
    solutions = [i for i, c in enumerate(cells) if "solution" in tags(c)]
    assert 2 <= len(exercises) == len(solutions) <= 4
    assert all(i > start and cells[i]["cell_type"] == "code" for i in solutions)
    assert all(cells[i - 1]["cell_type"] == "markdown" for i in solutions)


def assigned(tree: ast.Module) -> set[str]:
    """The names that a cell gives."""
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def used(tree: ast.Module) -> set[str]:
    """The names that a cell reads."""
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


@EVERY
def test_a_self_check_follows_every_solution(notebook: Notebook) -> None:
    cells = notebook.content["cells"]
    solutions = [i for i, c in enumerate(cells) if "solution" in tags(c)]
    checks = [i for i, c in enumerate(cells) if "check" in tags(c)]
    assert checks == [i + 1 for i in solutions] and all(cells[i]["cell_type"] == "code" for i in checks)


@EVERY
def test_a_self_check_asks_for_the_name_that_its_exercise_gives(notebook: Notebook) -> None:
    cells = notebook.content["cells"]
    checks = [i for i, c in enumerate(cells) if "check" in tags(c)]
    for number, i in enumerate(checks, start=1):
        solution, check = ast.parse(cells[i - 1]["source"]), ast.parse(cells[i]["source"])
        before = [ast.parse(c["source"]) for c in cells[: i - 1] if c["cell_type"] == "code"]
        names = (assigned(solution) - set().union(*map(assigned, before))) & used(check)
        assert names and all(f"`{n}`" in cells[i - 2]["source"] for n in names), (cells[i]["id"], names)
        (block,) = check.body
        assert isinstance(block, ast.With) and ast.unparse(block.items[0]) == f"exercise({number})"
        assert 2 <= len(block.body) <= 4 and all(isinstance(a, ast.Assert) and a.msg for a in block.body)


@EVERY
def test_it_has_its_sections_in_order(notebook: Notebook) -> None:
    text = "\n".join(c["source"] for c in notebook.cells("markdown"))
    headings = re.findall(r"^## (.+)$", text, flags=re.M)
    wanted = ["Hand check", "Against the truth", "Findings", "What this does not show", "Exercises", "References"]
    assert [h for h in headings if h in wanted] == wanted
    assert "you will learn" in text.lower()


@EVERY
def test_every_formula_can_be_shown_and_every_link_leads_somewhere(notebook: Notebook) -> None:
    prose = Prose(pages={n.name for n in COLLECTION})
    for cell in notebook.cells("markdown"):
        prose.render(cell["source"])
        for url in re.findall(r"\]\(([^)\s]+)\)", cell["source"]):
            local = re.fullmatch(r"(?:\./)?(\d\d_[a-z0-9_]+)\.ipynb(?:#.*)?", url)
            assert prose.link(url) or (local and local[1] in NEEDS), url
    assert prose.faults == []


@EVERY
def test_the_last_line_leads_to_its_neighbours(notebook: Notebook) -> None:
    names = [n.name for n in COLLECTION]
    at = names.index(notebook.name)
    last = notebook.cells("markdown")[-1]["source"].splitlines()[-1]
    before = [f"Previous: {title(COLLECTION[at - 1])}"] if at else []
    after = [f"Next: {title(COLLECTION[at + 1])}"] if at + 1 < len(names) else [f"Start: {title(COLLECTION[0])}"]
    assert last == " · ".join(before + after)


def title(notebook: Notebook) -> str:
    """The link to a notebook, as its neighbours write it."""
    first = notebook.cells("markdown")[0]["source"].splitlines()[0]
    return f"[{first.removeprefix('# ').partition(':')[0]}]({notebook.name}.ipynb)"
