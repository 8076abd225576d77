"""Every claim has a record of today's experiment, and the record's verdict is what its figures say."""

import numpy as np
import pytest

from course_lib.chapter_files import CHAPTERS
from course_lib.course import claims

IDS = list(claims.experiment_files())


def test_every_experiment_is_registered_under_its_file_name():
    assert list(claims.registry()) == IDS
    assert all(claim.id == claim_id for claim_id, claim in claims.registry().items())


def test_no_record_without_an_experiment():
    assert {path.stem for path in CHAPTERS.glob("*/records/*.json") if not path.stem.endswith(".partial")} == set(IDS)


@pytest.mark.parametrize("claim_id", IDS)
def test_record_is_present_and_of_todays_code(claim_id):
    assert not claims.is_stale(claim_id), (
        f"python -m course_lib.course.claims run --stale  (missing or old: {claim_id})"
    )


@pytest.mark.parametrize("claim_id", IDS)
def test_record_is_the_full_form_with_spread_and_finite_figures(claim_id):
    claim, record = claims.get_claim(claim_id), claims.load_record(claim_id)
    assert record["kind"] == "full"
    assert record["seeds"] == list(claim.seeds) and record["settings"] == dict(claim.full)
    for name, summary in claims.figures_of(record).items():
        assert np.isfinite(summary.values).all(), name
        assert summary.n_seeds == len(claim.seeds)
        np.testing.assert_allclose(record["figures"][name]["mean"], summary.mean, rtol=1e-5)
        np.testing.assert_allclose(record["figures"][name]["std"], summary.std, rtol=1e-5)
    assert set(record["labels"]) == set(record["figures"]), "every figure has a Chinese label"


@pytest.mark.parametrize("claim_id", IDS)
def test_verdict_follows_from_the_recorded_figures(claim_id):
    record = claims.load_record(claim_id)
    verdict = claims.get_claim(claim_id).judge(claims.figures_of(record))
    assert (verdict.outcome, verdict.sentence) == (record["verdict"], record["sentence"])


def test_an_unknown_claim_is_answered_with_the_known_ones():
    with pytest.raises(KeyError, match="no claim 'C98'; there are C00"):
        claims.load_record("C98")


def test_a_claim_without_a_record_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"course_lib\.course\.claims run C05"):
        claims.load_record("C05", tmp_path)
