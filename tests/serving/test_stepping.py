import pytest

from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.engine import Engine
from voiceagent.serving.stepping import SteppingEngine


@pytest.mark.parametrize("engine", [Engine, EchoEngine])
def test_every_engine_has_what_the_hub_asks(engine):
    asked = {name for name in vars(SteppingEngine) if not name.startswith("_")}
    assert asked >= {"open_session", "prepare", "step", "close"}
    assert asked <= set(dir(engine))
