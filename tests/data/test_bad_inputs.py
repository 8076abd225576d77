"""What readers and authors plausibly hand in by mistake: each is refused in the room's own words."""

from math import inf, nan

import numpy as np
import pytest
from PIL import Image

from course_lib.chapters.ch06_transformer import numerals
from course_lib.chapters.ch07_gpt1 import painters
from course_lib.data import images
from course_lib.data.text import corpora, demonstrations, minhash, mixture, quality_filter, web_text
from course_lib.data.world import boxes, captions, dice, questions, render, rewards, scenes, video

SCENE = scenes.scatter(0)
GREY, HALF = np.full((5, 7, 3), 128, np.uint8), np.full((5, 7, 3), 0.5)
CASES = [
    (lambda: images.VIT([]), ValueError, "there are 0 pictures"),
    (lambda: images.VIT("cat.png"), TypeError, "the picture is of type str; a Pillow image or an array is needed"),
    (lambda: images.VIT([None]), TypeError, "the picture is of type NoneType"),
    (lambda: images.VIT(Image.new("RGB", (0, 5))), ValueError, "the picture has 0×5 pixels; at least 1×1 is needed"),
    (lambda: images.CLIP(GREY[:0]), ValueError, "the picture has 7×0 pixels; at least 1×1 is needed"),
    (
        lambda: images.CLIP(GREY[0, 0]),
        ValueError,
        r"the picture has shape \(3,\); \[H W\] or \[H W colours\], 1, 3",
    ),
    (lambda: images.CLIP(GREY[..., :2]), ValueError, r"the picture has shape \(5, 7, 2\); .* is needed$"),
    (lambda: images.CLIP(GREY.transpose(2, 0, 1)), ValueError, r"\(3, 5, 7\); .*put the colours last: x.transpose"),
    (lambda: images.SIGLIP(HALF * nan), ValueError, "105 of 105 numbers of the picture are NaN or infinite"),
    (lambda: images.SIGLIP(np.where(HALF > 1, HALF, inf)), ValueError, "105 of 105 numbers"),
    (lambda: images.SIGLIP(HALF * 255), ValueError, r"float64 from 127.5 to 127.5; 0 … 1 .*write x.astype\(np.uint8\)"),
    (lambda: images.SIGLIP(HALF - 1), ValueError, r"holds float64 from -0.5 to -0.5; 0 … 1 is needed$"),
    (lambda: images.SIGLIP(GREY * 2 + np.int64(256)), ValueError, "holds int64 from 256 to 256; 0 … 255 is needed$"),
    (
        lambda: images.SIGLIP(GREY > 3),
        TypeError,
        "the picture holds bool; give whole numbers 0 … 255 or",
    ),
    (
        lambda: images.VIT(Image.new("I", (5, 7))),
        ValueError,
        "mode 'I', more than 8 bits a colour; give an array from 0",
    ),
    (lambda: images.CLIP(np.zeros((1, 1001), np.uint8)), ValueError, "1001×1, is over 1000 times as long as wide"),
    (lambda: images.Preprocessing(size=0), ValueError, r"size \(0\) must be at least 1"),
    (lambda: images.Preprocessing(size=2.5), TypeError, "size is 2.5; a whole number is needed"),
    (lambda: dice.Dice(0).sample([1, 2, 3], -1), ValueError, "cannot take -1 different items out of 3"),
    (lambda: dice.Dice(0).below(2.5), TypeError, "'float'"),
    (lambda: scenes.hold_out_triples(0, -5), ValueError, r"percent \(-5\) must lie in 0 … 100"),
    (lambda: scenes.hold_out_triples(0, 120), ValueError, r"percent \(120\)"),
    (lambda: scenes.hold_out_pairs(0, -1), ValueError, "cannot take -1 different items"),
    (lambda: scenes.scatter(0, n_shapes=3), ValueError, r"n_shapes 3 must be \(fewest, most\)"),
    (lambda: scenes.Scene("8", 8), TypeError, "width is '8'"),
    (lambda: scenes.Scene(8, 8, background=nan), ValueError, r"background.*nan"),
    (lambda: scenes.Scene.from_json("{}"), TypeError, "width"),
    (lambda: scenes.Scene.from_json("[]"), ValueError, "the scene holds a list"),
    (lambda: scenes.Scene.from_json('{"width": 3'), ValueError, "the scene is no JSON .line 1, column 12"),
    (lambda: scenes.Scene.from_json("[" * 10**5), ValueError, "nested too deeply"),
    (lambda: video.Video.from_json("{}"), TypeError, "width"),
    (lambda: video.random_video(0, n_shapes=-1), ValueError, r"n_shapes \(-1\) must be at least 1"),
    (lambda: video.random_video(0, size="huge"), ValueError, "unknown size 'huge'; known: tiny"),
    (lambda: render.render(SCENE, scale=nan), ValueError, "scale is nan"),
    (lambda: captions.parse_caption(None), TypeError, "text is of type NoneType"),
    (lambda: boxes.to_thousand([nan, 2, 3, 4], 5, 5), ValueError, "4 finite numbers.*nan"),
    (lambda: boxes.smart_resize(100, 100, min_pixels=10**6, max_pixels=10), ValueError, r"\(10\).*\(1000000\)"),
    (lambda: boxes.iou([1, 2, 3], [1, 2, 3, 4]), ValueError, r"shape \(3,\) must end in 4"),
    (lambda: boxes.resize_boxes([1, 2, 3], (4, 4), (8, 8)), ValueError, r"shape \(3,\) must end in 4"),
    (lambda: boxes.box_text([1, 2, 3]), ValueError, r"shape \(3,\) must end in 4"),
    (lambda: questions.Query("count", ("pink",)), ValueError, "unknown word 'pink'; known: red"),
    (lambda: questions.sample_queries(SCENE, 0, n=-2), ValueError, r"n \(-2\)"),
    (lambda: numerals.number_pair(2.5), TypeError, "n is 2.5"),
    (lambda: numerals.decode_target([0.5]), TypeError, r"whole numbers, got \[0.5\]"),
    (lambda: mixture.epochs(-0.5, 10), ValueError, r"weight \(-0.5\) must lie in 0 … 1"),
    (lambda: mixture.draw_sources([1, inf], 3, np.random.default_rng(0)), ValueError, "inf.*finite"),
    (lambda: minhash.deduplicate("abcab"), TypeError, "texts must be a list of str"),
    (lambda: minhash.deduplicate([b"ab"]), TypeError, "b'ab'"),
    (lambda: minhash.collision_probability(2.0, 3, 2), ValueError, r"s \(2.0\)"),
    (lambda: minhash.collision_probability(0.5, -3, 2), ValueError, r"bands \(-3\)"),
    (lambda: minhash.knee(0, 3), ValueError, r"bands \(0\)"),
    (lambda: minhash.clusters(2, [(0, 5)]), ValueError, r"pair of 2 documents \(\(0, 5\)\) must lie in 0 … 1"),
    (lambda: quality_filter.keep_probability(1.5), ValueError, r"score \(1.5\)"),
    (lambda: quality_filter.keep_probability([0.5, 3]), ValueError, r"score \(\[0.5, 3\]\)"),
    (lambda: quality_filter.hashed_shares("abc"), TypeError, "'abc'"),
    (lambda: painters.write([-1]), ValueError, "id -1 is not in the vocabulary"),
    (lambda: painters.write([999]), ValueError, "id 999 is not in the vocabulary"),
    (lambda: web_text.crawl(5, 0, shares={"clean": 150, "copy": -50}), ValueError, "'copy': -50"),
    (lambda: web_text.curated(2.5, 0), TypeError, "n is 2.5"),
    (lambda: corpora.scene_sentences(2.5, 0), TypeError, "n is 2.5"),
    (lambda: demonstrations.documents(0, 2, nan), ValueError, "nan"),
    (lambda: rewards.count_reward(None, 3), TypeError, "text is of type NoneType"),
    (lambda: rewards.box_reward(None, [0, 0, 1, 1]), TypeError, "text is of type NoneType"),
    (lambda: rewards.exact_match(None, "a"), TypeError, "text is of type NoneType"),
]


@pytest.mark.parametrize(("call", "error", "says"), CASES)
def test_is_refused_by_the_room(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()


def test_rewards_never_raise_on_what_a_model_wrote():
    for n in (30, 400, 5000):
        assert rewards.count_reward("九" * n, 3) == rewards.count_reward("9" * n, 3) == 0
        assert rewards.seconds_reward("9" * n, 3) == 0
        assert rewards.box_reward(f"<box>({'9' * n},1),(2,3)</box>", [0, 0, 1, 1]) == 0


def test_what_is_empty_stays_empty():
    assert minhash.deduplicate([]) == []
    assert boxes.iou(np.zeros((0, 4)), [0, 0, 1, 1]).shape == (0,)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("二百三十", 230), ("有二百三十个圆形", 230), ("一百", 100), ("一百零五", 105), ("两千零二十四", 2024)],
        *[("一万", 10_000), ("十二万三千四百五十六", 123_456), ("三千万", 30_000_000), ("一万零一", 10_001)],
        *[("二百五", None), ("二十三十", None), ("百", None), ("千万不要，三个", 3)],
    ],
)
def test_numerals_with_places(text, number):
    assert rewards.first_number(text) == number


def test_every_numeral_of_the_task_is_read_back():
    for n in (*numerals.edge_numbers(), *range(0, 30_000, 7)):
        assert rewards.first_number(numerals.number_pair(n).source) == n
