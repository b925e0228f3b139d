"""The examples of docs/python.md and its notebook, run as they stand."""

import contextlib
import io
import pathlib
import re
import sys
import types

import pytest

from helpers import made_up_text

pytest.importorskip("torch")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def blocks_of(page: pathlib.Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


class Recorder(types.ModuleType):
    """Stands for a tracker that is not installed: keeps what is logged."""

    def __init__(self, name):
        super().__init__(name)
        self.logged = []

    def init(self, project, config):
        return contextlib.nullcontext(self)

    def log(self, values, step):
        self.logged.append((step, values))

    def start_run(self):
        return contextlib.nullcontext()

    def log_metric(self, key, value, step):
        self.logged.append((step, {key: value}))


def test_the_examples_run_in_their_order(tmp_path, monkeypatch):
    for package in ("datasets", "plotly", "pyarrow", "transformers", "accelerate", "pandas"):
        pytest.importorskip(package)
    import pyarrow
    import pyarrow.parquet

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "my.txt").write_text(made_up_text(6000))
    pyarrow.parquet.write_table(pyarrow.table({"text": ["one", "two"]}), "my.parquet")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    trackers = {name: Recorder(name) for name in ("wandb", "mlflow")}
    for name, module in trackers.items():
        monkeypatch.setitem(sys.modules, name, module)
    blocks = blocks_of(ROOT / "docs/python.md")
    assert len(blocks) == 5
    assert sum(1 for line in blocks[0].splitlines() if line.strip()) <= 30
    names = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, "docs/python.md", "exec"), names)
    assert names["run"].finished and (tmp_path / "loss.html").is_file()
    assert len(names["model"].transformer.h) == 12 and "12 layers" in printed.getvalue()
    for module in trackers.values():
        assert len([step for step, values in module.logged if "loss" in values]) == 60
        assert any("valid" in key for _, values in module.logged for key in values)


def test_the_notebook_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    for package in ("ipykernel", "datasets", "plotly", "pandas", "transformers"):
        pytest.importorskip(package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "my.txt").write_text(made_up_text(6000))
    notebook = nbformat.read(ROOT / "examples/python.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in shown for kind in output.get("data", {})}
    assert "text/html" in kinds  # the report, inline
    assert not [output for output in shown if output.output_type == "error"]
