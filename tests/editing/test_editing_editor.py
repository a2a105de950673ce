import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_of_blocks import INSTRUCTIONS, picture, same
from PIL import Image
from tiny_parts import build_transformer

from editmgt.editing import Editor, EditResult, InstructionCut
from editmgt.editing.attention_map import score_maps
from editmgt.editing.composite import edited_region, largest_change, with_detail
from editmgt.editing.images import resize, to_image, to_pixels
from editmgt.errors import UserError


def pictures(count: int) -> list[Image.Image]:
    return [picture(seed=seed) for seed in range(count)]


def test_result(tiny_editor: Editor) -> None:
    result = tiny_editor.edit(pictures(3), INSTRUCTIONS, trace=True)
    assert [image.size for image in result.images] == [(32, 32)] * 3
    assert result.tokens.shape == result.held.shape == (3, 8, 8)
    assert result.localization.shape == (3, 4, 4)
    assert result.held.dtype == torch.bool and result.tokens.max() < tiny_editor.codec.codebook_size
    assert result.localization.min() >= 0 and result.localization.max() <= 1
    assert result.held.any() and not result.held.all()
    assert result.seconds > 0
    assert len(result.trace) == 3
    assert torch.equal(result.trace[-1].tokens, result.tokens)
    assert torch.equal(result.trace[-1].held, result.held)
    mean = torch.stack([step.localization for step in result.trace]).mean(dim=0)
    assert torch.allclose(mean, result.localization, atol=1e-6)
    assert not result.tokens.is_inference()


def test_held_tokens_are_the_sources(tiny_editor: Editor) -> None:
    source = picture()
    result = tiny_editor.edit(source, INSTRUCTIONS[0], hold_threshold=0.6)
    pixels = torch.from_numpy(np.array(source)).permute(2, 0, 1)[None] / 255
    reference = tiny_editor.codec.encode(pixels)
    assert result.held.any()
    assert torch.equal(result.tokens[result.held], reference[result.held])


def test_batches_do_not_matter(tiny_editor: Editor) -> None:
    together = tiny_editor.edit(pictures(3), INSTRUCTIONS, sample_ids=["a", "b", "c"])
    split = tiny_editor.edit(pictures(3), INSTRUCTIONS, sample_ids=["a", "b", "c"], batch_size=2)
    alone = tiny_editor.edit(pictures(2)[1], INSTRUCTIONS[1], sample_ids=["b"])
    assert all(same(together, split, i, i) for i in range(3))
    assert same(together, alone, 1, 0)


def test_seed_and_sample_id_decide(tiny_editor: Editor) -> None:
    def run(**options: Any) -> EditResult:
        return tiny_editor.edit(picture(), INSTRUCTIONS[0], region_hold=False, **options)

    assert same(run(seed=1), run(seed=1))
    assert not same(run(seed=1), run(seed=2))
    assert not same(run(sample_ids=["a"]), run(sample_ids=["b"]))


def test_sizes_and_aspect_ratios(tiny_editor: Editor) -> None:
    """Wide, tall, tiny and large pictures in one call; each returns in its own size."""
    sizes = [(90, 40), (32, 32), (17, 60), (90, 40), (3, 3), (400, 300)]
    sources = [picture(*size, seed=i) for i, size in enumerate(sizes)]
    result = tiny_editor.edit(sources, [INSTRUCTIONS[0]] * 6, sample_ids=list("abcdef"))
    assert [image.size for image in result.images] == sizes
    assert isinstance(result.tokens, list)
    assert [tuple(tokens.shape) for tokens in result.tokens] == [
        (6, 12), (8, 8), (16, 4), (6, 12), (8, 8), (6, 10)
    ]  # fmt: skip
    assert result.localization[2].shape == (8, 2)
    alone = tiny_editor.edit(sources[3], INSTRUCTIONS[0], sample_ids=["d"])
    assert same(result, alone, 3, 0)


def test_progress_counts_every_step_of_every_batch(tiny_editor: Editor) -> None:
    seen: list[tuple[int, int]] = []
    tiny_editor.edit(
        pictures(3), INSTRUCTIONS, batch_size=2, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize("smoothing", ["adaptive", "gaussian", "none"])
@pytest.mark.parametrize("hold", [True, False])
def test_recorded_maps_score_as_the_edit_did(tiny_editor: Editor, smoothing: str, hold: bool) -> None:
    settings = {"smoothing": smoothing, "region_hold": hold}
    plain = tiny_editor.edit(pictures(3), INSTRUCTIONS, **settings)
    result = tiny_editor.edit(pictures(3), INSTRUCTIONS, **settings, record_layers=(3, 0, 1, 2), batch_size=2)
    assert result.layer_maps.shape == (3, 3, 4, 4, 4) and result.layer_maps.dtype == torch.float32
    # what is recorded changes no picture; another batch size moves maps by rounding
    assert torch.equal(plain.tokens, result.tokens) and torch.equal(plain.held, result.held)
    assert torch.allclose(plain.localization, result.localization, atol=1e-4)
    chosen = [(3, 0, 1, 2).index(layer) for layer in tiny_editor.settings.layers]
    assert torch.equal(score_maps(result.layer_maps[:, :, chosen], smoothing), result.localization)
    single = tiny_editor.edit(pictures(3), INSTRUCTIONS, **settings, average=False, single_layer=0)
    if not hold:  # with hold on, other maps make other pictures, and those other maps
        other = score_maps(result.layer_maps[:, :, [1]], smoothing)
        assert torch.allclose(other, single.localization, atol=1e-4)
    assert plain.layer_maps.shape == (3, 3, 0, 4, 4)


def test_recorded_maps_of_pictures_of_several_sizes(tiny_editor: Editor) -> None:
    result = tiny_editor.edit([picture(), picture(90, 40)], INSTRUCTIONS[:2], record_layers=(1, 2, 3))
    for maps, localization in zip(result.layer_maps, result.localization, strict=True):
        assert torch.equal(score_maps(maps[None], "adaptive")[0], localization)
    with pytest.raises(UserError, match=r"record_layers \[9\] do not exist: this model has blocks 0 to 3"):
        tiny_editor.edit(picture(), INSTRUCTIONS[0], record_layers=(0, 9))


def test_mask_keeps_what_is_outside(tiny_editor: Editor) -> None:
    source, mask = picture(64, 64), np.zeros((64, 64), dtype=bool)
    mask[:20, :33] = True
    reference = tiny_editor.codec.encode(
        torch.from_numpy(np.array(source.resize((32, 32), Image.Resampling.LANCZOS))).permute(2, 0, 1)[None]
        / 255
    )
    for form in (mask, Image.fromarray(mask), [mask]):
        result = tiny_editor.edit(source, INSTRUCTIONS[0], mask=form, region_hold=False)
        changed = result.tokens != reference
        assert not changed[:, 3:].any() and not changed[:, :, 5:].any()  # 8 pixels of the original per code
        assert changed[:, :3, :5].any()
    nothing = tiny_editor.edit(source, INSTRUCTIONS[0], mask=np.zeros((64, 64), dtype=bool))
    assert torch.equal(nothing.tokens, reference)
    with pytest.raises(UserError, match="The mask has no white"):
        tiny_editor.edit(source, INSTRUCTIONS[0], mask=np.zeros((64, 64), dtype=np.uint8))
    for wrong, name in (("mask.png", "str"), (torch.ones(64, 64), "Tensor")):
        with pytest.raises(UserError, match=f"a PIL picture or a numpy array, not {name}"):
            tiny_editor.edit(source, INSTRUCTIONS[0], mask=wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="32x32 pixels but its image 64x64"):
        tiny_editor.edit(source, INSTRUCTIONS[0], mask=mask[:32, :32])


def test_one_picture_may_have_several_instructions(tiny_editor: Editor) -> None:
    result = tiny_editor.edit(picture(), INSTRUCTIONS, sample_ids=["edit"] * 3)
    assert len(result.images) == 3
    for i, instruction in enumerate(INSTRUCTIONS):
        assert same(result, tiny_editor.edit(picture(), instruction, sample_ids=["edit"]), i)


def test_a_query_makes_the_map_of_its_own_rows(tiny_editor: Editor) -> None:
    whole, red = (
        tiny_editor.edit(picture(), INSTRUCTIONS[0], query=query, record_layers=(1,), region_hold=False)
        for query in (None, "red")
    )
    assert same(whole, red)  # nothing is held by the map
    assert not torch.equal(whole.localization, red.localization)
    assert not torch.equal(whole.layer_maps, red.layer_maps)
    every_word = tiny_editor.edit(
        picture(), INSTRUCTIONS[0], query="make the red circle blue", region_hold=False
    )
    assert not torch.equal(every_word.localization, whole.localization)  # begin, end and padding are left out


def test_a_connector_that_mixes_words_has_no_rows_of_a_query(tiny_editor: Editor) -> None:
    transformer = build_transformer(connector_type="qformer", num_attention_heads=2)
    editor = Editor(tiny_editor.codec, tiny_editor.text_encoder, transformer, tiny_editor.settings)
    assert editor.edit(picture(), INSTRUCTIONS[0]).localization.isfinite().all()  # type: ignore[union-attr]
    with pytest.raises(
        UserError, match="The query 'red' has no attention of its own here: this editor's connector"
    ):
        editor.edit(picture(), INSTRUCTIONS[0], query="red")


def test_a_composite_keeps_the_users_pixels(tiny_editor: Editor) -> None:
    source, mask = picture(70, 50), np.zeros((50, 70), dtype=np.uint8)
    mask[:30, :30] = 255
    plain, kept = (
        tiny_editor.edit(source, INSTRUCTIONS[0], mask=mask, composite=composite)
        for composite in (False, True)
    )
    assert torch.equal(plain.tokens, kept.tokens) and kept.changed.any()
    assert torch.equal(kept.changed, plain.changed) and not (kept.changed & kept.held).any()
    region = edited_region(kept.changed[0], source.size, mask)
    assert largest_change(source, plain.images[0], region) > 0  # the codec's loss
    assert largest_change(source, kept.images[0], region) == 0
    assert not np.array_equal(np.asarray(kept.images[0]), np.asarray(source))


def test_a_feathered_mask_shows_its_greys_and_holds_by_its_middle(tiny_editor: Editor) -> None:
    source, mask = picture(64, 64), np.zeros((64, 64), dtype=np.uint8)
    mask[8:32, 8:32], mask[:8, 8:32] = 255, 64
    plain, hard, soft = (
        tiny_editor.edit(source, INSTRUCTIONS[0], mask=mask, region_hold=False, **options)
        for options in ({}, {"composite": True}, {"composite": True, "feather": True})
    )
    assert torch.equal(hard.tokens, soft.tokens) and not soft.changed[0, :1].any()
    assert torch.equal(plain.tokens, soft.tokens)
    small = to_pixels(resize(source, (32, 32)))[None]
    decoded, drawn = (
        to_image(tiny_editor.codec.decode(codes)[0])
        for codes in (tiny_editor.codec.encode(small), plain.tokens)
    )
    edited = with_detail(source, drawn, decoded)
    before, edited, after = (np.asarray(image).astype(int) for image in (source, edited, soft.images[0]))
    assert np.array_equal(np.asarray(hard.images[0])[:8], before[:8])
    assert np.array_equal(after[mask == 0], before[mask == 0])
    inside = after[7, 12:28] - (before[7, 12:28] + (edited - before)[7, 12:28] * 64 / 255)
    assert np.abs(inside).max() <= 1 and (after[7, 12:28] != before[7, 12:28]).any()
    for options in ({"feather": True}, {"feather": True, "composite": True}):
        with pytest.raises(UserError, match="needs composite=True and a mask"):
            tiny_editor.edit(source, INSTRUCTIONS[0], **options)


def test_any_kind_of_picture(tiny_editor: Editor) -> None:
    source = picture(40, 24)
    wanted = tiny_editor.edit(source, INSTRUCTIONS[0])
    turned = source.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # to be turned clockwise when shown
    clear = source.convert("RGBA")
    for form in (np.array(source), clear, turned):
        assert same(tiny_editor.edit(form, INSTRUCTIONS[0]), wanted)
    clear.putalpha(0)
    white = tiny_editor.edit(Image.new("RGB", (40, 24), "white"), INSTRUCTIONS[0])
    assert same(tiny_editor.edit(clear, INSTRUCTIONS[0]), white)
    for mode in ("L", "LA", "P", "1", "CMYK"):
        assert tiny_editor.edit(source.convert(mode), INSTRUCTIONS[0]).images[0].mode == "RGB"


def test_training_mode_is_given_back(tiny_bundle: Path) -> None:
    editor = Editor.from_pretrained(tiny_bundle)
    editor.transformer.train()
    editor.transformer.embed.eval()  # a frozen part of a model in training
    before = {name: part.training for name, part in editor.transformer.named_modules()}
    editor.edit(picture(), INSTRUCTIONS[0])
    assert {name: part.training for name, part in editor.transformer.named_modules()} == before
    assert not editor.codec.training


def test_bfloat16(tiny_bundle: Path) -> None:
    editor = Editor.from_pretrained(tiny_bundle)
    editor.transformer.bfloat16()
    result = editor.edit(picture(), INSTRUCTIONS[0])
    assert result.tokens.shape == (1, 8, 8) and torch.isfinite(result.localization).all()


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((pictures(3), INSTRUCTIONS[:2]), {}, "3 images came with 2 instructions"),
        ((picture(), INSTRUCTIONS), {"query": "circle"},
         "The query 'circle' is not among the tokens that are read of 'remove the large star'"),
        ((pictures(2), INSTRUCTIONS[:2]), {"sample_ids": ["a"]}, "2 images came with 1 sample_ids"),
        ((pictures(2), INSTRUCTIONS[:2]), {"mask": [None]}, "2 images came with 1 masks"),
        (([], []), {}, "no image"),
        ((picture(), "  "), {}, "instruction is empty"),
        ((picture(), "x"), {"stepps": 3}, "Did you mean 'steps'?"),
        ((picture(), "x"), {"layers": (9,)}, "layers=[9]: this model has blocks 0 to 3, and no 9"),
        ((picture(), "x"), {"resolution": 36}, "resolution=36 must be a multiple of the model's 8 pixels, such as 32"),
        ((np.zeros((8, 8, 3)), "x"), {}, "uint8, not float64 (its shape is 8x8x3)"),
        ((np.zeros((2, 8, 8, 3), np.uint8), "x"), {}, "not 2x8x8x3 (uint8); give several images as a list"),
        ((np.zeros((3, 8, 8), np.uint8), "x"), {}, "height x width x 1, 3 or 4, not 3x8x8 (uint8)"),
        ((np.zeros((0, 8, 3), np.uint8), "x"), {}, "The image is 8x0 pixels: it has none to edit"),
        ((Image.new("RGB", (0, 3)), "x"), {}, "The image is 0x3 pixels"),
        ((torch.zeros(2, 3, 8, 8), "x"), {}, "1, 3 or 4 x height x width, not 2x3x8x8 (float32)"),
        ((torch.zeros(8, 8, 3), "x"), {}, "1, 3 or 4 x height x width, not 8x8x3 (float32)"),
        ((torch.zeros(3, 999, 8).long(), "x"), {}, "uint8, or floats from 0 to 1, not 3x999x8 (int64)"),
        ((torch.full((3, 8, 8), 255.0), "x"), {}, "floats must lie in 0 to 1; one of 3x8x8 (float32) does not"),
        ((torch.full((3, 8, 8), float("nan")), "x"), {}, "must lie in 0 to 1"),
        ((None, "x"), {}, "a uint8 array or a torch tensor, not NoneType"),
        (([[[0, 0]]], "x"), {}, "a uint8 array or a torch tensor, not list"),
        (({"image": 1}, "x"), {}, "a uint8 array or a torch tensor, not dict"),
        ((picture(), None), {}, "instructions must be a text or a list of them, not NoneType"),
        ((picture(), ["x", 3]), {}, "each of instructions must be a text, not int"),
        ((picture(), []), {}, "There is no image to edit"),
        ((picture(), "\udcff"), {}, "is not valid UTF-8"),
        ((pictures(2), "x"), {}, "2 images came with 1 instructions"),
        ((pictures(3), INSTRUCTIONS), {"sample_ids": "abc"}, "sample_ids must be a list of names"),
        ((picture(), "x"), {"sample_ids": 3}, "sample_ids must be a list of names"),
        ((picture(), "x"), {"query": 3}, "query must be a text, not int"),
        ((picture(), "x"), {"query": " "}, "The query ' ' is not among the tokens"),
        ((picture(), "x"), {"seed": -1}, "seed=-1 must be a whole number of at least 0"),
        ((picture(), "x"), {"seed": 2**32}, "seed=4294967296 must be at most 4,294,967,295"),
        ((picture(), "x"), {"seed": "7"}, "seed='7' must be a whole number"),
        ((picture(), "x"), {"seed": 1.5}, "seed=1.5 must be a whole number"),
        ((picture(), "x"), {"seed": None}, "seed=None must be a whole number"),
        ((picture(), "x"), {"seed": True}, "seed=True must be a whole number"),
        ((picture(), "x"), {"seed": []}, "seed is empty"),
        ((picture(), "x"), {"seed": [1, 1]}, "seed=1 is given twice"),
        ((picture(), "x"), {"record_layers": None}, "record_layers=None must be a list of blocks"),
        ((picture(), "x"), {"batch_size": "2"}, "batch_size=2 must be at least 1, a whole number"),
        ((picture(), "x"), {"negative_prompt": 3}, "negative_prompt=3 must be a text"),
        ((picture(), "x"), {"negative_prompt": "star", "guidance_scale": 1},
         "negative_prompt has no effect without guidance: guidance_scale 1 must be more than 1"),
    ],
)  # fmt: skip
def test_mistakes(
    tiny_editor: Editor, arguments: tuple[Any, Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        tiny_editor.edit(*arguments, **options)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_broken_file_that_was_opened(tiny_editor: Editor) -> None:
    """Image.open reads the header alone."""
    content = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(content, "PNG")
    with pytest.raises(UserError, match="The image cannot be read: ") as caught:
        tiny_editor.edit(Image.open(io.BytesIO(content.getvalue()[:500])), "x")
    assert "\n" not in str(caught.value)


def test_arrays_and_tensors(tiny_editor: Editor) -> None:
    source = picture(40, 24)
    array = np.array(source)
    channels_first = torch.from_numpy(array).permute(2, 0, 1)
    wanted = tiny_editor.edit(source, INSTRUCTIONS[0])
    opaque = np.dstack([array, np.full((24, 40), 255, np.uint8)])
    forms = (array, opaque, channels_first, channels_first / 255, (channels_first / 255).requires_grad_())
    for form in forms:
        assert same(tiny_editor.edit(form, INSTRUCTIONS[0]), wanted)
    grey = array[..., 0]
    wanted = tiny_editor.edit(Image.fromarray(grey), INSTRUCTIONS[0])
    for form in (grey, grey[..., None], torch.from_numpy(grey)[None]):
        assert same(tiny_editor.edit(form, INSTRUCTIONS[0]), wanted)
    drawn = tiny_editor.edit((one for one in pictures(2)), iter(INSTRUCTIONS[:2]))
    assert len(drawn.images) == 2


def test_a_batch_and_each_alone_make_equal_pictures(tiny_bundle: Path) -> None:
    """Shipped weights too: a decoder sums a batch in another order, and a pixel between two levels would turn."""
    for editor in (Editor.from_pretrained(tiny_bundle), Editor.from_pretrained("tiny_editor")):
        sources = [picture(64, 64, seed=seed) for seed in range(5)]
        sentences = [INSTRUCTIONS[seed % 3] for seed in range(5)]
        ids = list("abcde")
        together = editor.edit(sources, sentences, sample_ids=ids, steps=2)
        for i in range(5):
            assert same(together, editor.edit(sources[i], sentences[i], sample_ids=[ids[i]], steps=2), i)


def test_several_seeds_in_a_call(tiny_editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is what it is alone; pictures are encoded once."""
    encoded: list[int] = []
    encode = type(tiny_editor.codec).encode
    monkeypatch.setattr(
        type(tiny_editor.codec),
        "encode",
        lambda codec, pixels: encoded.append(len(pixels)) or encode(codec, pixels),
    )
    sources, free = pictures(2), {"region_hold": False, "sample_ids": ["a", "b"]}
    result = tiny_editor.edit(sources, INSTRUCTIONS[:2], seed=[7, 0, 2**32 - 1], batch_size=4, **free)
    assert sum(encoded) == 2
    assert len(result.images) == 6 and result.tokens.shape == (6, 8, 8)
    for position, seed in enumerate((7, 0, 2**32 - 1)):
        alone = tiny_editor.edit(sources, INSTRUCTIONS[:2], seed=seed, **free)
        assert same(result, alone, position, 0) and same(result, alone, 3 + position, 1)
    assert not same(result, result, 0, 1)
    assert same(
        tiny_editor.edit(sources[0], INSTRUCTIONS[0], seed=[np.int64(7)], **free | {"sample_ids": ["a"]}),
        result,
    )


def test_long_instructions_warn(tiny_editor: Editor) -> None:
    long = "make the red circle blue and remove the large star and add a small green square"
    with pytest.warns(InstructionCut, match="16 tokens.*this was cut: '.*green square'"):
        tiny_editor.edit(picture(), long)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny_editor.edit(picture(), INSTRUCTIONS[0])


@pytest.mark.parametrize("path", ["photo.png", Path("photo.png"), ["photo.png"]])
def test_a_path_is_no_picture(tiny_editor: Editor, path: Any) -> None:
    with pytest.raises(UserError, match=r"photo.png'\)? is no picture: give a PIL image"):
        tiny_editor.edit(path, INSTRUCTIONS[0])


def test_a_batch_has_a_sample(tiny_editor: Editor) -> None:
    with pytest.raises(UserError, match="batch_size=0 must be at least 1"):
        tiny_editor.edit(picture(), INSTRUCTIONS[0], batch_size=0)


def test_threads_may_share_an_editor(tiny_editor: Editor) -> None:
    """Each reads its own texts, whatever another has read since."""
    instructions = [f"{INSTRUCTIONS[0]} {number}" for number in range(6)]
    alone = [tiny_editor.edit(picture(), instruction) for instruction in instructions]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda instruction: tiny_editor.edit(picture(), instruction), instructions))
    assert all(map(same, together, alone))


def test_numbers_and_lists_may_be_numpys(tiny_editor: Editor) -> None:
    wanted = tiny_editor.edit(picture(), INSTRUCTIONS[0], steps=2, guidance_scale=1.5, record_layers=[0, 2])
    numbers: Any = {"steps": np.int64(2), "guidance_scale": torch.tensor(1.5)}
    several: Any = (np.array([0, 2]), iter([0, 2]))
    for layers in several:
        found = tiny_editor.edit(picture(), INSTRUCTIONS[0], record_layers=layers, **numbers)
        assert same(found, wanted) and torch.equal(found.layer_maps[0], wanted.layer_maps[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_torchs_default_type_changes_nothing(tiny_editor: Editor, dtype: torch.dtype) -> None:
    """A Lightning training in bf16-true sets it."""
    mask = np.zeros((32, 32), bool)
    mask[:20, 4:] = True

    def edited() -> EditResult:
        record: Any = {"record_layers": [0, 1], "record_sources": ["posterior"], "mask": mask, "steps": 5}
        return tiny_editor.edit(picture(), INSTRUCTIONS[0], **record)

    wanted = edited()
    torch.set_default_dtype(dtype)
    try:
        found = edited()
    finally:
        torch.set_default_dtype(torch.float32)
    assert same(found, wanted)
    for ours, theirs in (
        (found.localization, wanted.localization),
        (found.layer_maps, wanted.layer_maps),
        (found.code_maps["posterior"], wanted.code_maps["posterior"]),
    ):
        assert ours[0].dtype == torch.float32 and torch.equal(ours[0], theirs[0])
