"""What computes with torch: the bits of the command, runs, models, growth, fine-tuning."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import apollo_lm as apollo
from helpers import losses, run_command, tiny_config, weights


def test_gives_the_bits_of_the_command(whole, tmp_path):
    config, command = whole
    steps, evaluations = [], []
    run = apollo.train(config, tmp_path / "python", steps.append, evaluations.append)
    assert weights(run) == weights(command)
    assert losses(run) == losses(command)
    assert run.finished
    assert steps == run.row_list("step") and evaluations == run.row_list("eval")
    assert (run.folder / "report.html").is_file()
    again = []
    assert apollo.train(config, run, again.append).finished
    assert again == []


def test_errors_are_the_commands(whole, tmp_path):
    config, command = whole
    wrong = {**config, "train": {**config["train"], "lr": 2e-2}}
    shutil.copytree(command, tmp_path / "copy", symlinks=True)
    with pytest.raises(apollo.ConfigError, match="was started with other values"):
        apollo.train(wrong, tmp_path / "copy")
    with pytest.raises(apollo.ConfigError, match="config:.*unknown key 'lrr'"):
        apollo.train({**config, "train": {"lrr": 1}}, tmp_path / "out")
    hot = {**config, "train": {**config["train"], "lr": 1e30, "warmup": "0 steps", "clip": 0.0}}
    with pytest.raises(apollo.DivergedError, match="expected a finite loss"):
        apollo.train(hot, tmp_path / "hot")
    with pytest.raises(apollo.CheckpointError):
        apollo.Model(tmp_path)
    with pytest.raises(apollo.CheckpointError, match="no checkpoint yet"):
        apollo.Run(tmp_path).checkpoint
    with pytest.raises(apollo.CheckpointError, match="no best checkpoint"):
        apollo.Run(tmp_path).best
    with pytest.raises(apollo.DataError, match="no such file"):
        apollo.Run(tmp_path).row_list()
    with pytest.raises(apollo.ConfigError, match="config:2:8: error: task.kind must be"):
        apollo.finetune(command, "[task]\nkind = 'both'")
    with pytest.raises(apollo.UsageError, match="physical|device"):
        apollo.Model(command, device="tpu")
    assert issubclass(apollo.DivergedError, apollo.ApolloError)


def test_a_run_shows_what_it_left(whole):
    _, folder = whole
    run = apollo.Run(folder)
    pandas = pytest.importorskip("pandas")
    table = run.rows("step")
    assert isinstance(table, pandas.DataFrame)
    assert table["loss"].tolist() == losses(folder)
    assert run.rows("grow")["to"].tolist() == [3, 6, 12]
    with open(run.folder / "metrics.jsonl", "a") as file:
        file.write('{"event":"step","half')
    assert len(run.row_list("step")) == 24
    os.truncate(run.folder / "metrics.jsonl", os.path.getsize(run.folder / "metrics.jsonl") - 21)
    page = run.report()
    assert "<html" in page.html.lower() and "srcdoc=" in page._repr_html_()


def test_runs_are_compared(whole, tmp_path):
    config, command = whole
    scratch = apollo.train(
        {**config, "run": {**config["run"], "name": "scratch"}, "progressive": {"method": "scratch"}},
        tmp_path / "scratch",
    )
    found = apollo.Run(command).compare(scratch)
    said = run_command("compare", command, scratch.folder, "--json").stdout
    assert found.data == json.loads(said)
    assert str(found) == run_command("compare", command, scratch.folder).stdout
    assert found.save(tmp_path / "page.html").read_text() == found.html
    with pytest.raises(apollo.UsageError):
        apollo.compare([command])


def test_weights_and_models_are_those_of_the_folder(whole):
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import load_file

    run = apollo.Run(whole[1])
    state, saved = run.state_dict(), load_file(run.checkpoint / "model.safetensors")
    for name, tensor in saved.items():
        assert torch.equal(state[name], tensor), name
    model = run.model()
    assert isinstance(model, transformers.GPT2LMHeadModel)
    text = "the rain"
    ids = apollo.Tokenizer(run.checkpoint).encode(text)
    logits = model(torch.from_numpy(np.concatenate([[256], ids]).astype(np.int64))[None]).logits[0]
    expected = logits.log_softmax(-1)[torch.arange(len(ids)), torch.from_numpy(ids).long()]
    scores = apollo.score(run, [text])[0]
    assert scores.tokens == list(text)
    np.testing.assert_allclose(scores.logprobs, expected.detach().numpy(), atol=2e-5)
    assert scores.total == pytest.approx(sum(scores.logprobs))


def test_models_answer_as_the_command(whole, tmp_path):
    config, folder = whole
    model = apollo.Model(folder, threads=1)
    assert (model.shape["layers"], model.shape["architecture"]) == (12, "gpt2")
    text = model.generate("the ", max_tokens=20, temperature=0.7, top_k=9, seed=4)
    said = run_command(
        *("generate", folder, "--prompt", "the ", "--max-tokens", 20, "--temperature", 0.7),
        *("--top-k", 9, "--seed", 4, "--threads", 1),
    ).stdout
    assert "the " + text + "\n" == said
    apollo.prepare(pathlib.Path(config["data"]["base_dir"]) / "valid.txt", "bytes", tmp_path / "valid")
    expected = json.loads(
        run_command("eval", folder, "--data", tmp_path / "valid", "--json", "--threads", 1).stdout
    )
    assert model.evaluate(tmp_path / "valid") == expected
    (tmp_path / "lines.txt").write_text("ab cd\nthe\n")
    said = run_command("score", folder, tmp_path / "lines.txt", "--json", "--threads", 1).stdout
    for line, found in zip(said.splitlines(), model.score(["ab cd", "the"]), strict=True):
        assert json.loads(line) == {"tokens": found.tokens, "logprobs": found.logprobs}
    with pytest.raises(apollo.UsageError, match=r"hint: \[text\]"):
        model.score("ab")
    with pytest.raises(apollo.UsageError, match="unique layers"):
        model.generate("a", depth=3)


def test_tensors_outlive_their_model(whole):
    state = apollo.Model(whole[1]).state_dict()
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert torch.equal(state["transformer.wte.weight"], apollo.Run(whole[1]).state_dict()["transformer.wte.weight"])


def test_grows_folders_and_state_dicts_alike(whole, tmp_path):
    config, _ = whole
    small = apollo.train(
        config, tmp_path / "small", lambda row: row["step"] < 8, overrides={"checkpoint.every": "4 steps"}
    )
    for map in ("interpolate", "stack"):
        apollo.grow(small.checkpoint, 6, map, tmp_path / map)
        expected = apollo.Model(tmp_path / map).state_dict()
        found = apollo.grow(small.state_dict(), 6, map)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    with pytest.raises(apollo.UsageError, match="out, the folder"):
        apollo.grow(small.checkpoint, 6)
    apollo.export(small.checkpoint, tmp_path / "plain", depth=5)
    assert apollo.Model(tmp_path / "plain").shape["layers"] == 5


def test_finetunes_as_the_command(whole, tmp_path):
    rows = "text\tlabel\n" + "".join(f"{'aa' if i % 2 else 'tt'} word {i}\t{i % 2}\n" for i in range(40))
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / name).write_text(rows)
    task = {
        "task": {"name": "letters", "train": ["train.tsv"], "dev": ["dev.tsv"], "base_dir": str(tmp_path)},
        "train": {"lr": [1e-2], "epochs": [1], "seeds": [1], "batch_size": 8},
    }
    found = apollo.finetune(whole[1], task, tmp_path / "python", device="cpu", threads=1)
    path = tmp_path / "task.toml"
    path.write_text(apollo._config.to_toml(task))
    said = run_command(
        "finetune", whole[1], path, "--out", tmp_path / "command", "--json", "--threads", 1,
        "--device", "cpu",
    ).stdout
    assert pathlib.Path(found.pop("out")) == tmp_path / "python"
    expected = json.loads(said)
    for results in (found, expected):
        for run in results["runs"]:
            run.pop("seconds", None)
    assert found == expected
    model = "model/model.safetensors"
    assert (tmp_path / "python" / model).read_bytes() == (tmp_path / "command" / model).read_bytes()
