"""What is wrong with how something is to be trained: what does not go together, and what nothing would read."""

from importlib.util import find_spec

from editmgt.config.bundles import BUNDLE, bundle_problems, text_encoder_problems
from editmgt.config.keys import asked_in_vain, value_of
from editmgt.config.schema import Model, Scenes, Train
from editmgt.settings.mistakes import show

EIGHT_BIT = "bitsandbytes"
_CODEC_PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


def recipe_problems(config: Train) -> list[str]:
    """Return a line for everything that cannot be learnt as ``config`` says."""
    values, model = config.model_dump(), config.model
    found = [
        f"{key}={show(value_of(values, key))} has no effect with {by}={show(value_of(values, by))}: leave one of them out."
        for key, by in asked_in_vain(values).items()
    ]
    if model.kind == "codec":
        found += _codec_problems(config)
    else:
        if model.text_encoder is not None and config.init_from is not None:
            found += text_encoder_problems(config.init_from, model.text_encoder)
        found += _lora_problems(model)
    if model.kind == "editor" and model.teacher is not None:
        found += bundle_problems("model.teacher", model.teacher, BUNDLE)
    return found + _optimizer_problems(model)


def _codec_problems(config: Train) -> list[str]:
    data, model, trainer = config.data, config.model, config.trainer
    found = []
    if trainer.precision not in _CODEC_PRECISIONS:
        found.append(
            f"trainer.precision={trainer.precision} would round a codec's weights, and most codes would be others: "
            f"it must be one of {', '.join(_CODEC_PRECISIONS)}."
        )
    if isinstance(data, Scenes) and data.batch_size % 2:
        found.append(
            f"data.batch_size={data.batch_size} must be even: a codec's batch is pairs of a source and a target."
        )
    if config.init_from is None and 0 < trainer.max_steps <= model.continuous_steps:
        found.append(
            f"model.continuous_steps={model.continuous_steps} must be less than trainer.max_steps={trainer.max_steps}: the "
            "codec would end without codes (experiment=tiny_codec takes 600 of 3000 steps)."
        )
    return found


def _lora_problems(model: Model) -> list[str]:
    found = []
    if model.lora.rank and model.lora.stream == "reference":
        if model.lora.merge:
            found.append(
                "model.lora.merge=true with model.lora.stream=reference would change the function: "
                "only adapters on all streams can be merged."
            )
        if model.kind != "editor" or not model.attention_injection:
            found.append(
                "model.lora.stream=reference needs a reference in the attention: "
                "model.kind=editor and model.attention_injection=true."
            )
    return found


def _optimizer_problems(model: Model) -> list[str]:
    if not model.eight_bit_optimizer:
        return []
    found = []
    if find_spec(EIGHT_BIT) is None:
        found.append(
            "model.eight_bit_optimizer=true needs bitsandbytes, which is not installed: "
            f"pip install {EIGHT_BIT}"
        )
    if (target := model.optimizer.get("_target_")) != "torch.optim.AdamW":
        found.append(
            f"model.eight_bit_optimizer=true is AdamW with 8-bit states: model.optimizer._target_={target} "
            "must be torch.optim.AdamW."
        )
    return found
