"""An executed notebook to hand on: nothing of the machine in it, everything else kept."""

from __future__ import annotations

from helpers.report.export import cleaned
from tests.report.cells import code, document


def test_paths_go_from_parameters_and_outputs_and_the_rest_stays() -> None:
    printed = {"output_type": "stream", "name": "stdout", "text": "read /data/li/shop/events.csv\n0.5 /month"}
    table = {"output_type": "execute_result", "metadata": {}, "data": {"text/plain": ["at /data/li/x.csv\n", "1"]}}
    cells = [code('study_file = "/data/li/shop.yaml"\nrows = 3', "injected-parameters"), code("1", outputs=[printed])]
    made = cleaned(document(*cells, code("2", outputs=[table])), study="shop", words={"/data/li"})
    assert made["cells"][0]["source"] == 'study_file = "shop"\nrows = 3'
    assert made["cells"][1]["outputs"][0]["text"] == "read events.csv\n0.5 /month"
    assert made["cells"][2]["outputs"][0]["data"]["text/plain"] == "at x.csv\n1"
    assert "/data/li" not in str(made) and made["metadata"]["kernelspec"]["name"] == "python3"
