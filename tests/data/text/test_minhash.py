"""MinHash: the proof by all orders, the error of the estimate, the S-curve; datasketch as the other side."""

from itertools import combinations, permutations

import numpy as np
import pytest
from datasketch import MinHash as KeptMinHash
from datasketch import MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.text import minhash
from course_lib.data.text.minhash import MinHash, jaccard, shingles


def pair_of(n_common: int, n_each: int) -> tuple[set[str], set[str]]:
    """Two sets of Jaccard n_common / (n_common + 2 n_each)."""
    common = {f"c{i}" for i in range(n_common)}
    return common | {f"a{i}" for i in range(n_each)}, common | {f"b{i}" for i in range(n_each)}


@given(st.sets(st.sampled_from("abcde")), st.sets(st.sampled_from("abcde")))
@settings(max_examples=30)
def test_the_proof_by_all_orders(a, b):
    """Whoever is first in the union decides: the minima are equal if and only if it is in both."""
    union = sorted(a | b)
    if not a or not b:
        return
    first, same, n_orders = dict.fromkeys(union, 0), 0, 0
    for order in permutations(union):
        n_orders += 1
        first[order[0]] += 1
        agree = min(a, key=order.index) == min(b, key=order.index)
        assert agree == (order[0] in a & b)
        same += agree
    assert set(first.values()) == {n_orders // len(union)}
    assert same / n_orders == pytest.approx(jaccard(a, b))


@pytest.mark.parametrize(("n_common", "n_each"), [(10, 45), (50, 25), (90, 5)])
def test_the_estimate_is_unbiased_and_as_far_off_as_theory_says(n_common, n_each):
    one, other = pair_of(n_common, n_each)
    truth, n_hashes = jaccard(one, other), 64
    drawn = np.array(
        [
            minhash.estimate(maker.signature(one), maker.signature(other))
            for maker in (MinHash(n_hashes, seed=seed) for seed in range(300))
        ]
    )
    spread = (truth * (1 - truth) / n_hashes) ** 0.5
    assert abs(drawn.mean() - truth) < 4 * spread / 300**0.5
    assert drawn.std() == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize(("n_common", "n_each"), [(10, 45), (50, 25), (90, 5)])
def test_datasketch_estimates_the_same_within_both_errors(n_common, n_each):
    one, other = pair_of(n_common, n_each)
    truth, n_hashes = jaccard(one, other), 512
    sketches = [KeptMinHash(num_perm=n_hashes, seed=7) for _ in range(2)]
    for sketch, items in zip(sketches, (one, other)):
        sketch.update_batch([item.encode() for item in items])
    maker = MinHash(n_hashes, seed=7)
    ours, theirs = minhash.estimate(maker.signature(one), maker.signature(other)), sketches[0].jaccard(sketches[1])
    spread = (truth * (1 - truth) / n_hashes) ** 0.5
    assert abs(ours - truth) < 4 * spread and abs(theirs - truth) < 4 * spread
    assert abs(ours - theirs) < 5 * 2**0.5 * spread


@pytest.mark.parametrize(("bands", "rows"), [(20, 5), (4, 8), (10, 1)])
def test_candidates_follow_the_s_curve_ours_and_datasketchs(bands, rows):
    n_pairs = 200
    for n_common, n_each in ((30, 35), (60, 20), (80, 10)):
        found_ours = found_theirs = 0
        truth = n_common / (n_common + 2 * n_each)
        for pair in range(n_pairs):
            one, other = ({f"{pair} {item}" for item in side} for side in pair_of(n_common, n_each))
            signatures = MinHash(bands * rows, seed=pair).signatures([one, other])
            found_ours += bool(minhash.candidate_pairs(signatures, bands, rows))
            sketches = [KeptMinHash(num_perm=bands * rows, seed=pair) for _ in range(2)]
            for sketch, items in zip(sketches, (one, other)):
                sketch.update_batch([item.encode() for item in items])
            index = MinHashLSH(num_perm=bands * rows, params=(bands, rows))
            index.insert("one", sketches[0])
            found_theirs += bool(index.query(sketches[1]))
        chance = minhash.collision_probability(truth, bands, rows)
        error = 4.5 * max(0.02, (chance * (1 - chance) / n_pairs) ** 0.5)
        assert abs(found_ours / n_pairs - chance) < error
        assert abs(found_theirs / n_pairs - chance) < error


def test_the_knee_is_where_a_band_is_hit_once_on_average():
    for bands, rows in ((450, 20), (20, 5), (3, 2)):
        s = minhash.knee(bands, rows)
        assert bands * s**rows == pytest.approx(1)
    assert minhash.knee(450, 20) == pytest.approx(0.737, abs=5e-4)
    assert minhash.knee(20, 450) > 0.99
    assert minhash.collision_probability(minhash.knee(450, 20), 450, 20) == pytest.approx(1 - np.exp(-1), abs=1e-3)


@given(st.text(max_size=40), st.text(max_size=40), st.integers(1, 6))
def test_jaccard_is_symmetric_bounded_and_one_for_equal_texts(a, b, k):
    one, other = shingles(a, k), shingles(b, k)
    assert 0 <= jaccard(one, other) == jaccard(other, one) <= 1
    assert jaccard(one, one) == 1


def test_shingles_move_by_one_character_and_short_texts_stay_whole():
    assert shingles("abcd", 3) == {"abc", "bcd"}
    assert shingles("ab", 3) == {"ab"}
    with pytest.raises(ValueError, match="at least 1"):
        shingles("ab", 0)


def test_signatures_do_not_depend_on_order_or_repetition():
    maker = MinHash(16)
    assert (maker.signature(["a", "b", "c"]) == maker.signature(["c", "a", "b", "a"])).all()
    with pytest.raises(ValueError, match="empty"):
        maker.signature([])
    with pytest.raises(ValueError, match="at least 1"):
        MinHash(0)


def test_products_stay_within_64_bits():
    maker = MinHash(8)
    largest = (int(maker.a.max()) + 1) * minhash.PRIME + minhash.PRIME
    assert largest < 2**63
    item = minhash._number("x")
    exact = [(int(a) * item + int(b)) % minhash.PRIME for a, b in zip(maker.a[:, 0], maker.b[:, 0])]
    assert maker.signature(["x"]).tolist() == exact


def test_bands_must_fit_into_the_signature():
    with pytest.raises(ValueError, match="take at most 2 bands"):
        minhash.candidate_pairs(np.zeros((2, 10), dtype=np.int64), 3, 4)


@given(st.integers(1, 8), st.data())
def test_clusters_are_the_connected_components(n, data):
    pairs = data.draw(st.lists(st.sampled_from(list(combinations(range(n), 2)) or [(0, 0)]), max_size=8))
    reach = np.eye(n, dtype=bool)
    for i, j in pairs:
        reach[i, j] = reach[j, i] = True
    reach = np.linalg.matrix_power(reach.astype(float), n) > 0
    expected = sorted({tuple(np.flatnonzero(row).tolist()) for row in reach})
    assert sorted(map(tuple, minhash.clusters(n, pairs))) == expected


def test_a_chain_joins_texts_that_share_nothing_and_is_told():
    text = "".join(chr(0x4E00 + i) for i in range(130))
    texts = [text[10 * i : 10 * i + 60] for i in range(7)]
    pairs = minhash.similar_pairs(texts, bands=32, rows=4)
    (cluster,) = minhash.clusters(7, pairs)
    sets = [shingles(each) for each in texts]

    def similarity(i, j):
        return jaccard(sets[i], sets[j])

    assert similarity(0, 6) == 0
    apart = minhash.chained(cluster, similarity, 0.6)
    assert (0, 6) in apart and (0, 1) not in apart
    assert minhash.deduplicate(texts, bands=32, rows=4) == [0]


def test_one_of_each_cluster_stays():
    one, other = "今天天气很好我们去公园散步吧", "模型读过很多书但是没有见过海"
    assert minhash.deduplicate([one, other, one, other, one], threshold=0.9) == [0, 1]
