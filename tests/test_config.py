"""monitor.toml: what is not understood is an error that helps; what is shown can be read back."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from monitor.config import ConfigError, Settings, dump, load_settings


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "monitor.toml"
    path.write_text(text)
    return path


def problems(path: Path | None, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, options)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alert_budgt = 3", "alert_budgt: unknown key; did you mean 'alert_budget'?"),
        ("[flows]\nudpp = 3", "flows.udpp: unknown key; did you mean 'udp'?"),
        ("[flow]\nudp = 3", "flow: unknown key; did you mean 'flows'?"),
        ("[flows]\nqqqq = 3", "flows.qqqq: unknown key; valid here: tcp_attempt"),
        ("[flows]\ntcp_idle = -1", "flows.tcp_idle: input should be greater than or equal to 0"),
        ("[flows]\nmax_flows = 'many'", "flows.max_flows: input should be a valid integer"),
        ("flows = 3", "flows: "),
        ("home_networks = ['10.1.2.3/16']", "10.1.2.3/16 has bits set beyond its prefix; did you mean 10.1.0.0/16?"),
        ("home_networks = ['office']", "home_networks[0]: 'office' is not a network"),
        ("home_networks = [7]", "home_networks[0]: a network is written as text"),
        ("sensor = 'a b'", "sensor: must be a name of letters"),
        ("[zones]\n'a b' = []", "zones.a b: must be a name"),
        ("[[conduits]]\nfrom = 'lgwan'\nto = 'internet'", "conduit names the unknown zone 'lgwan'"),
        ("[zones]\nlgwan = []\n[[conduits]]\nfrom = 'lgwam'\nto = 'home'", "did you mean 'lgwan'?"),
        ("[zones]\nlgwan = []\n[[conduits]]\nfrm = 'lgwan'\nto = 'home'", "[0].frm: unknown key; did you mean 'from'?"),
        ("[metrics]\nport = 70000", "metrics.port: input should be less than or equal to 65535"),
        ("sensor = ", "not valid TOML: Invalid value (at "),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    lines = problems(path)
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert any(said in line for line in lines), lines


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(problems(written(tmp_path, "alert_budgt = 3\n[flows]\nudpp = 1\nicmp = 'x'"))) == 3


def test_a_missing_file_is_an_error_when_it_was_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.toml") == [f"{tmp_path}/none.toml: cannot be read: No such file or directory"]


def test_without_a_file_all_is_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings() == Settings()
    assert Settings().alert_budget == 10
    assert (Settings().flows.tcp_idle, Settings().flows.active) == (300, 1800)


def test_the_environment_wins_over_the_file_and_options_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "sensor = 'file'\n[store]\nurl = 'chdb:///file'\n[flows]\nudp = 1\nicmp = 2")
    monkeypatch.setenv("MONITOR_STORE__URL", "chdb:///environment")
    monkeypatch.setenv("MONITOR_FLOWS__UDP", "7")
    monkeypatch.setenv("MONITOR_HOME_NETWORKS", "203.0.113.0/24, 2001:db8::/32")
    settings = load_settings(path, {"store.url": "chdb:///option", "model.path": None})
    assert (settings.sensor, settings.store.url) == ("file", "chdb:///option")
    assert (settings.flows.udp, settings.flows.icmp) == (7, 2)
    assert [str(network) for network in settings.home_networks] == ["203.0.113.0/24", "2001:db8::/32"]
    assert settings.model.path == "default"


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_FLOWS__UDP", "soon")
    assert problems(written(tmp_path, ""))[0].startswith(
        "environment: MONITOR_FLOWS__UDP: input should be a valid number"
    )


def test_what_is_dumped_reads_back_equal(tmp_path: Path) -> None:
    settings = load_settings(
        written(
            tmp_path,
            """
sensor = "edge-1"
alert_budget = 2.5
home_networks = ["203.0.113.0/24"]
[flows]
keep_query = true
[store]
password_file = "/run/secrets/store"
[zones]
lgwan = ["10.2.0.0/16"]
"my.number" = ["10.1.0.0/16", "fd00:1::/32"]
[[conduits]]
from = "lgwan"
to = "internet"
via = ["10.2.0.9/32"]
ports = [443]
""",
        )
    )
    text = dump(settings)
    assert Settings.model_validate(tomllib.loads(text)) == settings
    assert Settings.model_validate_json(dump(settings, "json")) == settings


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().flows.udp = 1


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from sections(field.annotation)


def test_every_setting_says_what_it_is() -> None:
    for section in sections(Settings):
        for name, field in section.model_fields.items():
            documented = field.description or (isinstance(field.annotation, type) and field.annotation.__doc__)
            assert documented, f"{section.__name__}.{name}"
