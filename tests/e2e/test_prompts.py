"""Role and voice with a real engine process: a whole model of random weights that takes prompts."""

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from voiceagent.audio.wav import write_wav
from voiceagent.cli import main
from voiceagent.errors import ConfigError, PromptRefused
from voiceagent.gateway.config import GatewayConfig
from voiceagent.gateway.engine import take_in_defaults
from voiceagent.gateway.server import serve
from voiceagent.serving.config import EngineConfig, SessionOptions, WorkerConfig
from voiceagent.serving.ports import EngineClient
from voiceagent.serving.supervisor import EngineProcess
from voiceagent.serving.voices import VoiceRegistry
from voiceagent.serving.worker import READY_WORD, to_arguments

pytestmark = pytest.mark.slow


def baker(name):
    """A prompt that no other test has told the engine."""
    return SessionOptions(role=f"{name} bakes bread", voice="anna")


@pytest.fixture(scope="module")
def voices(tmp_path_factory, make_speech):
    folder = tmp_path_factory.mktemp("voices")
    write_wav(folder / "anna.wav", make_speech(1.04)[0].numpy())
    VoiceRegistry(folder / "registry").add_sound("anna", folder / "anna.wav")
    return folder / "registry"


@pytest.fixture(scope="module")
def address(tmp_path_factory, promptable_folder, voices):
    """An engine process with two slots."""
    config = WorkerConfig(
        address=f"ipc://{tmp_path_factory.mktemp('engine')}/socket",
        model=str(promptable_folder),
        voices=voices,
        engine=EngineConfig(num_slots=2, device="cpu"),
        is_restart=True,
    )
    command = [sys.executable, "-m", "voiceagent.serving.worker", *to_arguments(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith(READY_WORD)
        yield config.address
        process.terminate()


@pytest.fixture
def with_engine(address):
    def run(work):
        async def main():
            async with EngineClient.connect(address) as client, asyncio.timeout(60):
                while (await client.status()).num_free != 2:
                    pass  # the test before has just hung up
                return await work(client)

        return asyncio.run(main())

    return run


async def talk(port, frames=6):
    """What the agent says to so many frames of noise, one after the other."""
    noise = np.random.default_rng(0).normal(0, 0.1, (frames, 1920)).astype(np.float32)
    answers = port.frames()
    heard = []
    for frame in noise:
        port.push(frame)
        heard.append((await anext(answers)).pcm)
    return np.stack(heard)


def test_prompt_is_told_once_and_the_next_session_hears_at_once(with_engine):
    async def work(client):
        status = await client.status()
        assert (status.is_promptable, status.voices) == (True, ("anna",))
        options = baker("anna")
        first = await client.open(options)
        assert (first.is_prompted, first.is_preparing) == (True, True)
        first.push(np.zeros(1920, np.float32))
        await first.wait_ready()
        assert (first.ended, first.early_samples) == (None, 1920)
        said = await talk(first)
        await first.close()
        second = await client.open(options)
        assert not second.is_preparing
        assert np.array_equal(await talk(second), said)
        await second.close()
        plain = await client.open()
        assert not np.array_equal(await talk(plain), said)

    with_engine(work)


def test_pending_prompt_of_one_caller_never_reaches_another(with_engine):
    async def work(client):
        alone = await client.open()
        said = await talk(alone, 20)
        await alone.close()
        first, second = await client.open(), await client.open(baker("bert"))
        assert second.is_preparing
        assert np.array_equal(await talk(first, 20), said)
        await second.wait_ready()
        assert second.ended is None

    with_engine(work)


def test_caller_who_leaves_while_the_prompt_is_told_frees_the_slot(with_engine):
    async def work(client):
        port = await client.open(baker("carl"))
        await port.close()
        while (status := await client.status()).num_free != 2:
            pass
        assert status.num_preparing == 0

    with_engine(work)


def test_voice_that_there_is_not_is_refused_with_those_there_are(with_engine):
    async def work(client):
        with pytest.raises(PromptRefused, match="no voice 'bob': there are anna"):
            await client.open(SessionOptions(voice="bob"))
        with pytest.raises(ConfigError, match="no voice 'bob'"):
            await take_in_defaults(client, GatewayConfig(voice="bob"))

    with_engine(work)


def test_defaults_of_a_server_are_taken_in_before_anybody_calls(with_engine):
    async def work(client):
        options = baker("dora")
        await take_in_defaults(client, GatewayConfig(role=options.role, voice=options.voice))
        port = await client.open(options)
        assert (port.is_prompted, port.is_preparing) == (True, False)

    with_engine(work)


def test_server_whose_model_takes_no_prompts_says_so_and_goes_on(caplog):
    async def run():
        stop = asyncio.Event()
        engine = EngineProcess(is_echo=True)
        config = GatewayConfig(port=0, role="sell bread")
        await serve(config, engine, on_ready=lambda port: stop.set(), stop=stop)

    asyncio.run(run())
    assert "takes no role and no voice" in caplog.text


def test_talk_takes_role_and_voice(capsys, tmp_path, promptable_folder, voices):
    write_wav(tmp_path / "in.wav", np.zeros(24_000, np.float32))
    arguments = ["talk", tmp_path / "in.wav", tmp_path / "out.wav", "--model", promptable_folder]
    arguments += ["--device", "cpu", "--wait", "0", "--voices", voices, "--role", "bake bread"]
    assert main([str(item) for item in [*arguments, "--voice", "anna"]]) == 0
    assert main([str(item) for item in [*arguments, "--voice", "bob"]]) == 2
    assert "no voice 'bob': there are anna" in capsys.readouterr().err
