"""The quick form of every claim runs; its verdict is reported, its figures are the record's."""

import numpy as np
import pytest

from course_lib.course import claims


@pytest.mark.parametrize("claim_id", claims.experiment_files())
def test_quick_form_measures_the_figures_of_the_record(claim_id, record_property):
    quick = claims.run(claim_id, quick=True, progress=False)
    full = claims.load_record(claim_id)
    record_property("verdict", quick["verdict"])
    print(f"{claim_id}: quick {quick['verdict']} in {quick['seconds']:.1f} s, recorded {full['verdict']}")
    assert quick["kind"] == "quick"
    assert set(quick["figures"]) == set(full["figures"])
    for name, summary in claims.figures_of(quick).items():
        assert np.isfinite(summary.values).all(), name
        assert summary.values.ndim == claims.figures_of(full)[name].values.ndim, name
