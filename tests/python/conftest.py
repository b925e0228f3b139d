import pytest

import apollo_lm as apollo
from helpers import run_command, tiny_config


@pytest.fixture(autouse=True)
def quiet_log():
    apollo.set_log_level("quiet")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A config, and the folder of its run, trained by the command."""
    folder = tmp_path_factory.mktemp("whole")
    config = tiny_config(folder)
    (folder / "run.toml").write_text(apollo._config.to_toml(config))
    run_command("train", folder / "run.toml", "--out", folder / "command")
    return config, folder / "command"
