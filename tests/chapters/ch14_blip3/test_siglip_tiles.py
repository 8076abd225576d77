"""The batches of the SigLIP that sees tiles, and what it can tell apart."""

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch14_blip3 import siglip_tiles
from course_lib.chapters.ch14_blip3.posters import DIGITS, TILE, WHATS, poster
from course_lib.data.world.captions import ZH
from course_lib.data.world.scenes import COLOURS, KINDS


def test_a_batch_of_one_thing_each_has_every_name_once():
    pictures, ids = siglip_tiles.one_each(3)
    names = [siglip_tiles.named(colour, what) for colour in COLOURS for what in WHATS]
    assert pictures.shape == (128, 3, TILE, TILE)
    assert torch.equal(ids, siglip_tiles.encode(names)) and len(set(names)) == 128


def test_texts_of_several_things_name_all_of_them_in_three_colours():
    _, ids = siglip_tiles.several(2)
    letters = {i: word for word, i in siglip_tiles.words().ids.items()}
    texts = ["".join(letters.get(i, "") for i in row) for row in ids.tolist()]
    counts = [sum(text.count(ZH[colour]) for colour in COLOURS) for text in texts]
    assert set(counts) == {2, 3}
    assert len({colour for text in texts for colour in COLOURS if ZH[colour] in text}) == 3
    assert len(set(texts)) >= 120  # what is said twice is a wrong negative


def test_the_text_says_what_is_on_it_whatever_the_order():
    one = poster(4, n_things=(3, 3))
    text = siglip_tiles.text_of(one)
    assert text == siglip_tiles.text_of(one._replace(things=one.things[::-1]))
    assert all(siglip_tiles.named(thing.colour, thing.what) in text for thing in one.things)


def test_things_come_alone_before_they_come_together():
    assert all(siglip_tiles.batches(step) is siglip_tiles.one_each(step % siglip_tiles.N_BATCHES) for step in (0, 3))
    later = siglip_tiles.ALONE + -siglip_tiles.ALONE % 3
    assert siglip_tiles.batches(later) is siglip_tiles.several(later // 3 % siglip_tiles.N_BATCHES)
    assert siglip_tiles.batches(later + 1) is siglip_tiles.one_each((later + 1) % siglip_tiles.N_BATCHES)


def test_a_tile_is_not_squeezed():
    pictures = torch.stack([poster(n, TILE, TILE).picture for n in range(3)])
    torch.testing.assert_close(siglip_tiles.squeezed(pictures), pictures)


@pytest.mark.parametrize("whats", [KINDS, DIGITS])
def test_what_a_tile_shows_the_squeezed_view_of_a_large_poster_has_lost(whats):
    model = zoo.load("siglip-tiles")
    shown, lost = (siglip_tiles.accuracy(model, whats, side) for side in (TILE, 3 * TILE))
    assert shown > lost + 0.25
