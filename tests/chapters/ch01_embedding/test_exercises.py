"""Chapter 01's exercises: any correct way passes, and the answers in the head are those of the rooms."""

import codecs

import numpy as np
import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.data.text.corpora import prose
from course_lib.foundations.bpe import ByteBPE
from course_lib.foundations.embedding import one_hot


def test_the_distance_is_that_of_two_one_hot_vectors():
    rows = one_hot(torch.tensor([7, 40]), 2_000)
    assert judge(get_exercise("01-onehot-1"), float((rows[0] - rows[1]).norm())).passed
    assert judge(get_exercise("01-onehot-1"), 1.4).passed
    assert not judge(get_exercise("01-onehot-1"), 1.45).passed


def test_the_gradient_by_autograd_and_by_the_product_pass():
    def by_autograd(ids, upstream, n_vocab):
        table = torch.zeros(n_vocab, upstream.shape[1], dtype=upstream.dtype, requires_grad=True)
        table[ids].backward(upstream)
        return table.grad

    def by_product(ids, upstream, n_vocab):
        return one_hot(ids, n_vocab).to(upstream.dtype).T @ upstream

    def in_numpy(ids, upstream, n_vocab):
        grad = np.zeros((n_vocab, upstream.shape[1]))
        np.add.at(grad, ids.numpy(), upstream.numpy())
        return grad

    for answer in (by_autograd, by_product, in_numpy):
        assert judge(get_exercise("01-embedding-2"), answer).passed


def test_adding_with_an_index_is_told_that_it_overwrites():
    def indexed(ids, upstream, n_vocab):
        grad = torch.zeros(n_vocab, upstream.shape[1], dtype=upstream.dtype)
        grad[ids] += upstream
        return grad

    assert judge(get_exercise("01-embedding-2"), indexed).mistake == "overwritten"


def test_the_merge_asked_for_is_the_first_of_two_chinese_characters():
    tokens = [left + right for left, right in ByteBPE.train(prose(), 300).merges]

    def spells(token, n):
        text = token.decode("utf-8", errors="replace")
        return len(text) == n and all("\u4e00" <= char <= "\u9fff" for char in text)

    first = next(k for k, token in enumerate(tokens, 1) if spells(token, 2))
    assert first == get_exercise("01-bpe-3").solution
    assert next(k for k, token in enumerate(tokens, 1) if spells(token, 1)) == 5
    assert tokens[first - 1] == "一个".encode() and tokens[9] == "个".encode() and tokens[5] == "一".encode()


def test_the_decoder_of_the_standard_library_passes():
    def standard(pieces):
        decoder = codecs.getincrementaldecoder("utf-8")()
        return [decoder.decode(piece) for piece in pieces]

    assert judge(get_exercise("01-utf8-5"), standard).passed
