"""`voiceagent codec`: look at the codec alone: sound to codes, codes to sound."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.audio.wav import read_wav, write_wav
from voiceagent.cli.options import add_model_arguments, check_output
from voiceagent.errors import AudioFileError, ConfigError

if TYPE_CHECKING:
    from voiceagent_codec.nano import NanoCodec

    from voiceagent.model.checkpoint import OwnFolder

#: 20 s at a time: memory stays small however long the recording is.
PIECE_SAMPLES = 250 * FRAME_SAMPLES
LONG_PIECES = 10

DESCRIPTION = """\
The codec turns sound into codes and codes into sound, one 80 ms frame at a time.

The nano codec is two codecs in one. It hears the user as codes of meaning, which cannot become
sound again; it speaks with one voice from codes of sound. 'encode --side agent' makes codes of that
voice (other voices come out as its nearest imitation), 'encode --side user' codes of meaning.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand and its own."""
    parser = commands.add_parser(
        "codec",
        help="sound to codes and back, without the model between",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="sample rate, frame, code spaces")
    info.set_defaults(run=run_info)
    encode = actions.add_parser("encode", help="IN.wav to a file of codes")
    encode.add_argument("input", type=Path, metavar="IN.wav")
    encode.add_argument("output", type=Path, metavar="OUT.safetensors")
    encode.add_argument(
        "--side", choices=("agent", "user"), default="agent", help="whose codes (default: agent)"
    )
    encode.set_defaults(run=run_encode)
    decode = actions.add_parser("decode", help="a file of agent codes to a wav")
    decode.add_argument("input", type=Path, metavar="CODES.safetensors")
    decode.add_argument("output", type=Path, metavar="OUT.wav")
    decode.set_defaults(run=run_decode)
    for action in (info, encode, decode):
        add_model_arguments(action)


def run_info(options: argparse.Namespace) -> int:
    """Print what the codec declares."""
    folder, codec = _load(options, with_agent_encoder=True)
    spec = codec.spec
    parameters = sum(p.numel() for p in codec.parameters()) / 1e6
    print(f"codec of model '{folder.name}' ({folder.path})")
    print(f"  sample rate     {spec.sample_rate_hz} Hz mono")
    print(f"  frame           {spec.frame_samples} samples = {spec.frame_ms:g} ms")
    print(f"  frame rate      {spec.frame_rate_hz:g} Hz")
    print(f"  user codes      {spec.user.codebooks} x {spec.user.cardinality}")
    print(f"  agent codes     {spec.agent.codebooks} x {spec.agent.cardinality}")
    print(f"  invertible      {'yes' if spec.is_invertible else 'no: user codes carry no sound'}")
    print(f"  parameters      {parameters:.2f} M")
    print(f"  state per slot  {codec.init_state(1).num_bytes() / 1024:.0f} KiB")
    return 0


def run_encode(options: argparse.Namespace) -> int:
    """Sound to codes."""
    import torch
    from voiceagent_codec.codes_file import CodesFile, write_codes

    recording = read_wav(options.input)
    check_output(options.output, options.input)
    folder, codec = _load(options, with_agent_encoder=options.side == "agent")
    encoder = codec.agent_stream() if options.side == "agent" else codec.user_stream()
    pieces = torch.split(torch.from_numpy(recording.pcm)[None], PIECE_SAMPLES, dim=1)
    is_long = len(pieces) > LONG_PIECES
    codes = torch.cat(
        [encoder(piece)[0] for piece in tqdm(pieces, disable=not is_long, leave=False)]
    )
    try:
        write_codes(options.output, CodesFile(codes, options.side, folder.name))
    except OSError as error:
        raise AudioFileError(str(options.output), f"cannot be written ({error})") from error
    frames, codebooks = codes.shape
    notes = "".join(f"; input {note}" for note in recording.notes)
    print(f"wrote {options.output}: {frames} frames x {codebooks} {options.side} codes{notes}")
    return 0


def run_decode(options: argparse.Namespace) -> int:
    """Codes to sound."""
    import torch
    from voiceagent_codec.codes_file import read_codes

    folder, codec = _load(options, with_agent_encoder=False)
    check_output(options.output, options.input)
    spaces = {"agent": codec.spec.agent, "user": codec.spec.user}
    file = read_codes(options.input, folder.name, spaces)
    state, active = codec.init_state(1), torch.ones(1, dtype=torch.bool)
    step = codec.decode_step if file.side == "agent" else codec.decode_user_step
    frames = [step(row[None], state, active)[0, 0] for row in file.codes]
    write_wav(options.output, torch.cat(frames).numpy())
    print(f"wrote {options.output}: {len(frames) * codec.spec.frame_ms / 1000:.1f} s")
    return 0


def _load(options: argparse.Namespace, *, with_agent_encoder: bool) -> tuple[OwnFolder, NanoCodec]:
    from voiceagent.model.checkpoint import OwnFolder, open_model
    from voiceagent.serving.device import use_threads

    use_threads(options.threads)
    folder = open_model(options.model)
    if not isinstance(folder, OwnFolder):
        raise ConfigError(f"--model {options.model}: this command knows the nano codec only")
    return folder, folder.load_codec(with_agent_encoder=with_agent_encoder)
