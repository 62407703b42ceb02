"""Fixtures that several rooms share: one thread, fixed seeds, the embedded model, tiny decoders,
a real LiveKit.
"""

import http.server
import json
import threading

import pytest
import pytest_asyncio
import torch
from voiceagent_codec.base import CodeSpace
from voiceagent_codec.nano import NanoCodec

from voiceagent.errors import LiveKitUnavailable
from voiceagent.gateway.phone import entrance
from voiceagent.model.checkpoint import ModelFolder, open_model
from voiceagent.model.config import DecoderConfig, DepthConfig, TransformerConfig
from voiceagent.model.decoder import Decoder
from voiceagent.testing.livekit_stack import LiveKitStack, Programs
from voiceagent.testing.random_moshi import TINY_MIMI, TINY_PERSONAPLEX, write_random_moshi


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture(scope="session")
def nano() -> ModelFolder:
    return open_model("nano")


@pytest.fixture(scope="session")
def nano_codec(nano: ModelFolder) -> NanoCodec:
    return nano.load_codec(with_agent_encoder=True)


@pytest.fixture(scope="session")
def nano_decoder(nano: ModelFolder) -> Decoder:
    return nano.load_decoder()


def moshi_like_config(**changes: object) -> DecoderConfig:
    """Moshi's shape at toy size: acoustic delay, weights per codebook, its own voice fed back."""
    values = {
        "text_cardinality": 19,
        "initial_text": 19,
        "agent": CodeSpace(3, 11),
        "user": CodeSpace(3, 11),
        "agent_delays": (0, 1, 1),
        "user_delays": (0, 1, 1),
        "initial_agent_codes": (11, 11, 11),
        "initial_user_codes": (11, 11, 11),
        "context": 9,
        "temporal": TransformerConfig(width=32, layers=2, heads=2, hidden=48),
        "depth": DepthConfig(
            transformer=TransformerConfig(width=16, layers=2, heads=2, hidden=24, rope_base=None)
        ),
    }
    return DecoderConfig(**{**values, **changes})


def nano_like_config() -> DecoderConfig:
    """The embedded model's shape at toy size: a user text stream, deaf to its own voice."""
    return moshi_like_config(
        user_text=True,
        pad_id=0,
        epad_id=1,
        agent_delays=(0, 0, 0),
        user_delays=(1, 1, 1),
        initial_agent_codes=(3, 4, 5),
        initial_user_codes=(6, 7, 8),
        feed_agent_codes=False,
        head_bias=True,
        depth=DepthConfig(
            transformer=TransformerConfig(
                width=16, layers=1, heads=2, hidden=24, rope_base=None, norm="layer", gated=False
            ),
            weights_per_step=False,
            input_bias=True,
            output_norm=True,
        ),
    )


def random_decoder(config: DecoderConfig, seed: int = 3) -> Decoder:
    """Weights large enough that every input matters."""
    decoder = Decoder(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in decoder.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            scale = 0.2 if parameter.dim() == 1 else 1.2 * parameter.shape[-1] ** -0.5
            parameter.copy_((parameter.dim() == 1) + noise * scale)
    return decoder


@pytest.fixture(params=["moshi-like", "nano-like"])
def toy_decoder(request: pytest.FixtureRequest) -> Decoder:
    config = moshi_like_config() if request.param == "moshi-like" else nano_like_config()
    return random_decoder(config)


@pytest.fixture
def moshi_like() -> Decoder:
    return random_decoder(moshi_like_config())


@pytest.fixture
def make_config():
    return moshi_like_config


@pytest.fixture
def make_decoder():
    return random_decoder


def speech_like(seconds: float, rows: int = 1, seed: int = 0) -> torch.Tensor:
    """Harmonics with a gliding pitch, gated by an envelope, with noise: f32 [rows, N]."""
    generator = torch.Generator().manual_seed(seed)
    count = round(seconds * 24_000) // 1920 * 1920
    time = torch.arange(count) / 24_000
    signal = torch.randn(rows, count, generator=generator) * 0.003
    for row in range(rows):
        pitch = 110 + 40 * row + 30 * torch.sin(2 * torch.pi * (0.7 + 0.2 * row) * time)
        phase = 2 * torch.pi * torch.cumsum(pitch / 24_000, 0)
        envelope = torch.sin(2 * torch.pi * (1.3 + 0.3 * row) * time).clamp(min=0)
        for harmonic in range(1, 12):
            signal[row] += 0.2 * envelope * torch.sin(harmonic * phase) / harmonic
    return signal


@pytest.fixture(scope="session")
def make_speech():
    return speech_like


@pytest.fixture(scope="session")
def promptable_folder(tmp_path_factory):
    """A whole PersonaPlex of random weights: Mimi's 8 x 2048 codes, all else at toy size."""
    folder = tmp_path_factory.mktemp("promptable")
    sizes = {"card": 2048, "n_q": 16, "dep_q": 16, "delays": [0] + ([0] + [1] * 7) * 2}
    mimi = {**TINY_MIMI, "quantizer": {"bins": 2048, "dimension": 8}}
    write_random_moshi(folder, {**TINY_PERSONAPLEX, **sizes, "context": 120}, mimi=mimi)
    return folder


RATING_SCRIPT = r'''
import re

def parse_output(data):
    example_pattern = re.compile(r"Why:\s*(.*?)\nScore is (\d+)", re.DOTALL)

def evaluate():
    system_msg = """
    Rate it.
    """
    user_msg = (
        f"first: {in_before_interrupt_text}, then: {in_interrupt_text}, "
        f"reply: {out_after_interrupt_text}"
    )
'''
BEHAVIOUR_SCRIPT = """
def evaluate():
    final_input = (
        f"{{ {input_clean_text} {input_noisy_text} {output_clean_text} {output_noisy_text} }}"
    )
"""


@pytest.fixture
def upstream(tmp_path):
    """A checkout in the official shape with questions of our own."""
    folder = tmp_path / "upstream" / "v1_v1.5" / "evaluation"
    (folder / "instruction").mkdir(parents=True)
    (folder / "eval_user_interruption.py").write_text(RATING_SCRIPT)
    (folder / "eval_behavior.py").write_text(BEHAVIOUR_SCRIPT)
    (folder / "instruction" / "behavior.txt").write_text("Tag it.\n")
    return tmp_path / "upstream"


class JudgeServer:
    """Chat completions on loopback; `replies` in turn, the last again and again.

    A reply is a text, a (status, body) or a (status, body, headers); `asked` keeps what came.
    """

    def __init__(self, replies):
        self.replies, self.asked = list(replies), []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, dict(self.headers), body))
                last = len(outer.replies) == 1
                self.answer(outer.replies[0] if last else outer.replies.pop(0))

            def answer(self, reply):
                if isinstance(reply, str):
                    reply = 200, json.dumps({"choices": [{"message": {"content": reply}}]})
                status, body, headers = (*reply, {})[:3]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def judge_server():
    """Makes a server that gives these replies."""
    servers = []

    def make(*replies):
        servers.append(JudgeServer(replies))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def livekit_programs() -> Programs:
    try:
        return Programs.find()
    except LiveKitUnavailable as error:
        pytest.skip(str(error))


@pytest_asyncio.fixture
async def livekit(livekit_programs, tmp_path_factory):
    """A server of the test's own; half a second."""
    folder = tmp_path_factory.mktemp("livekit")
    async with LiveKitStack.running(livekit_programs, folder) as stack:
        yield stack
    await entrance.all_left()  # or a later test would end this process
