"""C09b: after the same training, what do the four designs lose by keeping less of each token?

Shazeer 2019 (arXiv:1911.02150), Ainslie et al. 2023 (arXiv:2305.13245), DeepSeek-V2 (arXiv:2405.04434), tables 8 and 9:
MHA above GQA above MQA on 7B models, MLA not below MHA.  Chapter 05.

Two tests. Records: a token holds a key and F facts; later a token asks for a key, and all its facts are to be named.
What one key-value head hands on is Dh numbers, so F says how much must fit through. Language: the letters of
topic_text.py, the whole model. Widths of the feedforward layers even out the number of parameters.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import causal_mask
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.llama import Block, Llama, LlamaConfig
from course_lib.toys.topic_text import N_LETTERS, topic_texts
from course_lib.training.loop import next_token_losses, train

DESIGNS = ("MHA", "GQA", "MQA", "MLA")
KV_HEADS = {"MHA": 8, "GQA": 2, "MQA": 1}
D_MODEL, N_HEADS, D_HEAD = 64, 8, 8
N_RECORDS, N_VALUES, N_ASKED = 8, 8, 8
BATCH, TEXTS, LENGTH = 64, 16, 64
PEAK_LR = 5e-3


def config(design: str, d_hidden: int, n_layers: int) -> LlamaConfig | DeepSeekConfig:
    """Eight heads of width 8; MLA keeps R = 4 Dh and Dr = Dh / 2, as in DeepSeek-V2."""
    same = dict(n_vocab=N_LETTERS, d_model=D_MODEL, n_layers=n_layers, n_heads=N_HEADS, d_hidden=d_hidden)
    if design == "MLA":
        return DeepSeekConfig(**same, d_latent=4 * D_HEAD, d_head=D_HEAD, d_value=D_HEAD, d_rope=D_HEAD // 2)
    return LlamaConfig(**same, n_kv_heads=KV_HEADS[design])


def evened_out(design: str, n_layers: int) -> LlamaConfig | DeepSeekConfig:
    """The config whose block has as many parameters as MHA's with a hidden width of 176, as nearly as may be."""
    size = block_size(config("MHA", 176, 1))
    widths = range(96, 320)
    nearest = min(widths, key=lambda d_hidden: abs(block_size(config(design, d_hidden, 1)) - size))
    return config(design, nearest, n_layers)


def block_size(config: LlamaConfig | DeepSeekConfig) -> int:
    attention = sum(p.numel() for p in config.attention().parameters())
    return attention + 3 * config.d_model * config.d_hidden


class RecordReader(nn.Module):
    """One block between records and facts: records [B N 1+F] (key, then facts) and asked keys [B A] -> [B A F V]."""

    def __init__(self, design: str, n_facts: int):
        super().__init__()
        self.config = evened_out(design, 1)
        self.keys = nn.Embedding(N_RECORDS, D_MODEL)
        self.facts = nn.ModuleList(nn.Embedding(N_VALUES, D_MODEL) for _ in range(n_facts))
        self.ask = nn.Parameter(torch.randn(D_MODEL))
        self.block = Block(self.config)
        self.read_out = nn.Linear(D_MODEL, n_facts * N_VALUES)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)

    def forward(self, records: Int[Tensor, "B N F1"], asked: Int[Tensor, "B A"]) -> Float[Tensor, "B A F V"]:
        told = self.keys(records[..., 0]) + sum(
            fact(values) for fact, values in zip(self.facts, records[..., 1:].unbind(-1))
        )
        x = torch.cat([told, self.keys(asked) + self.ask], dim=1)
        T = x.shape[1]
        x = self.block(x, causal_mask(T), self.config.rotation(torch.arange(T), x.dtype))
        return self.read_out(x[:, -asked.shape[1] :]).unflatten(-1, (len(self.facts), N_VALUES))


def draw(n: int, n_facts: int, chance: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Records [n N 1+F] with every key once, the keys asked for [n A], and their facts [n A F]."""
    keys = torch.rand(n, N_RECORDS, generator=chance).argsort(dim=-1)
    facts = torch.randint(N_VALUES, (n, N_RECORDS, n_facts), generator=chance)
    places = torch.rand(n, N_RECORDS, generator=chance).argsort(dim=-1)[:, :N_ASKED]
    answers = facts.gather(1, places[..., None].expand(-1, -1, n_facts))
    return torch.cat([keys[..., None], facts], dim=-1), keys.gather(1, places), answers


def facts_right(design: str, n_facts: int, seed: int, steps: int, progress) -> float:
    """Share of the facts that the trained reader names."""
    torch.manual_seed(seed)
    model, chance = RecordReader(design, n_facts), torch.Generator().manual_seed(seed)
    batches = (draw(BATCH, n_facts, chance) for _ in range(steps))

    def loss(model, batch):
        return cross_entropy(model(*batch[:2]).flatten(0, 2), batch[2].flatten())

    label = f"{design}, {n_facts} facts"
    train(model, batches, steps=steps, lr=PEAK_LR, loss=loss, progress=lambda each: progress(each, label), history=[])
    *test, answers = draw(500, n_facts, torch.Generator().manual_seed(1000 + seed))
    with torch.no_grad():
        return (model(*test).argmax(-1) == answers).float().mean().item()


def language_loss(design: str, seed: int, steps: int, progress) -> float:
    """Loss of two layers on new text, in nats a letter, the first 16 letters of each text left out."""
    torch.manual_seed(seed)
    model = Llama(evened_out(design, 2))
    batches = topic_texts(seed, "train", steps * TEXTS, LENGTH).split(TEXTS)
    train(
        model, batches, steps=steps, lr=PEAK_LR, progress=lambda each: progress(each, f"{design}, language"), history=[]
    )
    test = topic_texts(seed, "test", 128, LENGTH)
    with torch.no_grad():
        return next_token_losses(model(test), test)[:, 16:].mean().item()


def measure(seed: int, *, progress, facts: list[int], steps: int, language_steps: int) -> dict[str, list]:
    """By design: facts right by number of facts, loss on language, numbers kept a token and layer, parameters."""
    configs = [evened_out(design, 1) for design in DESIGNS]
    return {
        "facts_right": [[facts_right(design, n, seed, steps, progress) for n in facts] for design in DESIGNS],
        "language": [language_loss(design, seed, language_steps, progress) for design in DESIGNS],
        "kept": [each.cached_numbers for each in configs],
        "parameters": [block_size(each) for each in configs],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: at the most facts, in every seed, MHA above GQA above MQA by 2 points at least and MLA within 2 points of
    MHA; and on language MHA below GQA below MQA by the means, first and last apart by more than the seeds scatter, and
    MLA not above MHA. Fails: at the most facts MQA is within 2 points of MHA on average, or the order is another."""
    facts, language = figures["facts_right"].values[:, :, -1], figures["language"]
    mha, gqa, mqa, mla = facts.T
    kept = "、".join(f"{name} {n:.0f}" for name, n in zip(DESIGNS, figures["kept"].mean))
    right = "、".join(f"{name} {share:.1%}" for name, share in zip(DESIGNS, facts.mean(0)))
    shares = figures["facts_right"].mean
    fewer = f"；事最少时最差的也有 {shares[:, 0].min():.1%}" if shares.shape[1] > 1 else ""
    nats = "、".join(f"{name} {m:.2f}±{s:.2f}" for name, m, s in zip(DESIGNS, language.mean, language.std))
    measured = f"每层每个 token 存的数：{kept}。记录题，事最多时答对：{right}{fewer}。语言的损失（nat）：{nats}。"
    if (mha - mqa).mean() < 0.02 or not mha.mean() >= gqa.mean() >= mqa.mean():
        return Verdict("fails", f"共用键值没有损失，或次序不同。{measured}")
    ordered = ((mha - gqa >= 0.02) & (gqa - mqa >= 0.02)).all()
    kept_up = (mha - mla <= 0.02).all()
    grouped = language.mean[:3]
    language_ordered = (grouped[0] <= grouped[1] <= grouped[2]) and grouped[2] - grouped[0] > language.std[:3].max()
    language_kept_up = language.mean[3] <= language.mean[0] + language.std.max()
    if ordered and kept_up and language_ordered and language_kept_up:
        return Verdict("holds", measured)
    said = [
        "容量逼满时，MHA > GQA > MQA 在每个种子里都分明" if ordered else "容量逼满时，MHA > GQA > MQA 只在平均上如此",
        f"MLA 比 MHA {'低' if mha.mean() >= mla.mean() else '高'} {100 * abs((mha - mla).mean()):.1f} 个百分点",
    ]
    if not language_ordered:
        said.append("语言上，三种分组之差没有超过种子之间的抖动")
    if not language_kept_up:
        said.append("而 MLA 的语言损失在这点训练步数里明显较高")
    return Verdict("partly", f"{'；'.join(said)}。{measured}")


CLAIM = Claim(
    id="C09b",
    chapter="05",
    title="同样训练之后，四种设计的质量",
    statement="键值头共用得越多，质量越低：MHA > GQA > MQA；MLA 存得和 GQA 差不多，质量不低于 MHA。",
    question="参数量配平、训练相同：要从一个 token 里取出 4 件或 8 件事，四种设计各答对多少？语言模型的损失呢？",
    refuted_if="事实最多时 MQA 的正确率比 MHA 低不到 2 个百分点，或平均的次序不是 MHA ≥ GQA ≥ MQA。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"facts": [8], "steps": 80, "language_steps": 10},
    full={"facts": [4, 8], "steps": 200, "language_steps": 100},
    quick_seeds=(0,),
    labels={
        "facts_right": "记录题答对的比例：MHA、GQA、MQA、MLA × 每个 token 4、8 件事",
        "language": "语言的损失（nat）：MHA、GQA、MQA、MLA",
        "kept": "每层每个 token 存几个数：MHA、GQA、MQA、MLA",
        "parameters": "一块的参数量（注意力 + 前馈）：MHA、GQA、MQA、MLA",
    },
    limits="宽 64、一两层。记录题是为了把容量逼满而造的：MQA 的一份值只有 8 维，要装 8 件事。真实模型头宽 128，"
    "一个 token 很少需要这么满。"
    "DeepSeek-V2 表 8 在 7B 上测到 MMLU：MHA 45.2、GQA 41.2、MQA 37.9；表 9 测到 MLA 略高于 MHA。"
    "我们的规模看不到“高于”。",
)
