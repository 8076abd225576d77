"""Chapter 19, SFT: where slides, papers and released code disagree, and what a computation says."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.course.errata.core import Erratum, require
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.chat import Chat, Rendered
from course_lib.posttraining.log_probs import masked_mean, row_means
from course_lib.posttraining.lora import LoRALinear
from course_lib.posttraining.sft import padded, sft_loss

OUYANG = "Ouyang et al. 2022, arXiv:2203.02155"
HU = "Hu et al. 2021, arXiv:2106.09685"


def _ceiling() -> dict[str, object]:
    """A softmax of its own for one question, which learns from demonstrators by the expected cross-entropy."""
    scattered, same = torch.full((20,), 1 / 20), torch.eye(20)[0]
    taught = {
        (right, name): torch.cat([torch.tensor([right]), (1 - right) * wrong])
        for right in (0.3, 0.5, 0.7)
        for name, wrong in (("错得各不相同", scattered), ("总错成同一个数", same))
        if right != 0.5 or name == "错得各不相同"  # an even share has no most likely answer
    }
    target = torch.stack([*taught.values()])
    logits = torch.zeros_like(target, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(500):
        loss = cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = {}
    for (right, name), learned in zip(taught, logits.detach().softmax(-1)):
        found[f"示范对 {right:.0%}，{name}：抽样对"] = f"{learned[0]:.0%}"
        found[f"示范对 {right:.0%}，{name}：取最可能的，对"] = f"{float(learned.argmax() == 0):.0%}"
    return found


def _settle_ceiling(values: dict[str, object]) -> str:
    numbers = [*values.values()]
    require(numbers[0::2] == ["30%", "30%", "50%", "70%", "70%"], f"sampled: {numbers[0::2]}")
    require(numbers[1::2] == ["100%", "0%", "100%", "100%", "100%"], f"greedy: {numbers[1::2]}")
    return (
        "锁住的是分布，不是每一次的回答。学到底（损失最低）时，照着概率抽，示范者对几成，学生就对几成；"
        "每步取最可能的，要看错得散不散：错得各不相同，只对三成的示范者也能教出全对的学生；"
        "总错成同一个数，过不了一半就全错。这里算的是最低处：一道题一组分数，没有训练语言模型。"
    )


A, B, C, END = 3, 4, 5, 2  # tokens of a small language; 0 and 1 stand for user and assistant


def _stopping(learn_end: bool) -> GPT2:
    """A tiny model that has learned to say a letter twice; with or without the end among what it learns."""
    torch.manual_seed(0)
    texts = [Rendered([0, each, END, 1, each, each, END], [False] * 4 + [True] * 3) for each in (A, B, C)]
    batch = padded([*texts, Rendered([*texts[0].ids, 0, B, END, 1, B, B, END], texts[0].is_answer * 2)], END)
    if not learn_end:
        batch["is_answer"] &= batch["ids"] != END
    model = GPT2(GPT2Config(n_vocab=6, context=16, d_model=16, n_layers=1, n_heads=2, dropout=0.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = sft_loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def _end_as_pad() -> dict[str, object]:
    found = {}
    for name, learn_end in (("长度说了算", True), ("编号等于 pad 的都不数", False)):
        model = _stopping(learn_end)
        with torch.no_grad():
            said = model(torch.tensor([[0, A, END, 1, A, A]]))[0].softmax(-1)
        found[f"{name}：第一个字说对的概率"] = f"{said[3, A]:.0%}"
        found[f"{name}：说完以后，停的概率"] = f"{said[5, END]:.0%}"
    return found


def _settle_end_as_pad(values: dict[str, object]) -> str:
    begun, ended, begun_without, ended_without = (float(each.strip("%")) for each in values.values())
    require(begun > 95 and begun_without > 95, f"first words: {begun} and {begun_without} %")
    require(ended > 95 and ended_without < 5, f"ends: {ended} and {ended_without} %")
    return (
        "按编号去掉填充，连真的结束符也去掉了：字学得一样好，只是永远学不会停。"
        "填充在哪里，要由长度说，不能由编号说；`padded` 就是这样做的，pad 用哪个编号都行。"
    )


def _mean_of_means() -> dict[str, object]:
    losses = torch.tensor([[3.0] * 2 + [0.0] * 18, [0.5] * 20], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * 2 + [False] * 18, [True] * 20])
    all_words, by_rows = masked_mean(losses, mask), row_means(losses, mask).mean()
    (of_all,) = torch.autograd.grad(all_words, losses)
    (of_rows,) = torch.autograd.grad(by_rows, losses)
    return {
        "两句答案，2 个词和 20 个词，每词的损失": "3 与 0.5",
        "所有的词一起平均": round(all_words.item(), 3),
        "先各句平均，再平均": by_rows.item(),
        "一起平均：短句一个词的分量是长句一个词的几倍": round((of_all[0, 0] / of_all[1, 0]).item(), 6),
        "先各句平均：几倍": round((of_rows[0, 0] / of_rows[1, 0]).item(), 6),
    }


def _settle_mean_of_means(values: dict[str, object]) -> str:
    _, words, rows, one, ten = values.values()
    require((words, rows, one, ten) == (0.727, 1.75, 1.0, 10.0), f"{words}, {rows}, {one}, {ten}")
    return (
        "不一样。先各句平均，短句的一个词顶长句的十个。一批分几次算（梯度累积、几块显卡）时，"
        "每次各自平均再平均，就悄悄变成了后一种。要先加总，最后除以词的总数；"
        "`Update` 的 `weigh=n_targets` 做的就是这件事。"
    )


def _line_breaks() -> dict[str, object]:
    chat = Chat(lambda text: [ord(each) for each in text], start=1, end=2)
    messages = [{"role": "user", "content": "27+15=?"}, {"role": "assistant", "content": "42"}]
    ids, ours = chat.render(messages)
    theirs = [
        mine or (token == ord("\n") and (ours[i - 1 : i] == [True] or ours[i + 1 : i + 2] == [True]))
        for i, (token, mine) in enumerate(zip(ids, ours))
    ]
    return {
        "本课标的词元": sum(ours),
        "TRL 的训练模板标的词元": sum(theirs),
        "多出来的是": "、".join(
            "换行" if chr(ids[i]) == "\n" else chr(ids[i]) for i in range(len(ids)) if theirs[i] and not ours[i]
        ),
        "多出来的占它标的": f"{(sum(theirs) - sum(ours)) / sum(theirs):.0%}",
    }


def _settle_line_breaks(values: dict[str, object]) -> str:
    ours, theirs, more, share = values.values()
    require((ours, theirs, more, share) == (3, 5, "换行、换行", "40%"), f"{ours}, {theirs}, {more}, {share}")
    return (
        "两种都能用，可是损失不能直接比。TRL 给 Qwen2.5 的训练模板，把抬头后面和结束符后面的换行也算成助手写的；"
        "这两个换行总在那里，几乎不用学，却占了分母。答案只有两个字时，五个里有两个是换行，损失看着就低。"
    )


def _spreads() -> dict[str, object]:
    width, rank = 768, 8
    torch.manual_seed(0)
    by_loralib = torch.empty(rank, width)
    nn.init.kaiming_uniform_(by_loralib, a=5**0.5)
    ours = LoRALinear(nn.Linear(width, width), rank).A.detach()
    x = torch.randn(2000, width)
    return {
        "loralib：最大的绝对值乘 √768": round(by_loralib.abs().max().item() * width**0.5, 2),
        "loralib：标准差乘 √768": round(by_loralib.std().item() * width**0.5, 2),
        "本课的高斯：标准差乘 √768": round(ours.std().item() * width**0.5, 2),
        "A x 的标准差，loralib 与本课（x 的是 1）": f"{(x @ by_loralib.T).std():.2f} 与 {(x @ ours.T).std():.2f}",
    }


def _settle_spreads(values: dict[str, object]) -> str:
    largest, theirs, ours, outputs = values.values()
    require(0.97 < largest <= 1 and 0.56 < theirs < 0.6 and 0.97 < ours < 1.03, f"{largest}, {theirs}, {ours}")
    return (
        "论文说 A 从高斯分布抽，没有说多宽；作者自己的 loralib 用的是均匀分布，`kaiming_uniform_(a=√5)`。"
        "算下来是 ±1/√I 之间均匀，标准差是 1/√(3I)，乘 √I 是 0.577（抽出来的 0.57 与 0.58 都是它）；"
        f"A x 的标准差因此是 {outputs}。"
        "B 从 0 起，所以开头两种都不改变模型；B 的第一步梯度与 A 成正比，差 1.7 倍，学习率要跟着调。"
    )


def _first_steps() -> dict[str, object]:
    width, alpha = 256, 16.0
    torch.manual_seed(0)
    pull = torch.randn(width, width, dtype=torch.float64)  # the gradient of the whole matrix, [O I]
    falls = {"α/r": [], "α/√r": []}
    for rank in (1, 4, 16, 64):
        A = torch.randn(20, rank, width, dtype=torch.float64) * width**-0.5  # 20 draws
        for name, scale in (("α/r", alpha / rank), ("α/√r", alpha / rank**0.5)):
            gradient_of_B = scale * pull @ A.mT
            falls[name].append(gradient_of_B.pow(2).sum((1, 2)).mean().item())  # to first order, a step size of 1
    return {f"{name}：秩 1、4、16、64，损失降了多少（秩 1 为 1）": [round(each / fell[0], 3) for each in fell]
            for name, fell in falls.items()}  # fmt: skip


def _settle_first_steps(values: dict[str, object]) -> str:
    plain, stable = values.values()
    require(plain[-1] < 0.02 and all(0.8 < each < 1.2 for each in stable), f"α/r {plain}, α/√r {stable}")
    return (
        f"走一步普通的梯度下降，按 α/r，秩从 1 加到 64，损失的降幅只有秩 1 时的 {plain[-1]:.1%}；按 α/√r 差不多不变。"
        "所以 α 不动、只加秩，开头学得反而慢，容易被当成“秩大了没有用”。"
        "换成 Adam，步子不随梯度的大小变，这个数不能照搬；这里只算了第一步。"
    )


def _epochs() -> dict[str, object]:
    """Logistic regression on few rows of many numbers, as fine-tuning has few texts and many weights."""
    torch.manual_seed(0)
    truth = torch.randn(40, dtype=torch.float64)
    rows = [torch.randn(n, 40, dtype=torch.float64) for n in (60, 2000)]
    sides = [((x @ truth + 3 * torch.randn(len(x), dtype=torch.float64)) > 0).double() for x in rows]
    weights = torch.zeros(40, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=2.0)
    losses, right = [], []
    for _ in range(16):
        for part in torch.arange(60).split(12):
            loss = nn.functional.binary_cross_entropy_with_logits(rows[0][part] @ weights, sides[0][part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            held_out = rows[1] @ weights
            losses.append(nn.functional.binary_cross_entropy_with_logits(held_out, sides[1]).item())
            right.append(((held_out > 0) == (sides[1] > 0)).double().mean().item())
    return {
        "验证损失最低在第几遍": losses.index(min(losses)) + 1,
        "验证损失，第 1 遍与第 16 遍": f"{losses[0]:.2f} 与 {losses[-1]:.2f}",
        "猜对的比例，第 1 遍与第 16 遍": f"{right[0]:.1%} 与 {right[-1]:.1%}",
    }


def _settle_epochs(values: dict[str, object]) -> str:
    best, losses, right = values.values()
    (first, last), (worse, better) = (
        [float(each.strip("%")) for each in pair.split(" 与 ")] for pair in (losses, right)
    )
    require(best <= 3 and last > 1.2 * first and better >= worse - 0.5, f"best {best}, losses {losses}, right {right}")
    return (
        "损失和好坏可以分家。InstructGPT 的 SFT 第 1 遍以后验证损失就在升，论文还是训练了 16 遍，"
        "因为奖励模型的分和人的评价还在升。这里的小例子是逻辑回归，60 行、40 个权重，也是这样：损失从 "
        f"{losses.replace('与', '到')}，猜对的比例从 {right.replace('与', '到')}。"
        "多训练几遍，模型变得更有把握，猜错的那些罚得更重，猜对的并没有变少。只看验证损失，会停得太早。"
    )


ERRATA = [
    Erratum(
        id="K19-1",
        chapter="19",
        title="上限锁死，锁的是什么",
        slide="“上限被人类标注者/数据集的水平死死卡住”。",
        paper="损失是示范的交叉熵：最低处，模型的分布等于示范者的分布（Ouyang et al. 2022，3.5 节用的是这个损失）。",
        code="生成时可以照概率抽，也可以每步取最可能的（`do_sample=True` 与 `False`），两种不是一回事。",
        compute=_ceiling,
        settles=_settle_ceiling,
        sources=[f"{OUYANG}, section 3.5", "huggingface/transformers: GenerationConfig.do_sample"],
    ),
    Erratum(
        id="K19-2",
        chapter="19",
        title="用结束符当填充，会怎样",
        slide="没有提。",
        paper="没有提；许多基座模型没有专用的填充编号，教程都写 pad_token = eos_token。",
        code="transformers 的 DataCollatorForLanguageModeling：labels[labels == pad_token_id] = -100。",
        compute=_end_as_pad,
        settles=_settle_end_as_pad,
        sources=["huggingface/trl#3091", "huggingface/trl#1623", "huggingface/trl#6357"],
    ),
    Erratum(
        id="K19-3",
        chapter="19",
        title="平均的平均，等于平均吗",
        slide="“交叉熵损失”，没有说对什么求平均。",
        paper="通常只写“对回答的词元求平均”。",
        code="torchtune 和 transformers 到 2024 年 10 月才改成除以整批的词数（transformers 叫 num_items_in_batch）。",
        compute=_mean_of_means,
        settles=_settle_mean_of_means,
        sources=["pytorch/torchtune#1875", "huggingface/transformers#34191"],
    ),
    Erratum(
        id="K19-4",
        chapter="19",
        title="换行是谁写的",
        slide="“强迫模型逐字逐句地模仿”，没有说哪些字是助手的。",
        paper="Qwen 的技术报告用 ChatML，没有逐个词元说明哪些计入损失。",
        code="TRL 的 qwen2_5_training.jinja：generation 一段从抬头后面的换行开始，到结束符后面的换行为止。",
        compute=_line_breaks,
        settles=_settle_line_breaks,
        sources=["huggingface/trl: trl/chat_templates/qwen2_5_training.jinja", "Bai et al. 2023, arXiv:2309.16609"],
    ),
    Erratum(
        id="K19-5",
        chapter="19",
        title="LoRA 的 A 从哪里抽",
        slide="没有提。",
        paper="“A 用随机的高斯初始化，B 用零”，没有写标准差。",
        code="loralib：nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))；peft 默认也是它，另有 gaussian 可选。",
        compute=_spreads,
        settles=_settle_spreads,
        sources=[f"{HU}, section 4.1", "microsoft/LoRA: loralib/layers.py", "huggingface/peft#1189"],
    ),
    Erratum(
        id="K19-6",
        chapter="19",
        title="秩加倍，α 要不要跟着改",
        slide="没有提。",
        paper="LoRA：乘 α/r，换秩时“少调超参数”。rsLoRA：应当乘 α/√r，否则秩大了学不动。",
        code="peft：默认 lora_alpha / r；use_rslora=True 时 lora_alpha / math.sqrt(r)。",
        compute=_first_steps,
        settles=_settle_first_steps,
        sources=[f"{HU}, section 4.1", "Kalajdzievski 2023, arXiv:2312.03732", "huggingface/peft: LoraConfig"],
    ),
    Erratum(
        id="K19-7",
        chapter="19",
        title="验证损失升了，该停吗",
        slide="没有提。",
        paper="InstructGPT 3.5 节：训练 16 遍；1 遍以后验证损失就过拟合，可是多训练对奖励模型的分和人的偏好都有好处。",
        code="InstructGPT 没有公开代码；Llama 2 的 SFT 只训练 2 遍。",
        compute=_epochs,
        settles=_settle_epochs,
        sources=[f"{OUYANG}, section 3.5", "Touvron et al. 2023, arXiv:2307.09288, section 3.1"],
    ),
]
