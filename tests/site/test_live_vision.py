"""What net_vision.js computes in a browser is what the rooms compute, and the widgets around it answer."""

import math
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from course_lib.data.real.pictures import digits
from course_lib.data.world.render import render
from course_lib.data.world.scenes import at_position
from course_lib.foundations.gelu import gelu, quick_gelu
from course_lib.foundations.patches import patchify
from course_lib.foundations.rollout import rollout
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig
from course_lib.models.vit import ViT, ViTConfig
from course_lib.widgets.figure import script
from course_lib.widgets.live_clip import live_clip, rank, read_caption
from course_lib.widgets.live_model import pack, weights_script
from course_lib.widgets.live_vit import as_read, live_vit
from course_lib.widgets.similarity import similarity_widget


def settled(model, seed=0):
    """Weights that fp16 holds, biases and norms that are not the identity: what a page may get wrong shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.2, generator=generator)
            elif "norm" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            parameter.copy_(parameter.half().float())
    return model.eval()


def vit(**more):
    torch.manual_seed(0)
    shape = {"height": 8, "width": 8, "patch": 2, "channels": 1, "n_classes": 10, "d_model": 48, "n_layers": 2}
    return settled(ViT(ViTConfig(**shape | more)))


def clip(**more):
    torch.manual_seed(1)
    image = ImageConfig(height=12, width=16, patch=4, d_model=32, n_layers=2, n_heads=2)
    text = TextConfig(n_vocab=20, context=9, d_model=24, n_layers=2, n_heads=3, **more)
    return settled(CLIP(CLIPConfig(image=image, text=text, d_shared=16)))


def floats(numbers):
    return torch.tensor(numbers, dtype=torch.float32)


@pytest.fixture
def layers(laid):
    """A page with the layers, and nothing else."""
    return lambda scheme="file", files=None: laid(
        '<script src="net.js"></script><script src="net_vision.js"></script>',
        scheme,
        {"net.js": script("net"), "net_vision.js": script("net_vision")} | (files or {}),
    )


@pytest.fixture
def computing(layers):
    """computing(model, n_texts, scheme): a page in which `net` is the model, read from its script."""

    def opened(model, n_texts, scheme="file"):
        file, text = weights_script("model", *pack(model, list(map(str, range(n_texts))), what="…", licence="MIT"))
        page = layers(scheme, {f"models/{file}": text})
        page.evaluate(
            f"file => fetchWeights(file).then((weights) => {{ window.net = new {type(model).__name__}(weights); }})",
            file,
        )
        return page

    return opened


def close(ours, theirs, atol=1e-4):
    torch.testing.assert_close(floats(ours), theirs, rtol=0, atol=atol)


def test_the_gates_are_exact(layers):
    x = torch.linspace(-9, 9, 2001, dtype=torch.float64)
    page = layers()
    erf, exact, quick = page.evaluate("x => [x.map(erf), exactGelu(x), quickGelu(x)]", x.tolist())
    assert max(abs(ours - math.erf(value)) for ours, value in zip(erf, x.tolist())) < 1e-14
    torch.testing.assert_close(torch.tensor(exact, dtype=torch.float64), gelu(x), rtol=0, atol=1e-14)
    torch.testing.assert_close(torch.tensor(quick, dtype=torch.float64), quick_gelu(x), rtol=0, atol=1e-14)


def test_patches_lie_as_the_rooms(layers):
    images = torch.randn(1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    config = {"channels": 3, "height": 6, "width": 8, "patch": 2}
    call = "([pixels, config]) => patchify(Float32Array.from(pixels), config).map((one) => [...one])"
    close(layers().evaluate(call, [images.flatten().tolist(), config]), patchify(images, 2)[0], atol=0)


READ = """pixels => { const { logits, attention } = net.read(Float32Array.from(pixels));
  return { logits: [...logits], rollout: rollout(attention), third: rollout(attention, 3),
    attention: attention.map((heads) => heads.map((head) => head.map((weights) => [...weights]))) }; }"""


@pytest.mark.parametrize(
    ("scheme", "config"),
    [
        ("http", {}),
        ("file", {"height": 12, "width": 8, "patch": 4, "channels": 3, "n_heads": 3, "n_layers": 3, "eps": 1e-3}),
        ("file", {"n_classes": 0}),
    ],
)
def test_logits_attention_and_rollout_are_the_rooms(computing, scheme, config):
    model = vit(**config)
    config = model.config
    page = computing(model, config.n_classes, scheme)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, config.channels, config.height, config.width, generator=generator)
    with torch.no_grad():
        maps, logits = model.attention_maps(images), model(images)
    shares = rollout(maps)
    for i, image in enumerate(images):
        read = page.evaluate(READ, image.flatten().tolist())
        close(read["logits"], logits[i])
        close(read["attention"], maps[:, i])
        close(read["rollout"], shares[i, 0])
        close(read["third"], shares[i, 3])


@pytest.mark.parametrize("end", [None, 3])
def test_both_towers_are_the_rooms(computing, end):
    model = clip(end=end)
    page = computing(model, 20, "http" if end else "file")
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, 12, 16, generator=generator)
    ids = torch.randint(4, 19, (4, 9), generator=generator)
    for row, length in enumerate((1, 4, 6, 9)):
        ids[row, length - 1 :] = 19 if end is None else end
    with torch.no_grad():
        pictures, texts, logits = model.image_features(images), model.text_features(ids), model(images, ids)
    ours = page.evaluate(
        """([images, texts]) => { const seen = images.map((each) => net.imageFeatures(Float32Array.from(each)));
          const read = texts.map((ids) => net.textFeatures(ids));
          return [seen.map((x) => [...x]), read.map((x) => [...x]),
            seen.map((x) => read.map((y) => net.scale() * cosine(x, y)))]; }""",
        [images.flatten(1).tolist(), ids.tolist()],
    )
    for got, wanted in zip(ours, (pictures, texts, logits)):
        close(got, wanted)


def test_what_cannot_be_read_is_refused(computing):
    page = computing(clip(end=3), 20)
    refusals = page.evaluate("""() => [[1, 2], [25, 3], Array(10).fill(3)].map((ids) => {
      try { net.textFeatures(ids); } catch (error) { return error.message; } })
      .concat((() => { try { net.imageFeatures(new Float32Array(5)); } catch (error) { return error.message; } })())""")
    for refusal, why in zip(refusals, ("no end token (3)", "token 25", "10 tokens", "3×12×16 = 576"), strict=True):
        assert why in refusal


# ---- the matrix of pairs


def matrix():
    cosines = np.linspace(-0.5, 0.9, 64).reshape(8, 8)[:, ::-1]
    return similarity_widget(cosines, np.zeros((8, 4, 4, 3), np.uint8), [f"说明{i}" for i in range(8)])


def test_cells_answer_clicks_and_keys_and_a_caption_that_stands_twice_is_named(published):
    page = published(matrix)
    page.get_by_role("radio", name="CLIP 的梯度").check()
    cells = page.locator(".course-widget-pair")
    cells.nth(10).click()
    expect(page.locator(".course-widget-pairs")).to_contain_text("第 2 张图，第 3 句：说明2")
    cells.nth(10).press("ArrowUp")
    cells.nth(2).press("ArrowRight")
    expect(page.locator(".course-widget-pairs")).to_contain_text("第 1 张图，第 4 句：说明3")
    before = cells.nth(3).get_attribute("aria-label")
    page.get_by_role("slider", name="τ").press("Home")
    assert cells.nth(3).get_attribute("aria-label") != before
    page.get_by_role("checkbox").check()
    expect(page.locator(".course-widget-pairs")).to_contain_text("第 1 张图，第 8 句：说明0")
    expect(page.locator(".course-widget-pairs")).to_contain_text("假负样本")
    assert cells.nth(0).inner_text() == cells.nth(63).inner_text()


def test_a_page_before_sigmoids_has_none_and_its_colours_keep_their_scale(published):
    page = published(
        lambda: similarity_widget(
            np.eye(3), np.zeros((3, 4, 4, 3), np.uint8), list("甲乙丙"), view="CLIP 的梯度 × 2N", pairwise=False
        )
    )
    expect(page.get_by_role("radio")).to_have_count(4)
    expect(page.get_by_role("radio", name="CLIP 的梯度 × 2N")).to_be_checked()
    expect(page.get_by_role("slider")).to_have_count(1)
    expect(page.locator(".course-widget-pairs")).not_to_contain_text("sigmoid")
    cell = page.locator(".course-widget-pair").nth(0)
    for key in ("Home", "End"):
        page.get_by_role("slider", name="τ").press(key)
        shade = float(re.search(r"([0-9.]+)\)$", cell.evaluate("each => each.style.background"))[1])
        value = float(cell.inner_text().replace("−", "-"))
        assert shade == pytest.approx(0.8 * abs(value) / 2, abs=0.01)


@pytest.mark.parametrize("width", [320, 900])
def test_the_matrix_fits(published, width):
    page = published(matrix, viewport={"width": width, "height": 1400})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# ---- the ViT that reads what is drawn


def reader():
    return live_vit(vit(), digits()[0][:3], name="digits", what="…", licence="MIT", about="说明。")


def shares(page):
    texts = page.locator(".course-widget-digit small").all_inner_texts()
    return [0.0 if text == "<0.1%" else float(text.rstrip("%")) for text in texts]


def room(picture):
    with torch.no_grad():
        return (100 * vit()(as_read(picture[None], vit())).softmax(-1)[0]).tolist()


def press_run(page):
    page.get_by_role("button", name="运行").click()
    expect(page.get_by_role("status")).to_contain_text("读成")


def test_nothing_is_asked_for_before_the_reader_runs_it_and_then_nothing_changes(published):
    page = published(reader, "http")
    first, looked = shares(page), page.locator(".course-widget-seeing p[aria-live]").inner_text()
    assert not [name for name in page.asked if name.startswith("digits-")]
    press_run(page)
    assert [name for name in page.asked if name.startswith("digits-")]
    assert shares(page) == first == pytest.approx(room(digits()[0][0]), abs=0.51)
    assert page.locator(".course-widget-seeing p[aria-live]").inner_text() == looked
    page.get_by_role("button", name="换一张真的").click()
    assert shares(page) == pytest.approx(room(digits()[0][1]), abs=0.51)


def test_a_drawing_is_read_by_mouse_and_by_keys(published):
    page = published(reader)
    press_run(page)
    before = shares(page)
    around = page.get_by_role("application").bounding_box()
    middle = around["x"] + around["width"] / 2
    page.mouse.move(middle, around["y"] + 20)
    page.mouse.down()
    page.mouse.move(middle, around["y"] + around["height"] - 20, steps=4)
    page.mouse.up()
    drawn = shares(page)
    assert drawn != before
    page.get_by_role("button", name="擦掉").click()
    wiped = shares(page)
    assert wiped == pytest.approx(room(np.zeros((8, 8), np.uint8)), abs=0.51)
    paper = page.get_by_role("application")
    paper.press(" ")
    for _ in range(10):
        paper.press("ArrowDown")
    assert shares(page) != wiped
    paper.press("Delete")
    assert shares(page) == wiped
    page.get_by_role("radio", name="第 2 层第 3 头").check()
    expect(page.locator(".course-widget-seeing p[aria-live]")).to_contain_text("第 2 层第 3 头")


@pytest.mark.parametrize("width", [320, 360, 900])
def test_it_fits(published, width):
    page = published(reader, viewport={"width": width, "height": 1400})
    press_run(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# ---- the CLIP that ranks captions

TOKENS = [*dict.fromkeys("左上角有一个红蓝色的圆形方中间。"), "red", "circle", "a", "<end>"]
CAPTIONS = ["左上角有一个红色的圆形。", "中间有一个蓝色的方形。", "a red circle"]
END = len(TOKENS) - 1


def pairs():
    torch.manual_seed(2)
    text = TextConfig(n_vocab=len(TOKENS), context=14, end=END, n_layers=1)
    return settled(CLIP(CLIPConfig(image=ImageConfig(), text=text)))


def ranker():
    return live_clip(pairs(), TOKENS, CAPTIONS, end=END, name="clip", what="…", licence="MIT", about="说明。")


def ranking(page):
    return page.locator(".course-widget-caption").all_inner_texts()


def as_shown(scene, captions):
    ids = [read_caption(text, TOKENS, start=(), end=END) for text in captions]
    ranked = rank(pairs(), render(at_position(*scene)), captions, ids)
    return [(each["text"], each["cosine"]) for each in ranked]


def shown_cosines(page):
    lines = [text.replace("−", "-").split("余弦 ") for text in ranking(page)]
    return [(text.strip(), float(rest.split("，")[0])) for text, rest in lines]


def same(ours, theirs):
    assert [text for text, _ in ours] == [text for text, _ in theirs]
    assert [cosine for _, cosine in ours] == pytest.approx([cosine for _, cosine in theirs], abs=6e-4)


def test_captions_are_ranked_as_the_room_ranks_them(published):
    page = published(ranker, "http")
    first = ranking(page)
    assert not [name for name in page.asked if name.startswith("clip-")]
    page.get_by_role("button", name="运行").click()
    expect(page.get_by_role("status")).to_contain_text("分完")
    assert ranking(page) == first
    same(shown_cosines(page), as_shown(("red", "circle", "top left"), CAPTIONS))
    page.get_by_role("combobox", name="颜色").select_option("蓝色")
    page.get_by_role("combobox", name="形状").select_option("正方形")
    page.get_by_role("combobox", name="位置").select_option("右侧")
    same(shown_cosines(page), as_shown(("blue", "square", "right"), CAPTIONS))
    rgba = page.evaluate("""() => { const canvas = document.querySelector(".course-widget-matching canvas");
      return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]; }""")
    picture = np.array(rgba, np.uint8).reshape(32, 32, 4)[..., :3]
    np.testing.assert_array_equal(picture, render(at_position("blue", "square", "right")))


def test_words_that_it_has_not_learnt_are_named(published):
    page = published(ranker)
    page.get_by_role("button", name="运行").click()
    page.get_by_role("textbox").fill("红色的圆形\na banana\n红色的龘\n" + "圆形" * 7)
    status = page.get_by_role("status")
    expect(status).to_contain_text("「a banana」里有模型没学过的：banana。")
    expect(status).to_contain_text("「红色的龘」里有模型没学过的：龘。")
    expect(status).to_contain_text("占 15 个词元，模型最多读 14 个")
    same(shown_cosines(page), as_shown(("red", "circle", "top left"), ["红色的圆形"]))
    page.get_by_role("textbox").fill(" \n")
    expect(status).to_contain_text("请写一句话")


@pytest.mark.parametrize("width", [320, 900])
def test_the_ranking_fits(published, width):
    page = published(ranker, viewport={"width": width, "height": 1400})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
