import pytest

from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.engine import engine_client, take_in_defaults
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.local import LocalClient
from voiceagent.serving.supervisor import EngineProcess


@pytest.mark.slow
@pytest.mark.asyncio
async def test_an_engine_is_started_joined_by_its_address_and_stopped():
    process = EngineProcess(EngineConfig(num_slots=2), is_echo=True)
    async with engine_client(process) as client:
        assert (await client.status()).num_slots == 2
        async with engine_client(process.address) as another:
            assert (await another.status()).num_free == 2
    assert process.pid is None


@pytest.mark.asyncio
async def test_a_role_for_a_model_that_takes_none_is_said_and_takes_no_slot(caplog):
    async with LocalClient(EchoEngine(), model="echo") as client:
        await take_in_defaults(client, GatewayConfig(role="baker"))
        assert (await client.status()).num_free == 1
    assert "takes no role and no voice" in caplog.text
