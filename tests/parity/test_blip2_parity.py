"""BLIP-2 against transformers, read from checkpoints that it saved: the Q-Former, retrieval by contrast and matching,
texts written by OPT; values and the gradient of every parameter that learns."""

import pytest
import torch
from torch import nn
from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2ForImageTextRetrieval, Blip2QFormerModel
from transformers.models.blip_2.configuration_blip_2 import Blip2QFormerConfig

from course_lib.decoding.generation import greedy
from course_lib.hub import load_blip2_describer, load_blip2_retriever
from course_lib.hub.blip2 import describer_keys, qformer_config, qformer_keys, retriever_keys
from course_lib.models.blip2 import DescribingReader, QFormer, similarities
from course_lib.models.blip_pretrain import caption_loss

V, CONTEXT, PLACE = 23, 9, 24  # PLACE: the token that the reference puts where a query's answer goes
SIZES = {
    "odd": dict(
        vision_config=dict(
            hidden_size=21,
            intermediate_size=34,
            num_hidden_layers=2,
            num_attention_heads=3,
            image_size=12,
            patch_size=4,
        ),
        qformer_config=dict(
            hidden_size=20,
            intermediate_size=35,
            num_hidden_layers=5,
            num_attention_heads=4,
            cross_attention_frequency=2,
            layer_norm_eps=1e-5,
        ),
        text_config=dict(hidden_size=14, ffn_dim=56, num_hidden_layers=2, num_attention_heads=7),
        num_query_tokens=5,
        image_text_hidden_size=11,
    ),
    "one query, image in every third layer": dict(
        vision_config=dict(
            hidden_size=10, intermediate_size=7, num_hidden_layers=1, num_attention_heads=1, image_size=6, patch_size=6
        ),
        qformer_config=dict(
            hidden_size=12,
            intermediate_size=9,
            num_hidden_layers=4,
            num_attention_heads=1,
            cross_attention_frequency=3,
        ),
        text_config=dict(hidden_size=6, ffn_dim=24, num_hidden_layers=1, num_attention_heads=1),
        num_query_tokens=1,
        image_text_hidden_size=2,
    ),
}


def configuration(name: str, *, text: bool, **more) -> Blip2Config:
    sizes = {key: dict(value) if isinstance(value, dict) else value for key, value in SIZES[name].items()}
    sizes["qformer_config"] |= dict(
        vocab_size=V, max_position_embeddings=CONTEXT, use_qformer_text_input=text, hidden_dropout_prob=0.0
    )
    sizes["text_config"] |= dict(model_type="opt", vocab_size=V + 2, max_position_embeddings=24)
    return Blip2Config(**sizes, **more)


def scrambled(model: nn.Module, std: float = 0.3) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.double().eval()


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def images_for(reference, n: int) -> torch.Tensor:
    side = reference.config.vision_config.image_size
    return normal(1, n, 3, side, side)


def captions(*lengths: int, side: str = "right") -> tuple[torch.Tensor, torch.Tensor]:
    most = max(lengths)
    ids = torch.randint(3, V, (len(lengths), most), generator=torch.Generator().manual_seed(2))
    is_token = torch.arange(most) < torch.tensor(lengths)[:, None]
    is_token = is_token.flip(1) if side == "left" else is_token
    return ids.masked_fill(~is_token, 1), is_token


def agree_on_gradients(ours, reference, keys, agree) -> None:
    """Of all that learns; the frozen parts have none."""
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    frozen = tuple(f"{name}." for name in ours.frozen)
    for name, parameter in ours.named_parameters():
        if name.startswith(frozen):
            assert parameter.grad is None and not parameter.requires_grad
        else:
            agree(parameter.grad, keys[name].made(gradients))


@pytest.fixture(params=SIZES)
def retrieval(request, tmp_path):
    """Ours, read from the folder that the reference was saved in, and the reference, both in float64."""
    reference = scrambled(Blip2ForImageTextRetrieval(configuration(request.param, text=True)))
    reference.save_pretrained(tmp_path)
    return load_blip2_retriever(tmp_path, dtype=torch.float64), reference


@pytest.fixture(params=SIZES)
def generation(request, tmp_path):
    config = configuration(request.param, text=False, image_token_index=PLACE)
    reference = scrambled(Blip2ForConditionalGeneration(config))
    reference.save_pretrained(tmp_path)
    return load_blip2_describer(tmp_path, dtype=torch.float64), reference


def test_contrast_matching_and_every_gradient(retrieval, float64_reference, agree):
    ours, reference = retrieval
    images = images_for(reference, 4)
    ids, is_token = captions(9, 1, 6, 3)
    seen = ours.look(images)
    inputs = dict(pixel_values=images, input_ids=ids, attention_mask=is_token.long())
    with float64_reference():
        contrast = reference(**inputs)
        match = reference(**inputs, use_image_text_matching_head=True).logits_per_image
        ((contrast.logits_per_image * normal(3, 4, 4)).sum() + (match * normal(4, 4, 2)).sum()).backward()
    agree(seen, contrast.vision_model_output.last_hidden_state)
    image, text = ours.image_features(seen), ours.text_features(ids, is_token)
    agree(nn.functional.normalize(image, dim=-1), contrast.image_embeds)
    agree(nn.functional.normalize(text, dim=-1), contrast.text_embeds)
    logits = similarities(image, text)
    agree(logits, contrast.logits_per_image)
    matches = ours.matches(seen, ids, is_token)
    agree(matches, match)
    ((logits * normal(3, 4, 4)).sum() + (matches * normal(4, 4, 2)).sum()).backward()
    agree_on_gradients(ours, reference, retriever_keys(ours.image.config, ours.config), agree)


def test_contrast_of_more_texts_than_images(retrieval, float64_reference, agree):
    ours, reference = retrieval
    images = images_for(reference, 2)
    ids, is_token = captions(4, 9, 2, 7, 5)
    with float64_reference():
        theirs = reference(pixel_values=images, input_ids=ids, attention_mask=is_token.long()).logits_per_image
    agree(similarities(ours.image_features(ours.look(images)), ours.text_features(ids, is_token)), theirs)


def test_logits_loss_and_every_gradient_of_stage_2(generation, float64_reference, agree):
    """Captions padded behind; the reference is given the places of the queries' answers in front of them."""
    ours, reference = generation
    images = images_for(reference, 3)
    ids, is_token = captions(8, 2, 5)
    Q = ours.qformer.config.n_queries
    places = torch.full((3, Q), PLACE)
    attended = torch.cat([torch.ones(3, Q, dtype=torch.long), is_token.long()], dim=1)
    labels = torch.cat([torch.full((3, Q + 1), -100), ids.masked_fill(~is_token, -100)[:, 1:]], dim=1)
    with float64_reference():
        theirs = reference(
            pixel_values=images, input_ids=torch.cat([places, ids], dim=1), attention_mask=attended, labels=labels
        )
        theirs.loss.backward()
    seen = ours.look(images)
    agree(ours.qformer.ask(seen), theirs.qformer_outputs.last_hidden_state)
    agree(ours.next_words(seen, ids, is_token)[is_token], theirs.logits[:, Q:][is_token])
    loss = caption_loss(ours, seen, ids, is_token, smoothing=0)
    agree(loss, theirs.loss)
    loss.backward()
    agree_on_gradients(ours, reference, describer_keys(ours.image.config, ours.qformer.config, ours.lm.config), agree)


@pytest.mark.parametrize("lengths", [(1, 1, 1), (4, 1, 3)])
def test_greedy_texts(generation, lengths, float64_reference, agree):
    """Prompts of several lengths: padded before the words, where the reference pads before the queries' places."""
    ours, reference = generation
    images = images_for(reference, 3)
    ids, is_token = captions(*lengths, side="left")
    Q = ours.qformer.config.n_queries
    rows = [torch.cat([row[~there], torch.full((Q,), PLACE), row[there]]) for row, there in zip(ids, is_token)]
    attended = torch.stack([torch.cat([there[~there], torch.ones(Q) > 0, there[there]]) for there in is_token]).long()
    with float64_reference():
        theirs = reference.generate(
            pixel_values=images,
            input_ids=torch.stack(rows),
            attention_mask=attended,
            max_new_tokens=7,
            do_sample=False,
            eos_token_id=None,
        )[:, -7:]
    for mask in (is_token,) if min(lengths) < max(lengths) else (is_token, None):
        reader = DescribingReader(ours, images, ids.shape[1] + 7, mask)
        assert torch.equal(greedy(reader, ids, 7), theirs)
    assert len(theirs.unique()) > 1


def test_a_text_with_its_answer_is_read_as_it_was_written(generation, agree):
    """With caches, a word at a time, and without, at once."""
    ours, reference = generation
    images = images_for(reference, 2)
    ids, _ = captions(6, 6)
    whole = ours.next_words(ours.look(images), ids)
    reader = DescribingReader(ours, images, 6)
    agree(reader(ids[:, :2]), whole[:, 1])
    for t in range(2, 6):
        agree(reader(ids[:, t : t + 1]), whole[:, t])


@pytest.mark.parametrize("name", SIZES)
def test_the_q_former_alone(name, float64_reference, agree):
    """Blip2QFormerModel: queries with words and an image; queries and image; words alone."""
    theirs = configuration(name, text=True)
    reference = scrambled(Blip2QFormerModel(Blip2QFormerConfig(**theirs.qformer_config.to_dict())))
    config = qformer_config(theirs.to_dict(), text=True)
    ours = QFormer(config).double()
    tables = dict(
        query_tokens=normal(5, 1, config.n_queries, config.d_model),
        **{"embeddings.word_embeddings.weight": normal(6, V, config.d_model)},
        **{"embeddings.position_embeddings.weight": normal(7, CONTEXT, config.d_model)},
    )
    weights = {f"qformer.{key}": weight for key, weight in reference.state_dict().items()} | tables
    made = {key.removeprefix("qformer."): source.made(weights) for key, source in qformer_keys(config).items()}
    ours.load_state_dict(made, strict=True)
    ids, is_token = captions(7, 3)
    seen = normal(8, 2, 6, config.d_image)
    queries = tables["query_tokens"].expand(2, -1, -1)
    words = tables["embeddings.word_embeddings.weight"][ids] + tables["embeddings.position_embeddings.weight"][:7]
    attended = torch.cat([torch.ones(2, config.n_queries), is_token], dim=1).long()
    with float64_reference():
        joint = reference(
            query_embeds=torch.cat([queries, words], dim=1),
            query_length=config.n_queries,
            attention_mask=attended,
            encoder_hidden_states=seen,
        ).last_hidden_state
        alone = reference(query_embeds=queries, encoder_hidden_states=seen).last_hidden_state
        text = reference(query_embeds=words, query_length=0, attention_mask=is_token.long()).last_hidden_state
    everyone = torch.ones(attended.shape[1], attended.shape[1], dtype=torch.bool)
    agree(ours.both(seen, ids, everyone, is_token)[attended > 0], joint[attended > 0])
    agree(ours.ask(seen), alone)
    agree(ours.read(ids, is_token)[is_token], text[is_token])


def test_in_single_precision(retrieval, agree):
    ours, reference = retrieval
    images = images_for(reference, 3)
    ids, is_token = captions(9, 1, 6)
    inputs = dict(pixel_values=images.float(), input_ids=ids, attention_mask=is_token.long())
    ours, theirs = ours.float(), reference.float()(**inputs, use_image_text_matching_head=True).logits_per_image
    agree(ours.matches(ours.look(images.float()), ids, is_token), theirs)
