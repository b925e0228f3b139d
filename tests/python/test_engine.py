"""What computes with torch: the bits of the command, callbacks, interruptions, models."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import apollo_lm as apollo
from apollo_lm._engine_loader import check_torch_version
from helpers import losses, run_command, tiny_config, weights


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A config, and the folder of its run, trained by the command."""
    folder = tmp_path_factory.mktemp("whole")
    config = tiny_config(folder)
    (folder / "run.toml").write_text(apollo._config.to_toml(config))
    run_command("train", folder / "run.toml", "--out", folder / "command")
    return config, folder / "command"


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


class Enough(Exception):
    pass


def raise_enough(row):
    raise Enough(row["step"])


def stop_at(step, act):
    """A callback that acts at one step."""

    def on_step(row):
        return act(row) if row["step"] == step else None

    return on_step


def interrupt(number):
    def act(row):
        # From another thread, so that the signal meets the engine and not the callback.
        thread = threading.Thread(target=os.kill, args=(os.getpid(), number))
        thread.start()
        thread.join()

    return act


@pytest.mark.parametrize(
    ("act", "expected", "reason"),
    [
        (lambda row: False, None, "stopped"),
        (raise_enough, Enough, "stopped"),
        (interrupt(signal.SIGINT), KeyboardInterrupt, None),
        (interrupt(signal.SIGTERM), SystemExit, "signal"),
    ],
    ids=["false", "exception", "sigint", "sigterm"],
)
def test_a_stopped_run_is_saved_and_goes_on(whole, tmp_path, act, expected, reason):
    config, command = whole
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    if expected is None:
        assert not apollo.train(config, tmp_path / "out", stop_at(7, act)).finished
    else:
        with pytest.raises(expected) as found:
            apollo.train(config, tmp_path / "out", stop_at(7, act))
        assert expected is not SystemExit or found.value.code == 143
        assert expected is not Enough or found.value.args == (7,)
    assert handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    run = apollo.Run(tmp_path / "out")
    assert len(run.row_list("step")) == 7
    assert reason is None or run.row_list("end")[-1]["reason"] == reason
    assert not run.finished
    assert apollo.train(config, run).finished
    assert weights(run) == weights(command)
    assert losses(run) == losses(command)


def test_an_exception_in_an_evaluation_comes_out_and_loses_nothing(whole, tmp_path):
    config, command = whole
    seen = []

    def on_eval(row):
        seen.append(row["step"])
        if len(seen) == 3:
            raise Enough("in the evaluation")

    with pytest.raises(Enough, match="in the evaluation"):
        apollo.train(config, tmp_path / "out", on_eval=on_eval)
    apollo.train(config, tmp_path / "out")
    assert weights(tmp_path / "out") == weights(command)
    evaluations = apollo.Run(tmp_path / "out").row_list("eval")
    assert [e["loss"] for e in evaluations] == [e["loss"] for e in apollo.Run(command).row_list("eval")]


def test_signals_of_the_users_own_have_their_turn(whole, tmp_path):
    config, _ = whole

    def on_alarm(number, frame):
        raise Enough("alarm")

    before = signal.signal(signal.SIGUSR1, on_alarm)
    try:
        with pytest.raises(Enough, match="alarm"):
            apollo.train(config, tmp_path / "out", stop_at(5, interrupt(signal.SIGUSR1)))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(apollo.Run(tmp_path / "out").row_list("step")) in (5, 6)


def test_the_process_lives_on_after_interrupts(whole, tmp_path):
    config, _ = whole
    code = f"""
import os, signal, threading
import apollo_lm as apollo
apollo.set_log_level("quiet")
config = {config!r}
for attempt in range(3):
    timer = threading.Timer(0.05 * attempt, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        apollo.train(config, {str(tmp_path / "out")!r})
        timer.join()
    except KeyboardInterrupt:
        pass
try:
    apollo.train(config, {str(tmp_path / "out")!r})
except KeyboardInterrupt:
    apollo.train(config, {str(tmp_path / "out")!r})
print(apollo.Run({str(tmp_path / "out")!r}).finished)
"""
    found = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert (found.stdout, found.returncode) == ("True\n", 0), found.stderr


def test_one_thread_at_a_time_computes(whole, tmp_path):
    config, command = whole
    said = []

    def other():
        try:
            apollo.train(config, tmp_path / "other")
        except apollo.UsageError as error:
            said.append(str(error))

    def on_step(row):
        # The thread of the run itself may compute.
        if row["step"] == 2:
            said.append(apollo.Model(command, threads=1).generate("a", max_tokens=2))
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()

    run = apollo.train(config, tmp_path / "out", on_step)
    assert weights(run) == weights(command)
    assert len(said) == 2 and "computes in another thread" in said[1]


def test_a_forked_process_is_refused(whole, tmp_path):
    _, command = whole
    apollo.Model(command)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            apollo.Model(command)
            os.write(writer, b"loaded")
        except apollo.UsageError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert b"forked from one in which apollo had computed" in os.read(reader, 1000)


def test_another_torch_is_refused():
    check_torch_version(torch.__version__)
    with pytest.raises(apollo.TorchMismatchError, match=r"found torch 2\.5\.1\+cu118\n  hint: build it"):
        check_torch_version("2.5.1+cu118")


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
