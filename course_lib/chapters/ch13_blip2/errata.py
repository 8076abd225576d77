"""Chapter 13, BLIP-2: where slides, paper and released code disagree, and what a computation says.

The paper is BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large Language Models
(Li et al. 2023).  Q queries · L words of a text
"""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.attention import causal_mask
from course_lib.foundations.qformer_masks import MASKS, influence
from course_lib.models.blip2 import QFORMER, VIT_G, Describer, QFormer, QFormerConfig, Stage1, n_parameters
from course_lib.models.blip2_pretrain import contrast_loss, stage1_losses
from course_lib.models.blip_pretrain import caption_loss
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.vit import ViT, ViTConfig

LI = "Li et al. 2023, arXiv:2301.12597"
LAVIS = "salesforce/LAVIS: lavis/models/blip2_models"
Q, L, V = 4, 5, 11
SMALL = QFormerConfig(n_vocab=V, context=8, n_queries=Q, d_image=16, d_model=24, n_layers=4, n_heads=2)


def _stage1() -> Stage1:
    torch.manual_seed(0)
    return Stage1(_tower(), SMALL, d_shared=8).eval()


def _tower() -> ViT:
    return ViT(ViTConfig(height=8, width=8, patch=4, d_model=16, n_layers=1, n_heads=2))


def _describer() -> Describer:
    torch.manual_seed(0)
    lm = GPT2(GPT2Config(n_vocab=V, context=16, d_model=20, n_layers=1, n_heads=2))
    return Describer(_tower(), QFormer(replace(SMALL, n_vocab=0)), lm)


def _seen(n: int = 2) -> Tensor:
    return torch.randn(n, 5, 16, generator=torch.Generator().manual_seed(1))


def _ids(n: int = 2, length: int = L) -> Tensor:
    return torch.randint(V, (n, length), generator=torch.Generator().manual_seed(2))


def _words_to_queries(name: str) -> float:
    """How much the queries' answers change with the words under one of the three masks."""
    qformer = _stage1().qformer
    x = qformer.embed(2, _ids()).detach().requires_grad_()
    moved = influence(qformer.run(x, _seen(), MASKS[name](Q, L)), x)
    return float(moved[:Q, Q:].max())


def _who_reads_text() -> dict[str, object]:
    found = {f"换掉字，{name} 里查询的输出最多变": round(_words_to_queries(name), 3) for name in MASKS}
    try:
        _describer().qformer.read(_ids())
        read = "能"
    except ValueError:
        read = "不能"
    return found | {"第二阶段的 Q-Former 还能读字吗": read}


def _settle_reads(values: dict[str, object]) -> str:
    itc, itm, itg, stage2 = values.values()
    require(itc == itg == 0 < itm, f"ITC {itc}, ITM {itm}, ITG {itg}")
    require(stage2 == "不能", f"stage 2 reads text: {stage2}")
    return (
        "查询只在 ITM 里看得见字。ITC 里看不见；ITG 里也看不见：字看查询，查询不看字。"
        "第二阶段连读字的那一半都拿掉了。"
        "字进到 Q-Former、帮查询挑着看，论文里是微调 VQA 时（4.3 节），成为常规做法是后来的 InstructBLIP。"
    )


def _who_learns() -> dict[str, object]:
    model = _describer().train()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    step = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    caption_loss(model, _seen(), _ids(), None, smoothing=0).backward()
    step.step()
    moved = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    found = {}
    for part, title in {"image": "图像塔", "qformer": "Q-Former", "project": "线性层", "lm": "语言模型"}.items():
        names = {name for name in before if name.split(".")[0] == part}
        found[f"走一步，{title}的 {len(names)} 个张量里变了"] = len(names & moved)
    return found | {"只算 Q-Former 本身，发布的设置，第一阶段与第二阶段（百万）": _halves()}


def _halves() -> str:
    return f"{n_parameters(QFORMER) / 1e6:.1f} 与 {n_parameters(_without_text(QFORMER)) / 1e6:.1f}"


def _without_text(config: QFormerConfig) -> QFormerConfig:
    return replace(config, n_vocab=0, dec=None)


def _settle_learns(values: dict[str, object]) -> str:
    image, qformer, project, lm, halves = values.values()
    require(image == lm == 0, f"frozen, but {image} and {lm} tensors moved")
    require(project == 2 and qformer > 20, f"{project} of the projection, {qformer} of the Q-Former moved")
    require(halves == "185.7 与 105.2", halves)
    return (
        "第二阶段学的不只是那层线性层，是整个 Q-Former 加线性层；图像塔和语言模型一个数也不变。"
        "少了的 80.5 M 是读字的那一半：词表、位置、12 层读字的前馈。自注意力原是两边共用的，留下。"
    )


WIDTHS = {
    "ViT-L OPT-2.7B": (1024, 2560, 104),
    "ViT-g OPT-2.7B": (1408, 2560, 107),
    "ViT-g OPT-6.7B": (1408, 4096, 108),
    "ViT-L FlanT5-XL": (1024, 2048, 103),
    "ViT-g FlanT5-XL": (1408, 2048, 107),
    "ViT-g FlanT5-XXL": (1408, 4096, 108),
}  # width of the image tower, of the language model, and what table 2 says in millions


def stage2_parameters(d_image: int, d_lm: int) -> int:
    """What learns in stage 2: the queries' half, the projection, and the norm behind the image tower."""
    qformer = n_parameters(_without_text(replace(QFORMER, d_image=d_image)))
    return qformer + QFORMER.d_model * d_lm + d_lm + 2 * d_image


def _table_2() -> dict[str, object]:
    found = {
        f"{name}（表 2：{said}）": round(stage2_parameters(*sizes) / 1e6, 2) for name, (*sizes, said) in WIDTHS.items()
    }
    with torch.device("meta"):
        stage1 = Stage1(nn.Identity(), QFORMER, d_shared=256)
    learned = sum(p.numel() for p in stage1.parameters()) + 2 * VIT_G.d_model
    return found | {"第一阶段，连三个头（论文：188）": round(learned / 1e6, 2)}


def _settle_table(values: dict[str, object]) -> str:
    *stage2, stage1 = values.values()
    said = [each[2] for each in WIDTHS.values()]
    require([round(each) for each in stage2] == said, f"{stage2} against {said}")
    require(186.5 < stage1 < 187, f"stage 1: {stage1}")
    return (
        "表 2 的六个数，按公式算出来全对：第二阶段只有看图的一半，加线性层，加图像塔后面的一个 LayerNorm。"
        f"3.1 节和表 1 的 188 M 说的是读字的一半也在的时候；我们数出 {stage1} M："
        "Q-Former 本身 185.7，加三个头和 LayerNorm。还差 1 M 多，不知道数了什么。"
        "摘要的“少 54 倍”用的是 10.2 B / 188 M；若用第二阶段的 108 M，是 94 倍。"
    )


def _cached() -> dict[str, object]:
    """ITG in the released code's way: the queries once, alone; their keys and values wait for the words."""
    qformer, seen, ids = _stage1().double().qformer, _seen().double(), _ids()
    with torch.no_grad():
        together = qformer.both(seen, ids, MASKS["ITG"](Q, L))[:, Q:]
        queries, words = qformer.embed(2), qformer.embed_words(ids)
        mask = torch.cat([torch.ones(L, Q, dtype=torch.bool), causal_mask(L)], dim=1)
        for layer in qformer.layers:
            read = _attend(layer, torch.cat([queries, words], dim=1), mask)
            queries = layer(queries, Q, seen, None)
            words = layer.feedforward_text(layer.attention.norm(words + read))
    return {
        "送进去的字": L,
        "掩码的形状": f"{mask.shape[0]} × {mask.shape[1]}",
        "两种算法的输出最多差": round(float((words - together).abs().max()), 12),
        "若掩码只有 L 列，少了的列": mask.shape[1] - L,
    }


def _attend(layer, x: Tensor, mask: Tensor) -> Tensor:
    """What the words, the last rows of x, read of all rows."""
    sublayer = layer.attention.sublayer
    q, k, v = sublayer.heads(x)
    read = scaled_dot_product_attention(q[:, :, -len(mask) :], k, v, attn_mask=mask)
    return sublayer.to_out(read.transpose(1, 2).flatten(2))


def _settle_cached(values: dict[str, object]) -> str:
    words, shape, apart, missing = values.values()
    require(shape == f"{words} × {Q + L}" and missing == Q, f"{shape}, {missing} missing")
    require(apart == 0, "the two ways differ")
    return (
        "代码没错，是掩码不必方：行是这次送进去的字，列是能被读的一切，前面多出的列是缓存里的查询。"
        "查询的键和值在算 ITC 时已经存下，ITG 直接拿来用，不再算一遍；因果由代码另外加上，所以看不见三角形。"
        "这也只在查询不看字时才行：看了字，键和值就不能先算好。"
    )


def _double_softmax() -> dict[str, object]:
    logits = torch.tensor([[-20.0, 20.0]], dtype=torch.float64)
    twice = logits.softmax(1).softmax(1)[0, 1]
    least = math.log(0.7295 / 0.2705)  # 73.0 % at the least: the difference of the two first probabilities
    return {
        "分数差 40，softmax 一次": round(float(logits.softmax(1)[0, 1]), 4),
        "softmax 两次": round(float(twice), 4),
        "两次的上限 e/(1+e)": round(math.e / (1 + math.e), 4),
        "说明里打印 73.0 %，真的概率至少": round((1 + least) / 2, 3),
    }


def _settle_softmax(values: dict[str, object]) -> str:
    once, twice, most, true = values.values()
    require(once > 0.999 and twice <= most == 0.7311, f"{once}, {twice}, {most}")
    require(true > 0.99, f"{true}")
    return (
        f"例子里先 softmax，再 softmax，匹配的概率怎样也过不了 {most}，不匹配的也低不过 0.2689。"
        f"打印的 73.0 % 其实是 {true} 以上。照抄这段代码定门槛 0.5，次序不变，概率全错。"
    )


def _zeros() -> dict[str, object]:
    """How far apart the queries are after 12 steps of both stages, begun at zeros and at small draws."""
    found = {}
    for stage, build in (("第一阶段", _stage1), ("第二阶段", _describer)):
        for name, std in (("全零", 0.0), ("标准差 0.02", 0.02)):
            model = build().double().train()
            nn.init.normal_(model.qformer.queries, std=std)
            step = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
            for _ in range(12):
                step.zero_grad()
                _loss(model).backward()
                step.step()
            queries = model.qformer.queries.detach()
            found[f"{stage}，{name}：查询之间最多差"] = round(float((queries - queries[:1]).abs().max()), 4)
    return found


def _loss(model: Stage1 | Describer) -> Tensor:
    if isinstance(model, Describer):
        return caption_loss(model, _seen().double(), _ids(), None, smoothing=0)
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return sum(stage1_losses(model, images, _ids(), generator=torch.Generator().manual_seed(4)))


def _settle_zeros(values: dict[str, object]) -> str:
    first_zeros, first, second_zeros, second = values.values()
    require(first_zeros == 0 < first, f"stage 1: zeros {first_zeros}, drawn {first}")
    require(min(second_zeros, second) > 0.01, f"stage 2: zeros {second_zeros}, drawn {second}")
    return (
        "第一阶段不行：查询没有位置，彼此只差初值；初值一样，三个损失给的梯度就一样，永远一样，32 个查询等于 1 个。"
        "第二阶段倒分得开，因为语言模型给前缀的每一格一个位置。装权重用时不要紧，从头训练第一阶段时要自己换成随机的。"
    )


def _smoothing() -> dict[str, object]:
    B, eps, words = 1680, 0.1, QFORMER.n_vocab
    perfect = torch.eye(64, dtype=torch.float64)
    best = 10.0
    for scale in torch.arange(1.0, 12.0, 0.01):
        best = min(best, float(contrast_loss(perfect * scale, eps)))
    return {
        "ITC，一批 64 对，最低": round(_floor(64, eps), 3),
        "试着找，最低": round(best, 3),
        f"ITC，一批 {B} 对，最低": round(_floor(B, eps), 3),
        f"ITG，词表 {words:,}，最低": round(_floor(words, eps), 3),
    }


def _floor(n: int, eps: float) -> float:
    """The entropy of a target that gives eps to all n alike and the rest to one."""
    right, other = 1 - eps + eps / n, eps / n
    return -right * math.log(right) - (n - 1) * other * math.log(other)


def _settle_smoothing(values: dict[str, object]) -> str:
    small, tried, contrast, words = values.values()
    require(abs(small - tried) < 2e-3, f"{small} by formula, {tried} found")
    require(0.7 < contrast < words < 1.5, f"{contrast}, {words}")
    return (
        f"论文没有提标签平滑，代码在 ITC 和 ITG 里各用了 0.1，ITM 和第二阶段没有。"
        f"平滑以后损失到不了 0：ITG 停在 {words} 附近就是学到头了，不是坏了。"
    )


def _from_bert() -> dict[str, object]:
    D, F, n = QFORMER.d_model, QFORMER.d_hidden, QFORMER.n_layers
    total = n_parameters(QFORMER)
    feedforward = n * (2 * D * F + F + 3 * D)
    cross = len(range(0, n, QFORMER.cross_every)) * (2 * D * D + 2 * QFORMER.d_image * D + 6 * D)
    return {
        "查询的前馈，照抄 BERT（百万）": round(feedforward / 1e6, 1),
        "交叉注意力，随机（百万）": round(cross / 1e6, 1),
        "查询，随机（百万）": round(QFORMER.n_queries * D / 1e6, 3),
        "随机的占 Q-Former": round((cross + QFORMER.n_queries * D) / total, 3),
    }


def _settle_bert(values: dict[str, object]) -> str:
    copied, cross, _, share = values.values()
    require(copied == 56.7 and 0.1 < share < 0.12, f"{copied}, {cross}, {share}")
    return (
        "Q-Former 几乎全从 BERT 来：词、自注意力、读字的前馈直接装；"
        "名字里有 _query 的前馈抄一份读字的前馈，之后各学各的。"
        f"真正从零开始的只有交叉注意力和查询，占 {share:.0%}。"
    )


ERRATA = [
    Erratum(
        id="K13-1",
        chapter="13",
        title="查询什么时候看得见字",
        slide="“学习Q-Former以提取与文本相关的图像特征”：常被听成查询读着字去看图。",
        paper="3.2 节：ITC 里互不可见；ITG 里查询互相可见，不看字；ITM 里都可见。3.3 节：只有查询的输出交给语言模型。",
        code="ITC 先单独跑查询，ITG 用它存下的键和值；第二阶段把 word_embeddings 设成 None。",
        compute=_who_reads_text,
        settles=_settle_reads,
        sources=[f"{LI}, sections 3.2, 3.3, 4.3", f"{LAVIS}/blip2_qformer.py, blip2_opt.py", "salesforce/LAVIS#198"],
    ),
    Erratum(
        id="K13-2",
        chapter="13",
        title="第二阶段，谁在学",
        slide="“将Q-Former提取的特征对齐到文本模态”：常被听成 Q-Former 已经学好，只训练对齐的一层。",
        paper="3.3 节只说语言模型冻结，加一层全连接；没有说 Q-Former 停不停。",
        code="第二阶段没有冻结 Q-Former。作者答：整个 Q-Former 在第二阶段都训练（LAVIS 384 号）。",
        compute=_who_learns,
        settles=_settle_learns,
        sources=[f"{LI}, section 3.3", f"{LAVIS}/blip2_opt.py", "salesforce/LAVIS#384, #739"],
    ),
    Erratum(
        id="K13-3",
        chapter="13",
        title="训练 188 M，还是 107 M",
        slide="没有写参数。",
        paper="3.1 节与表 1：188 M。表 2：103 到 108 M，同一个模型。有人问为什么不同，没有回答（LAVIS 503 号）。",
        code="第二阶段删掉读字的一半（layer.output、layer.intermediate、词与位置、cls）。",
        compute=_table_2,
        settles=_settle_table,
        sources=[f"{LI}, section 3.1, tables 1 and 2", "salesforce/LAVIS#503", f"{LAVIS}/blip2_opt.py"],
    ),
    Erratum(
        id="K13-4",
        chapter="13",
        title="掩码怎么比输入还长",
        slide="没有说实现。",
        paper="图 2 画的是方的掩码：查询和字排成一列。",
        code="ITG 只送字进去，attention_mask 却是查询加字那么长；有人以为写错了（LAVIS 436、779 号）。",
        compute=_cached,
        settles=_settle_cached,
        sources=[f"{LI}, figure 2", f"{LAVIS}/blip2_qformer.py, Blip2Qformer.forward", "salesforce/LAVIS#436, #779"],
    ),
    Erratum(
        id="K13-5",
        chapter="13",
        title="匹配的概率为什么总是 73 %",
        slide="没有说。",
        paper="3.2 节：两类的分数对各查询求平均，就是匹配的分数。",
        code="transformers 的 Blip2ForImageTextRetrieval 的说明里，例子做了两次 softmax，打印 73.0 %。",
        compute=_double_softmax,
        settles=_settle_softmax,
        sources=["huggingface/transformers 5.23: modeling_blip_2.py, Blip2ForImageTextRetrieval.forward"],
    ),
    Erratum(
        id="K13-6",
        chapter="13",
        title="查询从零开始行不行",
        slide="没有说初值。",
        paper="3.1 节：查询是模型的参数；初值没有写。",
        code="LAVIS：正态，标准差 0.02。transformers：torch.zeros，初始化时也是 zeros_。",
        compute=_zeros,
        settles=_settle_zeros,
        sources=[f"{LAVIS}/blip2.py, init_Qformer", "huggingface/transformers 5.23: modeling_blip_2.py, _init_weights"],
    ),
    Erratum(
        id="K13-7",
        chapter="13",
        title="代码里有、论文里没有的标签平滑",
        slide="没有说。",
        paper="3.2 节给出三个损失，没有提标签平滑。",
        code="ITC：cross_entropy(…, label_smoothing=0.1)；ITG：CrossEntropyLoss(…, label_smoothing=0.1)。",
        compute=_smoothing,
        settles=_settle_smoothing,
        sources=[f"{LI}, section 3.2", f"{LAVIS}/blip2_qformer.py, Qformer.py"],
    ),
    Erratum(
        id="K13-8",
        chapter="13",
        title="Q-Former 的哪些参数从零开始",
        slide="没有说初始化。",
        paper="3.1 节：用 BERT-base 初始化，交叉注意力随机。",
        code="名字里有 _query 的参数从去掉 _query 的同名参数抄；有人在 BERT 里找不到 _query（LAVIS 706 号）。",
        compute=_from_bert,
        settles=_settle_bert,
        sources=[f"{LI}, section 3.1", f"{LAVIS}/blip2_qformer.py, Blip2Qformer.__init__", "salesforce/LAVIS#706"],
    ),
]
