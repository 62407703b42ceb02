import pytest
from voiceagent_codec.base import CodeSpace

from voiceagent.errors import ConfigError
from voiceagent.model.config import SamplingDefaults
from voiceagent.model.moshi_config import MOSHI_7B, moshi_config
from voiceagent.testing.random_moshi import TINY_MOSHI, TINY_PERSONAPLEX


def test_moshi_config_of_nothing_is_moshi_7b():
    decoder = moshi_config(None, "folder").decoder
    assert (decoder.context, decoder.text_cardinality, decoder.initial_text) == (3000, 32000, 32000)
    assert decoder.agent == decoder.user == CodeSpace(8, 2048)
    assert decoder.delays == (0, 0, *(1,) * 7, 0, *(1,) * 7)
    assert (decoder.temporal.hidden, decoder.depth.transformer.hidden) == (11264, 2816)
    assert decoder.depth.transformer.rope_base is None


def test_moshi_config_that_names_no_size_is_moshi_7b_as_well():
    config = moshi_config({"model_type": "personaplex", "version": "1"}, "folder")
    assert config.decoder == moshi_config(None, "folder").decoder
    assert config.model_type == "personaplex"


def test_moshi_config_with_sixteen_steps_of_depth_keeps_the_agents_codebooks():
    moshi, personaplex = moshi_config(TINY_MOSHI, "a"), moshi_config(TINY_PERSONAPLEX, "b")
    assert personaplex.decoder == moshi.decoder
    assert (moshi.predicts_user, personaplex.predicts_user) == (False, True)


def test_moshi_config_names_the_other_files():
    values = {
        **TINY_MOSHI,
        "moshi_name": "w.safetensors",
        "mimi_name": "m.safetensors",
        "tokenizer_name": "t.model",
        "lora_name": "l.safetensors",
        "lora_rank": 4,
        "lora_scaling": 3.0,
    }
    config = moshi_config(values, "x")
    assert (config.weights, config.codec, config.tokenizer) == (
        "w.safetensors",
        "m.safetensors",
        "t.model",
    )
    assert (config.adapter, config.adapter_rank, config.adapter_scaling) == ("l.safetensors", 4, 3)


def test_moshi_config_samples_as_the_reference_unless_the_repository_says_otherwise():
    assert moshi_config(TINY_MOSHI, "x").sampling == SamplingDefaults(
        text_temperature=0.7, text_top_k=25, code_temperature=0.8, code_top_k=250
    )
    own = moshi_config({**TINY_MOSHI, "lm_gen_config": {"temp": 0.5, "top_k_text": 9}}, "x")
    assert (own.sampling.code_temperature, own.sampling.text_top_k) == (0.5, 9)
    greedy = moshi_config({**TINY_MOSHI, "lm_gen_config": {"use_sampling": False}}, "x")
    assert greedy.sampling.text_temperature == greedy.sampling.code_temperature == 0


def test_moshi_config_gate_of_four_widths_is_the_narrow_one():
    config = moshi_config({**TINY_MOSHI, "hidden_scale": 4}, "x")
    assert config.decoder.temporal.hidden == 21 * 64 // 8


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"colour": 1}, "'colour' is not known"),
        ({"norm": "layer_norm"}, "'norm' is 'layer_norm'; only 'rms_norm_f32'"),
        ({"positional_embedding": None}, "'positional_embedding' is None"),
        ({"cross_attention": True}, "'cross_attention'"),
        ({"depformer_weights_per_step_schedule": [0]}, "'depformer_weights_per_step_schedule'"),
        ({"conditioners": {"description": {}}}, r"'conditioners' .*\['description'\]"),
        ({"model_type": "tts"}, "'model_type' is 'tts'"),
        ({"dep_q": 0}, "'dep_q' 0 of 'n_q' 8"),
        ({"dep_q": 9}, "'dep_q' 9"),
        ({"delays": [0, 1]}, "'delays' needs 1 "),
        ({"delays": [1, *TINY_MOSHI["delays"][1:]]}, "the first 0"),
        ({"num_heads": 5}, "width 64 must be a multiple"),
        ({"context": "3000"}, "context must be"),
        ({"lm_gen_config": {"cfg_coef": 2}}, "cfg_coef"),
        ({"lm_gen_config": {"temperature": 2}}, r"unknown keys \['temperature'\]"),
        ({"lm_gen_config": {"temp": -1}}, "code_temperature must be >= 0"),
        ({"moshi_name": 3}, "weights must be str"),
    ],
)
def test_moshi_config_that_cannot_be_computed_names_file_and_key(changes, problem):
    with pytest.raises(ConfigError, match=f"^file: .*{problem}"):
        moshi_config({**TINY_MOSHI, **changes}, "file")


@pytest.mark.parametrize("key", MOSHI_7B.keys() - {"depformer_dim_feedforward"})
def test_moshi_config_without_a_size_names_it(key):
    values = {name: value for name, value in TINY_MOSHI.items() if name != key}
    with pytest.raises(ConfigError, match=f"'{key}' is missing"):
        moshi_config(values, "file")


@pytest.mark.parametrize("key", ["norm", "gating", "depformer_pos_emb", "depformer_multi_linear"])
def test_moshi_config_that_leaves_the_references_default_in_place_is_refused(key):
    values = {name: value for name, value in TINY_MOSHI.items() if name != key}
    with pytest.raises(ConfigError, match=f"'{key}' is"):
        moshi_config(values, "file")
