"""One TOML file, the environment and flags -> one frozen config per room.

The only place that reads any of them. A flag wins over the environment, the environment over the
file. A file has a table per section; the environment's name of a field is ``VOICEAGENT_`` with
section and field, such as ``VOICEAGENT_GATEWAY_PORT``; a LiveKit server and its key may also stand
in the names that all of LiveKit's tools read. A key that means nothing and a value that
does not parse are errors that name their origin.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from voiceagent.errors import ConfigError
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.telephony import TelephonyConfig
from voiceagent.records.config import RecordsConfig
from voiceagent.serving.config import EngineConfig, ObserveConfig, VoicesConfig
from voiceagent.turntaking.config import TurnConfig

PREFIX = "VOICEAGENT_"
#: What LiveKit's own tools call these fields; ours win.
LIVEKIT_NAMES = {
    "LIVEKIT_URL": "livekit.url",
    "LIVEKIT_API_KEY": "livekit.api_key",
    "LIVEKIT_API_SECRET": "livekit.api_secret",
}
#: A browser demo on a laptop; the README says how many a core carries.
DEFAULT_SLOTS = 4
#: Turn-taking of sessions that name none: done where benchmarks/results/turns.jsonl shows that it
#: costs nothing, else only written down.
MEASURED_POLICY, UNMEASURED_POLICY = "on", "shadow"
_MEASURED_MODELS = ("nano",)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_Config = TypeVar("_Config")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything `voiceagent` serves with; `model` belongs to no section."""

    model: str
    engine: EngineConfig
    gateway: GatewayConfig
    records: RecordsConfig
    voices: VoicesConfig
    livekit: LiveKitConfig
    telephony: TelephonyConfig


_SECTIONS: dict[str, type] = {
    "engine": EngineConfig,
    "turns": TurnConfig,
    "observe": ObserveConfig,
    "gateway": GatewayConfig,
    "records": RecordsConfig,
    "voices": VoicesConfig,
    "livekit": LiveKitConfig,
    "telephony": TelephonyConfig,
}
#: Fields that are made of other settings.
_DERIVED = ("engine.turns", "engine.observe", "observe.num_slots")


def records_dir(environment: Mapping[str, str]) -> Path:
    """Where records lie unless a setting says otherwise: the user's data folder."""
    return _data_dir(environment) / "sessions"


def voices_dir(environment: Mapping[str, str]) -> Path:
    """Where the registered voices lie unless a setting says otherwise: beside the records."""
    return _data_dir(environment) / "voices"


def _data_dir(environment: Mapping[str, str]) -> Path:
    data = environment.get("XDG_DATA_HOME")
    base = Path(data) if data else Path(environment.get("HOME", "~")).expanduser() / ".local/share"
    return base / "voiceagent"


def default_policy(model: str) -> str:
    """Turn-taking of sessions with a model that name none."""
    return MEASURED_POLICY if model in _MEASURED_MODELS else UNMEASURED_POLICY


def load_settings(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]
) -> Settings:
    """Put all sources together.

    Args:
        file: a TOML file, or None.
        environment: of the process.
        flags: values by ``section.field``, or ``model``; None where the flag was not given.

    Raises:
        ConfigError: an unknown key, a value that does not parse or does not fit; names the origin.
    """
    layers = [_from_file(file), _from_environment(environment), _from_flags(flags)]
    model = "nano"
    for layer in layers:
        model = layer.pop("model", (model, ""))[0]
    defaults = {
        "records.dir": records_dir(environment),
        "voices.dir": voices_dir(environment),
        "engine.num_slots": DEFAULT_SLOTS,
        "engine.policy": default_policy(model),
    }
    values: _Layer = {key: (value, "the default") for key, value in defaults.items()}
    for layer in layers:
        values.update(layer)
    values["engine.turns"] = (_section(TurnConfig, "turns", values), "[turns]")
    values["engine.observe"] = (_section(ObserveConfig, "observe", values), "[observe]")
    return Settings(
        model=model,
        engine=_section(EngineConfig, "engine", values),
        gateway=_section(GatewayConfig, "gateway", values),
        records=_section(RecordsConfig, "records", values),
        voices=_section(VoicesConfig, "voices", values),
        livekit=_section(LiveKitConfig, "livekit", values),
        telephony=_section(TelephonyConfig, "telephony", values),
    )


#: Values by "section.field" with the origin to be named in errors.
_Layer = dict[str, tuple[Any, str]]


def _from_file(file: Path | None) -> _Layer:
    if file is None:
        return {}
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: no such file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: not a TOML file that can be read ({error})") from error
    layer: _Layer = {}
    for name, value in tables.items():
        if name == "model" and isinstance(value, str):
            layer["model"] = (value, str(file))
        elif name in _SECTIONS and isinstance(value, dict):
            for field, item in value.items():
                origin = f"{file}: [{name}] {field}"
                key = _known(f"{name}.{field}", origin)
                layer[key] = (_convert(name, field, item, origin), str(file))
        else:
            raise ConfigError(f"{file}: '{name}' is not known; {_sections_text()}")
    return layer


def _from_environment(environment: Mapping[str, str]) -> _Layer:
    layer: _Layer = {
        key: (environment[variable], variable)
        for variable, key in LIVEKIT_NAMES.items()
        if environment.get(variable)
    }
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        section, _, field = name.partition("_")
        if name == "model":
            layer["model"] = (text, variable)
        elif section in _SECTIONS:
            key = _known(f"{section}.{field}", variable)
            layer[key] = (_convert(section, field, text, variable), variable)
        else:
            raise ConfigError(f"{variable}: means nothing; {_sections_text()}")
    return layer


def _from_flags(flags: Mapping[str, Any]) -> _Layer:
    return {
        key: (value, f"--{key.rpartition('.')[2].replace('_', '-')}")
        for key, value in flags.items()
        if value is not None
    }


def _section(config: type[_Config], name: str, values: _Layer) -> _Config:
    mine = {
        key.removeprefix(f"{name}."): item
        for key, item in values.items()
        if key.startswith(f"{name}.")
    }
    try:
        return config(**{field: value for field, (value, _) in mine.items()})
    except ValueError as error:
        field = str(error).split(" ", 1)[0]
        origin = (
            mine[field][1] if field in mine else ", ".join(sorted({o for _, o in mine.values()}))
        )
        raise ConfigError(f"{origin}: {error}") from error


def _known(key: str, origin: str) -> str:
    section, _, field = key.partition(".")
    names = (item.name for item in dataclasses.fields(_SECTIONS[section]))
    fields = [name for name in names if f"{section}.{name}" not in _DERIVED]
    if field not in fields:
        raise ConfigError(f"{origin}: not known; [{section}] has {', '.join(fields)}")
    return key


def _sections_text() -> str:
    return f"there are model and the sections {', '.join(_SECTIONS)}"


def _convert(section: str, field: str, value: Any, origin: str) -> Any:
    """Bring a TOML value or an environment text to the field's type."""
    wanted = typing.get_type_hints(_SECTIONS[section])[field]
    try:
        return _parse(value, wanted)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{origin}: {value!r} does not fit ({error})") from error


def parse_field(config: type[Any], field: str, text: str) -> Any:
    """A text as the type that a field of a config has.

    Raises:
        TypeError: it does not fit; likewise ValueError.
    """
    return _parse(text, typing.get_type_hints(config)[field])


def _parse(value: Any, wanted: Any) -> Any:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        (inner,) = [item for item in arguments if item is not type(None)]
        return _parse(value, inner)
    if origin is typing.Literal:
        return value  # which ones there are is checked by the config
    if origin is tuple:
        return _parse_tuple(value, arguments)
    if wanted is bool:
        return _parse_bool(value)
    if isinstance(value, bool):
        raise TypeError(f"wanted {wanted.__name__}, not true or false")
    if wanted is str or wanted is Path:
        if not isinstance(value, str):
            raise TypeError("wanted a text")
        return wanted(value)
    if wanted is int and isinstance(value, float):
        raise TypeError("wanted a whole number")
    return wanted(value)


def _parse_tuple(value: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """A TOML list, or an environment text such as "a,b"."""
    items = value.split(",") if isinstance(value, str) else list(value)
    items = [item.strip() if isinstance(item, str) else item for item in items if item != ""]
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_parse(item, arguments[0]) for item in items)
    if len(items) != len(arguments):
        raise ValueError(f"wanted {len(arguments)} values")
    return tuple(_parse(item, kind) for item, kind in zip(items, arguments, strict=True))


def _parse_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError("wanted true or false")
    return text in _TRUE
