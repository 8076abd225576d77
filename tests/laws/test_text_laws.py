import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.foundations.bpe import ByteBPE
from course_lib.foundations.embedding import Embedding, one_hot
from course_lib.foundations.tokenizer import CharTokenizer

TRAINED = ByteBPE.train("狗咬人，人咬狗。the dog bit the man, the man bit the dog 🐕🐕 " * 20, 330)


@given(st.text())
def test_bytes_round_trip_any_text(text):
    assert TRAINED.decode(TRAINED.encode(text)) == text
    assert len(TRAINED.encode(text)) <= len(text.encode())


@given(st.text(alphabet="狗咬人，。the dogbit man🐕", max_size=60), st.integers(256, 400))
def test_any_training_text_round_trips_and_grows_the_vocabulary_to_size(text, n_vocab):
    tokenizer = ByteBPE.train(text, n_vocab)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.n_vocab <= n_vocab
    assert len(set(tokenizer.vocab)) == tokenizer.n_vocab == 256 + len(tokenizer.merges)


@given(st.text(max_size=60))
def test_words_are_a_cut_of_the_text(text):
    assert "".join(TRAINED.words(text)) == text


@given(st.text(max_size=40), st.text(max_size=40))
def test_ids_of_two_texts_joined_decode_to_the_joined_text(first, second):
    assert TRAINED.decode(TRAINED.encode(first) + TRAINED.encode(second)) == first + second


@given(st.text(min_size=1))
def test_characters_round_trip_the_text_they_come_from(text):
    tokenizer = CharTokenizer.from_text(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.n_vocab == len(set(text))


@given(st.integers(1, 50), st.integers(1, 8), st.data())
def test_embedding_is_one_hot_times_weight_exactly(n_vocab, d_model, data):
    ids = torch.tensor(data.draw(st.lists(st.integers(0, n_vocab - 1), max_size=20)), dtype=torch.long)
    embedding = Embedding(n_vocab, d_model)
    assert torch.equal(embedding(ids), one_hot(ids, n_vocab) @ embedding.weight)
