"""What net.js computes in a browser is what the rooms compute, and the widget around it answers; no site is needed."""

import base64
import itertools
import json

import pytest
import torch
from playwright.sync_api import expect

from course_lib import zoo
from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.generation import greedy
from course_lib.decoding.sampling import log_probs, penalise, said_in
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.widgets.figure import script, source
from course_lib.widgets.live_model import attention_maps, distributions, live_text, pack, spell, weights_script

CHARACTERS = "\n，。" + "春眠不觉晓处闻啼鸟夜来风雨声花落知多少白日依山尽黄河入海流欲穷千里目更上一层楼"
SCHEMES = ["http", "file"]


def characters(seed=0, context=96):
    """An untrained GPT-2 with biases, whose weights fp16 holds, and which does not only repeat itself."""
    torch.manual_seed(seed)
    config = GPT2Config(n_vocab=len(CHARACTERS), context=context, d_model=48, n_layers=3, n_heads=4, init_std=0.3)
    model = GPT2(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.2)
    torch.nn.init.normal_(model.norm_out.weight, std=0.5)  # with ones a tied head mostly repeats what it has read
    return model.load_state_dict({name: each.half().float() for name, each in model.state_dict().items()}) and model


def floats(numbers):
    return torch.tensor(numbers, dtype=torch.float32)


def captions():
    return zoo.load("gpt2-captions")


MODELS = {"characters": characters, "captions": captions}


def weights_of(model, name="model"):
    texts = [chr(0x4E00 + i) for i in range(model.config.n_vocab)]
    return weights_script(name, *pack(model, texts, what="…", licence="MIT"))


@pytest.fixture
def computing(laid):
    """computing(scheme, model): a page in which `net` is the model, read from its script."""

    def opened(scheme, model):
        file, text = weights_of(model)
        page = laid('<script src="net.js"></script>', scheme, {"net.js": script("net"), f"models/{file}": text})
        page.evaluate("file => fetchWeights(file).then((weights) => { window.net = new GPT2(weights); })", file)
        return page

    return opened


READ = """ids => { net.crop(0); return ids.map((id) => {
  const { logits, attention } = net.step(id);
  return { logits: [...logits], attention: attention.map((heads) => heads.map((weights) => [...weights])) };
}); }"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", MODELS)
def test_logits_and_attention_are_the_rooms(computing, scheme, name):
    model = MODELS[name]()
    page = computing(scheme, model)
    chance = torch.Generator().manual_seed(0)
    for length in (1, 2, 7, model.config.context):
        ids = torch.randint(model.config.n_vocab, (1, length), generator=chance)
        with torch.inference_mode():
            logits, maps = model(ids)[0], attention_maps(model, ids)[:, 0]
        read = page.evaluate(READ, ids[0].tolist())
        for t, step in enumerate(read):
            torch.testing.assert_close(floats(step["logits"]), logits[t], rtol=0, atol=1e-4)
            torch.testing.assert_close(floats(step["attention"]), maps[:, :, t, : t + 1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_64_greedy_tokens_are_the_rooms(computing, scheme):
    model = characters(context=96)
    page = computing(scheme, model)
    for first in range(3, 8):
        ours = page.evaluate(
            """id => { net.crop(0); const said = []; for (let token = id; said.length < 64; said.push(token)) {
                 const { logits } = net.step(token); token = logits.indexOf(Math.max(...logits)); } return said; }""",
            first,
        )
        theirs = greedy(FastGPTReader(model, 96), torch.tensor([[first]]), 64)[0].tolist()
        assert ours == theirs and len(set(theirs)) > 5


def test_a_cache_that_is_cropped_goes_on_as_if_it_had_never_read_more(computing):
    page = computing("file", characters())
    once = page.evaluate(READ, [3, 4, 5, 6])[-1]
    again = page.evaluate("() => { net.step(9); net.crop(3); return [...net.step(6).logits]; }")
    assert again == once["logits"]


def test_what_cannot_be_read_is_refused(computing):
    page = computing("file", characters(context=4))
    refusals = page.evaluate("""() => [[0, 1, 2, 3, 4], [99], [-1]].map((ids) => {
      net.crop(0); try { ids.forEach((id) => net.step(id)); } catch (error) { return error.message; } })""")
    assert "holds 4 tokens" in refusals[0] and "99" in refusals[1] and "-1" in refusals[2]


def test_the_weights_arrive_as_they_were_sent(computing):
    model = characters()
    page = computing("file", model)
    arrived = page.evaluate(
        "() => Object.fromEntries(Object.entries(net.tensors).map(([name, tensor]) => [name, [...tensor]]))"
    )
    assert set(arrived) == set(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert arrived[name] == tensor.flatten().tolist(), name


def test_every_number_of_16_bits_is_read_right(laid):
    page = laid('<script src="net.js"></script>', files={"net.js": script("net")})
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16)
    numbers = bits.view(torch.float16)
    finite = numbers.isfinite()
    read = torch.tensor(page.evaluate("() => Array.from({ length: 65536 }, (_, bits) => fromHalf(bits))"))
    assert torch.equal(read[finite], numbers[finite].float())


# ---- the draw

KNOBS = [
    dict(zip(("temperature", "top_k", "top_p", "repetition_penalty"), values))
    for values in itertools.product((0, 0.3, 1, 1.7), (None, 1, 5, 10_000), (None, 0.1, 0.9, 1.0), (1, 1.3, 0.7))
]


def test_the_distribution_after_the_knobs_is_the_rooms(laid):
    page = laid('<script src="net.js"></script>', files={"net.js": script("net")})
    logits = 3 * torch.randn(1, 300, generator=torch.Generator().manual_seed(0))
    logits[0, 7] = logits[0].topk(5).values[-1]  # two are equal where top-k cuts
    said = torch.tensor([[1, 2, 7, int(logits.argmax())]])
    ours = page.evaluate(
        """([logits, said, all]) => all.map((knobs) =>
             [...softmax(turnKnobs(Float32Array.from(logits), { ...knobs, said: new Set(said) }))])""",
        [logits[0].tolist(), said[0].tolist(), KNOBS],
    )
    for knobs, got in zip(KNOBS, ours):
        rest = {name: value for name, value in knobs.items() if name != "repetition_penalty"}
        turned = penalise(logits, said_in(said, 300), knobs["repetition_penalty"])
        wanted = log_probs(turned, **rest).exp()[0]
        torch.testing.assert_close(floats(got), wanted, rtol=0, atol=1e-5, msg=str(knobs))
        assert [p == 0 for p in got] == (wanted == 0).tolist(), knobs


def test_tokens_are_drawn_as_often_as_their_probabilities_say(laid):
    page = laid('<script src="net.js"></script>', files={"net.js": script("net")})
    probs = torch.tensor([0.5, 0.25, 0.15, 0.1, 0])
    n = 20_000
    drawn = page.evaluate(
        """([logits, n]) => { const x = Float32Array.from(logits, (value) => value ?? -Infinity);
             return Array.from({ length: n }, (_, seed) => draw(x, randomNumbers(seed))); }""",
        [[None if not p else float(p.log()) for p in probs], n],
    )
    shares = torch.tensor(drawn).bincount(minlength=5) / n
    assert shares[4] == 0 and ((shares - probs).abs() < 4 * (probs * (1 - probs) / n).sqrt() + 1e-9).all(), shares
    same = page.evaluate("() => [3, 3].map((seed) => Array.from({ length: 9 }, randomNumbers(seed)))")
    assert same[0] == same[1] and all(0 <= number < 1 for number in same[0])


# ---- the widget


def poet(**more):
    settings = {"prompt": "春眠", "start": [0], "end": [0], "breaks": ["，", "。"], "temperature": 1.5, "top_p": 0.9}
    return live_text(
        characters(context=24),
        list(CHARACTERS),
        name="poet",
        what="…",
        licence="MIT",
        about="说明。",
        **settings | more,
    )


@pytest.fixture
def show(published):
    """show(scheme, make, **context): a page with the widget, as publishing lays it out."""
    return lambda scheme="file", make=poet, **context: published(make, scheme, **context)


def run(page):
    """Press 运行 and wait until the text is written."""
    page.get_by_role("button", name="运行").click()
    expect(told(page)).to_contain_text("写", timeout=15_000)
    expect(told(page)).not_to_contain_text("取")


def told(page):
    """The line under the widget."""
    return page.locator(".course-widget-status")


def words(page):
    """What stands in the tiles, the edge before them left out."""
    return "".join(page.locator(".course-widget-tile").all_inner_texts()).removeprefix("↵")


def rows(page):
    return [text.split() for text in page.locator(".course-widget-candidate").all_inner_texts()]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_asked_for_before_the_reader_runs_it(show, scheme):
    page = show(scheme)
    expect(page.locator(".course-widget-tile").first).to_be_visible()
    assert set(page.asked) <= {"page.html", "course-widgets.js", "favicon.ico"}
    assert told(page).inner_text() == "说明。"
    before = set(page.asked)
    page.get_by_role("button", name="运行").evaluate("button => { button.click(); button.click(); }")  # impatient
    expect(told(page)).to_contain_text("写", timeout=15_000)
    assert [name[:5] for name in set(page.asked) - before] == ["poet-"]
    run(page)
    assert page.asked.count(max(page.asked)) == 1 and len(words(page)) > 2


def test_the_first_frame_is_what_the_page_computes_itself(show):
    page = show()
    first, looked = rows(page), page.locator(".course-widget-looked").inner_text()
    assert len(first) == 10
    run(page)
    page.get_by_role("radio", name="第 3 个").check()
    assert rows(page) == first and page.locator(".course-widget-looked").inner_text() == looked


def test_the_bars_are_the_rooms_distribution(show):
    page = show()
    run(page)
    for _ in range(8):
        page.get_by_role("slider", name="温度").press("ArrowLeft")
    for _ in range(4):
        page.get_by_role("slider", name="top-k").press("ArrowLeft")  # 100, 50, 20, 10
    page.get_by_role("slider", name="重复惩罚").press("ArrowRight")
    ids = torch.tensor([[0, *spell(words(page), CHARACTERS)]])
    knobs = {"temperature": 1.1, "top_k": 10, "top_p": 0.9, "repetition_penalty": 1.05}
    before, after = distributions(characters(context=24), ids, **knobs)
    largest = max(float(before.max()), float(after.max()))
    bars = page.locator(".course-widget-candidate").evaluate_all(
        """rows => rows.map((row) => [row.querySelector('b').textContent,
             ...Array.from(row.querySelectorAll('i'), (line) => parseFloat(line.style.width))])"""
    )
    assert len(bars) == 10
    for text, *widths in bars:
        token = CHARACTERS.index(text.replace("↵", "\n"))
        wanted = [100 * float(each[token]) / largest for each in (before, after)]
        assert widths == pytest.approx(wanted, abs=0.02), text


def test_the_same_seed_writes_the_same_and_another_seed_another(show):
    page = show()
    run(page)
    first = words(page)
    run(page)
    assert words(page) == first and first.startswith("春眠")
    page.get_by_role("button", name="换一种写法").click()
    expect(told(page)).to_contain_text("写", timeout=15_000)
    assert words(page) != first and page.get_by_role("spinbutton").input_value() == "1"


def test_a_bar_that_is_clicked_is_written(show):
    page = show()
    run(page)
    page.get_by_role("radio", name="第 4 个").check()
    kept = words(page)[:3]
    row = page.locator(".course-widget-candidate").nth(4)
    chosen = row.locator("b").inner_text()
    row.click()
    assert words(page) == kept + chosen.replace("↵", "")
    page.get_by_role("button", name="下一个").click()
    assert len(words(page)) >= len(kept)


def test_keys_alone_do_it_all(show):
    page = show()
    field = page.get_by_role("textbox", name="开头")
    field.fill("白日")
    field.press("Enter")
    page.wait_for_function("document.querySelectorAll('.course-widget-tile').length > 4")
    field.press("Escape")
    written = words(page)
    page.wait_for_timeout(400)
    assert words(page) == written and written.startswith("白日")
    asking = "document.querySelector('.course-widget-asking').textContent"
    here = page.evaluate(asking)
    page.locator(".course-widget-tile input:checked").press("ArrowLeft")
    assert page.evaluate(asking) != here or written[-1] == written[-2]
    page.get_by_role("radio", name="第 1 层第 2 头").check()
    expect(page.locator(".course-widget-looked")).to_contain_text("第 1 层第 2 头")
    page.locator(".course-widget-candidate").first.press("Enter")
    assert len(words(page)) <= len(written)


def test_what_the_model_cannot_read_is_named(show):
    page = show()
    field, status = page.get_by_role("textbox", name="开头"), told(page)
    for text, complaint in (("春龘𠀀眠龘", "「龘」「𠀀」"), ("春眠" * 12, "开头占 25 个")):
        field.fill(text)
        field.press("Enter")
        expect(status).to_contain_text(complaint)
    field.fill("春")
    field.press("Enter")
    expect(status).not_to_contain_text("开头占")
    page.wait_for_function("document.querySelector('.course-widget-tile').textContent === '↵'")


def test_who_prefers_no_motion_sees_the_whole_at_once(show):
    page = show(reduced_motion="reduce")
    page.evaluate("""() => { window.lengths = new Set(); new MutationObserver(() =>
        lengths.add(document.querySelectorAll('.course-widget-given ~ .course-widget-tile').length))
        .observe(document.body, { subtree: true, childList: true }); }""")
    run(page)
    assert len(page.evaluate("[...lengths]")) <= 2


def test_without_a_network_it_says_so_and_later_it_runs(show):
    page = show("http")
    page.context.set_offline(True)
    page.get_by_role("button", name="运行").click()
    expect(told(page)).to_contain_text("请检查网络")
    page.context.set_offline(False)
    run(page)
    page.context.set_offline(True)
    run(page)
    assert len(words(page)) > 2


@pytest.mark.parametrize("width", [320, 390, 900])
def test_it_fits_and_nothing_moves_while_it_writes(show, width):
    page = show(viewport={"width": width, "height": 1400})
    height = page.locator("#after").bounding_box()["y"]
    tops = {height}
    page.get_by_role("button", name="运行").click()
    while "写" not in told(page).inner_text():
        tops.add(page.locator("#after").bounding_box()["y"])
        page.wait_for_timeout(100)
    assert max(tops) - min(tops) < 1  # a browser rounds the height of lines: half a pixel is seen now and then
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_keys_in_it_turn_no_slide(show):
    page = show()
    page.evaluate("window.heard = []; document.addEventListener('keydown', (event) => heard.push(event.key))")
    page.get_by_role("textbox", name="开头").press("ArrowRight")
    page.get_by_role("button", name="运行").press("Enter")
    assert page.evaluate("heard") == []


WITH_KERNEL = """async ([address, state, data]) => {
  const { default: widget } = await import(address);
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  state.weights = new DataView(bytes.buffer);
  widget.render({ model: { get: (key) => state[key], on() {}, off() {} }, el: document.body });
}"""


def test_with_a_kernel_the_weights_come_as_bytes(laid):
    made = poet()
    header, data = made.header, made.weights
    page = laid("")
    address = "data:text/javascript;base64," + _base64(source("live_text").encode())
    state = made.state() | {"header": header}
    page.evaluate(WITH_KERNEL, [address, json.loads(json.dumps(state)), _base64(data)])
    run(page)
    assert words(page).startswith("春眠") and len(words(page)) > 2 and len(page.asked) == 1


def _base64(data):
    return base64.b64encode(data).decode()
