"""What works without torch: the package's import, tokenizers, data, plans."""

import doctest
import importlib
import json
import os
import pathlib

import numpy as np
import pytest

import apollo_lm as apollo
from helpers import made_up_text, run_command, run_python, tiny_config


def test_import_and_light_calls_leave_torch_alone(tmp_path):
    code = f"""
import sys
import apollo_lm as apollo
apollo.Tokenizer("bytes").encode_batch(["a", "b"])
apollo.prepare(["one", "two"], "bytes", {str(tmp_path / "out")!r})
apollo.growth.growth_map(3, 6)
apollo.plan({tiny_config(tmp_path)!r})
print([name for name in ("torch", "pandas", "transformers") if name in sys.modules])
"""
    found = run_python(code)
    assert (found.stdout, found.returncode) == ("[]\n", 0), found.stderr


@pytest.mark.parametrize("name", ["data", "planning", "tokenizer", "growth", "_config", "__init__"])
def test_examples_of_the_docstrings(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    module = apollo if name == "__init__" else importlib.import_module(f"apollo_lm.{name}")
    found = doctest.testmod(module)
    assert found.failed == 0
    assert found.attempted > 0


def test_everything_public_is_documented():
    for name in apollo.__all__:
        thing = getattr(apollo, name)
        if not callable(thing):
            continue
        assert thing.__doc__, name
        for member, value in vars(thing).items() if isinstance(thing, type) else ():
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"


def test_the_command_starts_without_the_package():
    found = run_python(
        "import sys; sys.argv = ['apollo', '--version']; import apollo_lm_command; import os\n"
        "real = os.execv\n"
        "def execv(path, words):\n"
        "    assert not any(m in sys.modules for m in ('apollo_lm', 'numpy', 'torch'))\n"
        "    real(path, words)\n"
        "os.execv = execv\n"
        "apollo_lm_command.main()"
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"apollo {apollo.__version__} (")


def test_the_command_says_which_torch_it_needs(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/version.py").write_text("__version__ = '2.10.1+cpu'\n")
    (tmp_path / "torch/__init__.py").write_text("")
    path = f"{tmp_path}:{os.environ['PYTHONPATH']}"
    found = run_python(
        "import apollo_lm_command; apollo_lm_command.main()", env={**os.environ, "PYTHONPATH": path}
    )
    assert found.returncode == 1
    assert "apollo: error: apollo-lm was built for torch" in found.stderr
    assert "found torch 2.10.1+cpu\n  hint: build it again for this one" in found.stderr


def hard_texts() -> list[str]:
    parts = ["", "don't  stop", "caf\u00e9 \u4e2d\u6587 \U0001f468\u200d\U0001f469", "\r\n\t x\u00a0y", "e\u0301"]
    return [*parts, *made_up_text(400).split("\n"), "<|endoftext|>"]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_tokenizer_equals_tokenizers(kind, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    made = apollo.Tokenizer.train(hard_texts(), 320, kind, min_frequency=1)
    made.save(tmp_path / "out")
    loaded = apollo.Tokenizer(tmp_path / "out")
    assert loaded.hash == made.hash
    original = tokenizers.Tokenizer.from_file(str(tmp_path / "out/tokenizer.json"))
    expected = [e.ids for e in original.encode_batch(hard_texts(), add_special_tokens=False)]
    for threads in (1, 3):
        found = loaded.encode_batch(hard_texts(), threads=threads)
        assert [ids.tolist() for ids in found] == expected
        assert all(ids.dtype == np.int32 for ids in found)
    ids, ends = loaded.encode_flat(hard_texts())
    assert (ids.dtype, ends.dtype) == (np.int32, np.int64)
    assert ids.tolist() == sum(expected, [])
    assert ends.tolist() == np.cumsum([len(e) for e in expected]).tolist()
    for text in hard_texts():
        assert loaded.encode(text).tolist() == original.encode(text, add_special_tokens=False).ids
    if kind == "bpe":
        assert loaded.decode(loaded.encode("caf\u00e9 x")) == "caf\u00e9 x"


def test_arrays_outlive_their_tokenizer():
    arrays = apollo.Tokenizer("bytes").encode_batch(["abc"] * 100)
    assert all(row.tolist() == [97, 98, 99] for row in arrays)
    arrays[0][0] = 1  # theirs to change
    assert arrays[0].tolist() == [1, 98, 99]


def test_tokenizer_refuses_what_is_no_text_and_no_id():
    tokenizer = apollo.Tokenizer("bytes")
    with pytest.raises(TypeError, match=r"texts\[1\] must be a str \(got int\)"):
        tokenizer.encode_batch(["a", 3])
    with pytest.raises(UnicodeEncodeError):
        tokenizer.encode_batch(["\ud800"])
    for ids in ([257], [-1], [2**40]):
        with pytest.raises(apollo.DataError):
            tokenizer.decode(ids)
    for id in (257, -1):
        with pytest.raises(apollo.DataError, match=f"found {id}"):
            tokenizer.token_bytes(id)
    with pytest.raises(TypeError):
        tokenizer.decode([1.5])
    with pytest.raises(apollo.DataError, match="nowhere"):
        apollo.Tokenizer("nowhere")
    with pytest.raises(apollo.UsageError, match="'bpe', 'wordpiece'"):
        apollo.Tokenizer.train(["a"], 300, "unigram")


def tokens_of(folder) -> bytes:
    return (pathlib.Path(folder) / "tokens.bin").read_bytes()


def test_prepare_streams_documents_as_from_files(tmp_path):
    texts = made_up_text(3000).split("\n")
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    from_file = apollo.prepare(file, "bytes", tmp_path / "file")
    from_list = apollo.prepare([file], "bytes", tmp_path / "list")
    streamed = apollo.prepare((text for text in texts), "bytes", tmp_path / "streamed", threads=2)
    assert tokens_of(tmp_path / "streamed") == tokens_of(tmp_path / "file")
    assert from_file["content_hash"] == from_list["content_hash"] == streamed["content_hash"]
    assert streamed["documents"] == sum(1 for text in texts if text)
    split = apollo.prepare(
        iter(texts), "bytes", tmp_path / "train", valid_fraction=0.1, valid_out=tmp_path / "valid"
    )
    assert split["documents"] + split["valid"]["documents"] == streamed["documents"]


def test_prepare_hands_on_what_the_iterator_raises_and_leaves_nothing(tmp_path):
    def broken():
        yield "one"
        raise LookupError("the database is gone")

    with pytest.raises(LookupError, match="the database is gone"):
        apollo.prepare(broken(), "bytes", tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        apollo.prepare(interrupting(), "bytes", tmp_path / "out")
    with pytest.raises(apollo.UsageError, match=r"document 1 must be a str \(got dict\)"):
        apollo.prepare(["a", {"text": "b"}], "bytes", tmp_path / "out")
    with pytest.raises(apollo.DataError, match="expected documents with text, found none"):
        apollo.prepare([], "bytes", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def interrupting():
    import signal

    for place in range(100000):
        if place == 50:
            os.kill(os.getpid(), signal.SIGINT)
        yield "some text " * 100


def test_prepare_does_not_take_names_of_files_for_text(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(apollo.UsageError, match="names of files"):
        apollo.prepare([str(tmp_path / "a.txt")], "bytes", tmp_path / "out")
    with pytest.raises(apollo.UsageError, match="need each other"):
        apollo.prepare(["a"], "bytes", tmp_path / "out", valid_fraction=0.5)


def test_plan_is_the_commands(tmp_path):
    config = tiny_config(tmp_path)
    path = tmp_path / "run.toml"
    path.write_text(apollo._config.to_toml(config))
    expected = json.loads(run_command("plan", path, "--json").stdout)
    assert apollo.plan(config) == expected
    assert apollo.plan(path) == expected
    assert apollo.plan(path.read_text()) == expected
    longer = apollo.plan(config, overrides={"train.duration": "30 steps"})
    assert (expected["steps"], longer["steps"]) == (24, 30)


def test_configs_are_judged_with_the_commands_words(tmp_path):
    config = tiny_config(tmp_path, train={"lrr": 1.0, "batch_size": "four"})
    path = tmp_path / "run.toml"
    path.write_text(apollo._config.to_toml(config))
    said = run_command("plan", path, check=False).stderr
    with pytest.raises(apollo.ConfigError) as found:
        apollo.plan(config)
    assert str(found.value) == said.strip().replace(str(path), "config")
    assert "unknown key 'lrr' in [train]" in said and "did you mean 'lr'" in said
    assert isinstance(found.value, (apollo.ApolloError, ValueError))
    with pytest.raises(apollo.ConfigError, match="there is no such file"):
        apollo.plan("none.toml")
    with pytest.raises(apollo.UsageError, match="'model' must be a section"):
        apollo.plan({"model": 3})


def test_toml_of_a_dict_reads_back():
    import tomllib

    config = {
        "run": {"name": 'quotes " and \\ and \x7f and \u00e9\n', "seed": np.int64(3)},
        "train": {"lr": 1e-05, "betas": (0.9, 0.95), "clip": 1.0, "none": None},
        "progressive": {"stages": [{"layers": 1, "until": "5%"}, {"layers": 2}], "off": False},
    }
    assert tomllib.loads(apollo._config.to_toml(config)) == {
        "run": {"name": config["run"]["name"], "seed": 3},
        "train": {"lr": 1e-05, "betas": [0.9, 0.95], "clip": 1.0},
        "progressive": {"stages": [{"layers": 1, "until": "5%"}, {"layers": 2}], "off": False},
    }
