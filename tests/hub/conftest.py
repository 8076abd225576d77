"""Folders with a checkpoint in them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from written import released, write

from course_lib.hub import load_gpt1, load_gpt2


@pytest.fixture(params=["gpt2", "openai-gpt"])
def checkpoint(request, tmp_path):
    config, tensors = released(request.param)
    write(tmp_path, config, tensors)
    return {"gpt2": load_gpt2, "openai-gpt": load_gpt1}[request.param], tmp_path


@pytest.fixture
def gpt2_folder(tmp_path):
    write(tmp_path, *released("gpt2"))
    return tmp_path
