import pytest
import torch

from course_lib.foundations.embedding import Embedding, cosine_similarity, one_hot


def test_one_hot_has_one_valid_bit():
    assert one_hot(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_one_hot_vectors_are_orthogonal_and_carry_no_similarity():
    assert torch.equal(cosine_similarity(one_hot(torch.arange(7), 7)), torch.eye(7))


def test_one_hot_keeps_the_shape_of_ids():
    assert one_hot(torch.zeros(2, 3, dtype=torch.long), 5).shape == (2, 3, 5)
    assert one_hot(torch.zeros(0, dtype=torch.long), 5).shape == (0, 5)


def test_embedding_is_one_hot_times_weight_bit_for_bit():
    embedding = Embedding(11, 6)
    ids = torch.randint(11, (4, 9))
    assert torch.equal(embedding(ids), one_hot(ids, 11) @ embedding.weight)


def test_gradient_of_a_row_counts_its_uses():
    embedding = Embedding(4, 2)
    embedding(torch.tensor([1, 1, 3])).sum().backward()
    assert embedding.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]


def test_a_fresh_vector_has_length_near_one():
    torch.manual_seed(0)
    assert Embedding(2000, 64).weight.norm(dim=1).mean().item() == pytest.approx(1, abs=0.02)


def test_cosine_is_length_blind_and_zero_for_a_zero_row():
    table = torch.tensor([[1.0, 0.0], [5.0, 0.0], [-2.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(cosine_similarity(table)[0], torch.tensor([1.0, 1.0, -1.0, 0.0]))


@pytest.mark.parametrize("bad", [-1, 5, 1000])
def test_an_id_outside_the_vocabulary_is_refused(bad):
    with pytest.raises(ValueError, match=rf"{bad}.*vocabulary of 5 \(0 to 4\)"):
        Embedding(5, 2)(torch.tensor([0, bad]))
    with pytest.raises(ValueError, match=rf"{bad}.*vocabulary of 5 \(0 to 4\)"):
        one_hot(torch.tensor([0, bad]), 5)


def test_ids_must_be_integers(as_readers_have_it):
    with pytest.raises(TypeError, match=r"float32; try ids.long\(\)"):
        Embedding(5, 2)(torch.tensor([1.0]))


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-1, 4)])
def test_an_empty_table_is_refused(size):
    with pytest.raises(ValueError, match="at least 1"):
        Embedding(*size)


def test_one_hot_takes_the_memory_of_its_result():
    ids = torch.tensor([[3, 199_999]])
    vectors = one_hot(ids, 200_000)  # an identity of this size would take 160 GB
    assert vectors.shape == (1, 2, 200_000) and vectors.sum() == 2 and vectors.argmax(-1).equal(ids)
