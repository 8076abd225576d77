"""The triangle in a browser: what stands there is what the rooms train, and hands and keys turn it."""

import re

import pytest
import torch
from playwright.sync_api import expect

from course_lib.toys.three_answers import World, three_answers
from course_lib.widgets.live_triangle import lacks, live_triangle
from course_lib.widgets.triangle_paths import Settings, path

STEPS = 120


def two():
    return live_triangle(("exact", "REINFORCE"), steps=STEPS)


def three():
    return live_triangle(("PPO", "DPO", "GRPO"), steps=STEPS)


def table(page):
    """method -> (KL at the step shown, mean of the last quarter, whether it arrived)."""
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("tbody tr:has(th)").all()]
    return {name.strip(): (now, *tail.split("，")) for name, now, tail in rows}


def number(text):
    return float(text.replace("−", "-"))


@pytest.mark.parametrize("scheme", ["http", "file"])
@pytest.mark.parametrize(("make", "names"), [(two, {"精确梯度": "exact", "REINFORCE": "REINFORCE"}), (three, {})])
def test_the_table_says_what_the_rooms_reach(published, scheme, make, names):
    page = published(make, scheme)
    world = three_answers()
    shown = table(page)
    assert len(shown) == (2 if make is two else 3)
    for name, (now, tail, verdict) in shown.items():
        wanted = lacks(path(names.get(name, name), world, Settings(), steps=STEPS), world)
        assert number(now) == pytest.approx(float(wanted[-1]), rel=0.5 if wanted[-1] < 1e-3 else 0.06), name
        mean = float(wanted[-STEPS // 4 :].mean())
        assert number(tail) == pytest.approx(mean, rel=0.5 if mean < 1e-3 else 0.06), name
        assert (verdict == "到了") == (mean < 1e-3)
    assert set(page.asked) <= {"page.html", "course-widgets.js", "favicon.ico"}


def test_what_stands_in_the_way_is_named_and_switched_off_it_goes(published):
    page = published(three)
    why = page.locator(".course-widget-world")
    expect(why).to_contain_text("除以组内标准差")
    expect(why).to_contain_text("评论家在这里就是精确的均值。DPO 一步看全部偏好对")
    page.get_by_role("checkbox", name="GRPO：除以组内标准差").uncheck()
    expect(why).not_to_contain_text("除以组内标准差")
    page.get_by_role("checkbox", name="PPO：优势白化").uncheck()
    assert table(page)["PPO"][2] == "到了"
    page.get_by_role("combobox", name="偏好对里没有").select_option(label="好")
    expect(why).to_contain_text("数据里没有「好」")
    assert table(page)["DPO"][2] == "没到"
    page.get_by_role("combobox", name="偏好对里没有").select_option(label="都有")
    page.get_by_role("slider", name="偏好对").press("Home")
    expect(why).to_contain_text("只有 30 对")


def test_how_much_the_clip_takes_away_is_told(published):
    page = published(three)
    world = page.locator(".course-widget-world")
    clip = page.get_by_role("slider", name="剪切 ε")
    shares = []
    for key in ("Home", "ArrowRight"):
        clip.press(key)
        told = re.search(r"ε = ([\d.]+)，剪掉的梯度占 PPO ([\d.]+)%，GRPO ([\d.]+)%", world.inner_text())
        shares.append([float(each) for each in told.groups()])
    (tight, ppo, grpo), (wide, *more) = shares
    assert tight < wide and 0 < more[1] < grpo < 100 and 0 < more[0] != ppo  # whitened, PPO walks far at any width
    page.get_by_role("slider", name="一批用几次").press("Home")  # at the first use the ratio is 1
    expect(world).to_contain_text("占 PPO 0.0%，GRPO 0.0%")
    clip.press("End")
    expect(world).to_contain_text("不剪。")


def test_the_path_begins_where_the_reader_points_by_hand_or_key(published):
    page = published(two)
    triangle = page.get_by_role("application")
    began = page.locator("svg g polyline").first
    before = began.get_attribute("points").split()[0]
    box = triangle.bounding_box()
    scale = box["width"] / 320
    page.mouse.click(box["x"] + 150 * scale, box["y"] + 180 * scale)
    x, y = map(float, began.get_attribute("points").split()[0].split(","))
    assert (x, y) == (pytest.approx(150, abs=1), pytest.approx(180, abs=1))
    triangle.press("ArrowRight")
    assert float(began.get_attribute("points").split()[0].split(",")[0]) == pytest.approx(x + 8, abs=0.2)
    page.get_by_role("button", name="从参考策略出发").click()
    assert began.get_attribute("points").split()[0] == before


def test_it_runs_stops_and_is_scrubbed(published):
    page = published(two)
    step = page.get_by_role("slider", name="第几步")
    assert step.input_value() == str(STEPS)
    page.get_by_role("button", name="运行").click()
    page.wait_for_function("document.querySelector('.course-widget-triangle button').textContent === '■ 停'")
    page.get_by_role("button", name="停").click()
    assert 0 < int(step.input_value()) < STEPS
    step.press("Home")
    world = three_answers()
    assert all(
        number(now) == pytest.approx(float(lacks(world.reference[None], world)), abs=1e-3)
        for now, *_ in table(page).values()
    )
    assert len(page.locator("svg g polyline").first.get_attribute("points").split()) == 1
    page.get_by_role("button", name="运行").press("Enter")
    expect(step).to_have_value(str(STEPS), timeout=15_000)


def test_who_prefers_no_motion_sees_the_end_at_once(published):
    page = published(two, reduced_motion="reduce")
    page.get_by_role("slider", name="第几步").press("Home")
    page.get_by_role("button", name="运行").click()
    assert page.get_by_role("slider", name="第几步").input_value() == str(STEPS)


def test_other_luck_gives_another_path_and_the_exact_gradient_has_none(published):
    page = published(two)
    lines = page.locator("svg g polyline")
    exact, drawn = (lines.nth(i).get_attribute("points") for i in range(2))
    page.get_by_role("button", name="换一次运气").click()
    assert lines.nth(0).get_attribute("points") == exact and lines.nth(1).get_attribute("points") != drawn


def test_beta_moves_the_optimum(published):
    page = published(two)
    told = page.get_by_text("π* =")
    for key in ("Home", "End"):
        page.get_by_role("slider", name="β").press(key)
        beta = float(page.locator("output").first.inner_text())
        found = [float(p) for p in re.findall(r"\d\.\d{3}", told.inner_text().split("。")[0])]
        torch.testing.assert_close(torch.tensor(found), three_answers(beta).best.exp().float(), rtol=0, atol=6e-4)


def test_a_run_that_bursts_says_so(published):
    probs = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    world = World(probs.log(), torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64), 0.8)
    page = published(lambda: live_triangle(("GRPO",), world=world, steps=STEPS))
    page.get_by_role("slider", name="学习率", exact=True).press("End")
    for _ in range(20):
        if "数值溢出" in page.locator("tbody").inner_text():
            break
        page.get_by_role("button", name="换一次运气").click()
    expect(page.locator("tbody")).to_contain_text("数值溢出，学习率太大")
    expect(page.locator("tbody")).to_contain_text("散了")
    assert "NaN" not in page.locator(".course-widget-world").inner_html()


@pytest.mark.parametrize("width", [320, 390, 900])
def test_it_fits(published, width):
    page = published(three, viewport={"width": width, "height": 1400})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_method_is_hidden_and_shown_by_key(published):
    page = published(three)
    lines = page.locator("svg g polyline")
    assert lines.count() == 6
    page.get_by_role("checkbox", name="画 DPO").press("Space")
    assert lines.count() == 4
    expect(page.get_by_role("checkbox", name="画 DPO")).to_be_focused()
