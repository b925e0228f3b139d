import pytest

import apollo_lm as apollo


@pytest.fixture(autouse=True)
def quiet_log():
    apollo.set_log_level("quiet")
