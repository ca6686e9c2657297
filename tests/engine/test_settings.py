from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_ds2net.engine import EngineSettings, load_settings, save_settings
from napari_ds2net.engine.settings import log_folder, settings_path
from napari_ds2net.errors import SettingsError

SERVER = EngineSettings(
    scheduler_address="tls://gpu-server:8786",
    tls_ca_file="/keys/ca.pem",
    tls_cert_file="/keys/me.pem",
    tls_key_file="/keys/me.key",
    memory_limit_gb=8,
    threads=4,
    nice=10,
    preload=False,
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert load_settings() == EngineSettings()
    path = save_settings(SERVER)
    assert load_settings() == SERVER
    assert path == settings_path() == tmp_path / "ds2net-home" / "engine.json"
    assert save_settings(EngineSettings()) == path
    assert load_settings() == EngineSettings()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_without_a_home_folder_of_its_own_it_uses_the_systems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DS2NET_HOME")
    assert "napari-ds2net" in str(settings_path())
    assert "napari-ds2net" in str(log_folder())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"scheduler_address": "gpu-server"}, "tls://gpu-server:8786"),
        ({"scheduler_address": "http://gpu-server:80"}, "tcp://"),
        ({"scheduler_address": "tls://gpu-server:8786"}, "certificate"),
        ({"scheduler_address": ""}, "text"),
        ({"memory_limit_gb": 0.1}, "0.5"),
        ({"memory_limit_gb": "8"}, "a number"),
        ({"threads": 0}, "1 or more"),
        ({"threads": True}, "whole number"),
        ({"nice": 20}, "0 to 19"),
        ({"nice": None}, "whole number"),
        ({"preload": 1}, "true or false"),
    ],
)
def test_what_makes_no_sense_is_told_with_what_would(values: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        EngineSettings(**values)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "cannot be read"),
        ("[1]", "expected a JSON object"),
        ('{"speed": 9}', "speed"),
        ('{"threads": 1.5}', "threads"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_file_of_something_else_is_told_with_its_name(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "engine.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=named):
        load_settings(path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be written"):
        save_settings(EngineSettings(), tmp_path / "file" / "engine.json")
