"""What meets a run in its process: callbacks, signals, threads, forks, another torch."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

torch = pytest.importorskip("torch")

import apollo_lm as apollo
from apollo_lm._engine_loader import check_torch_version
from helpers import losses, run_python, weights


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


def test_interrupted_at_any_moment_it_loses_nothing(whole, tmp_path):
    config, command = whole
    code = f"""
import os, signal, threading
import apollo_lm as apollo

apollo.set_log_level("quiet")
config, out = {config!r}, {str(tmp_path / "out")!r}
interrupts = 0
for attempt in range(12):
    # From the import of torch on, which the first one meets.
    timer = threading.Timer(0.02 * attempt, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        apollo.train(config, out)
        timer.join()
    except KeyboardInterrupt:
        interrupts += 1
print(interrupts, apollo.train(config, out).finished)
"""
    found = run_python(code)
    assert (found.stdout, found.returncode) == ("12 True\n", 0), found.stderr
    assert weights(tmp_path / "out") == weights(command)
    assert losses(tmp_path / "out") == losses(command)


@pytest.mark.parametrize("moment", [0.02, 0.2, 0.5, 1.0, 2.0, 4.0])
def test_an_interrupted_import_ends_the_process_in_order(moment):
    code = "import apollo_lm; apollo_lm.Model('nowhere')"
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", code], stderr=subprocess.PIPE, text=True
    )
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=300)[1]
    assert process.returncode in (1, -signal.SIGINT), said
    assert "Fatal Python error" not in said
    assert process.returncode != 1 or "CheckpointError" in said


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


def test_a_process_forked_before_anything_was_computed_computes(whole, tmp_path):
    config, command = whole
    code = f"""
import os
import apollo_lm as apollo
from apollo_lm._engine_loader import engine

apollo.set_log_level("quiet")
apollo.Tokenizer("bytes").encode_batch(["a", "b"], threads=2)
engine()
child = os.fork()
run = apollo.train({config!r}, {str(tmp_path)!r} + ("/child" if child == 0 else "/parent"))
if child == 0:
    os._exit(0 if run.finished else 3)
print(os.waitpid(child, 0)[1])
"""
    found = run_python(code)
    assert (found.stdout, found.returncode) == ("0\n", 0), found.stderr
    assert weights(tmp_path / "child") == weights(tmp_path / "parent") == weights(command)


def test_a_thread_that_computes_when_the_interpreter_ends_is_stopped_and_saved(whole, tmp_path):
    config, command = whole
    code = f"""
import threading
import apollo_lm as apollo

apollo.set_log_level("quiet")
begun = threading.Event()

def on_step(row):
    if row["step"] == 3:
        begun.set()

run = lambda: apollo.train({config!r}, {str(tmp_path / "out")!r}, on_step)
threading.Thread(target=run, daemon=True).start()
begun.wait()
"""
    found = run_python(code)
    assert (found.returncode, found.stderr) == (0, "")
    assert 3 <= len(apollo.Run(tmp_path / "out").row_list("step")) <= 24
    assert apollo.train(config, tmp_path / "out").finished
    assert weights(tmp_path / "out") == weights(command)


def found_with(path: pathlib.Path) -> str:
    """What the package says to a call of its engine, where `path` comes first."""
    code = """
import apollo_lm as apollo
try:
    apollo.Model("nowhere")
except apollo.TorchMismatchError as error:
    print(error)
print(apollo.Tokenizer("bytes").encode("a").tolist())
"""
    found = run_python(code, env={**os.environ, "PYTHONPATH": f"{path}:{os.environ['PYTHONPATH']}"})
    assert found.returncode == 0, found.stderr
    said, rest = found.stdout.rsplit("\n", 2)[:2]
    assert rest == "[97]"  # what needs no torch goes on
    return said


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("__version__ = '2.10.1+cpu'", r"was built for torch 2\.\d+\.\d, found torch 2\.10\.1\+cpu\n  hint: build"),
        ("raise ImportError('no libcudart')", r"cannot be imported: no libcudart\n  hint: pip install torch"),
    ],
)
def test_another_torch_is_refused(source, expected, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text(source)
    assert re.search(expected, found_with(tmp_path))


def test_a_torch_without_the_symbols_is_refused(tmp_path):
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    package = shutil.copytree(
        pathlib.Path(apollo.__file__).parent, tmp_path / "apollo_lm", symlinks=True,
        ignore=lambda folder, names: {"__pycache__"},
    )
    engine = next(package.glob("_engine.*"))
    engine.unlink()
    source = tmp_path / "engine.c"
    source.write_text("void gone(void);\nvoid (*const needed)(void) = gone;\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", engine, source], check=True)
    expected = rf"does not fit torch {re.escape(torch.__version__)}: .*undefined symbol: gone\n  hint: build it again"
    assert re.search(expected, found_with(tmp_path))


def test_versions_of_torch_are_told_apart():
    check_torch_version(torch.__version__)
    with pytest.raises(apollo.TorchMismatchError, match=r"found torch 2\.5\.1\+cu118\n  hint: build it"):
        check_torch_version("2.5.1+cu118")
