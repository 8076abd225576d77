# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # 10 ViT：把图读成一句话
#
# Transformer 读的是一串词元。一张图有宽有高，没有词，也没有先后。怎样交给它读？
#
# **学完能做什么**
#
# - 拿一张图，一步一步报出 ViT 里的每个形状，说清 N 和 N+1、3,072 和 1,024
# - 用三十几行代码装起整个 ViT，与课程的实现只差舍入
# - 证明“切块再投影”就是一次卷积，也能查出切成条纹的错误
# - 打乱图像块，说出位置管着什么
# - 说出数据多少怎样改变它与卷积网的胜负，并老实地读论文的结果表

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面。常见问题：“ViT 是 2020 还是 2021 年的？”答：论文 2020 年 10 月上传 arXiv，2021 年发表在 ICLR，两种写法都有人用。
# :::

# %% [markdown]
# **先修**：[02 位置编码](../1_foundations/02_positions.ipynb)（注意力不知道次序）、[04 注意力](../1_foundations/04_attention.ipynb)（多头、权重）、[06 完整 Transformer](../1_foundations/06_transformer.ipynb)（编码器、残差、LayerNorm）、[08 GPT-2](08_gpt2.ipynb)（pre-norm 的块）。
#
# **阅读** 约 45 分钟，练习另加 42 分钟。**运行** 实测约 50 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $H$、$W$ | 图的高和宽，像素 | 256、256 |
# | $C$ | 通道数，彩图是 3 | 3 |
# | $P$ | 图像块的边长，像素 | 32 |
# | $N$ | 图像块的个数，$HW/P^2$ | 64 |
# | $T$ | 词元数，$N+1$ | 65 |
# | $D$ | 宽度：一个词元用几个数表示 | 1,024 |
# | $x$ | 图像块摊平以后的数 | $[N,\,C P^2]$ |
# | $E$ | 投影矩阵 | $[C P^2,\,D]$ |
# | $p$ | 位置表 | $[N+1,\,D]$ |
# | $z$ | 残差流 | $[N+1,\,D]$ |
# | $A$ | 一层里各头平均的权重 | $[N+1,\,N+1]$ |
# | $R$ | 展开：各层乘起来的份额 | $[N+1,\,N+1]$ |
# | $I$ | 单位阵 | $[N+1,\,N+1]$ |
# | $n$ | 编码器的块数 | |
# :::

# %% slideshow={"slide_type": "skip"}
import numpy as np
import torch
from torch.nn.functional import conv2d, cross_entropy, gelu, unfold
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch10_vit import emoji_groups, learning, scene_kinds
from course_lib.chapters.ch10_vit import figures as plots
from course_lib.chapters.ch10_vit.experiments.c14_data import AMOUNTS
from course_lib.chapters.ch10_vit.experiments.c14d_patch import PATCHES
from course_lib.chapters.ch10_vit.experiments.c14e_emoji import SHARES
from course_lib.chapters.ch10_vit.whole_figure import plot_whole
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.pictures import digits, photograph
from course_lib.data.world.captions import ZH
from course_lib.foundations.patches import PatchEmbedding, patchify, unpatchify
from course_lib.foundations.rollout import rollout
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.models.vit import SIZES, ViT, ViTConfig, n_parameters
from course_lib.training.loop import train
from course_lib.widgets.live_vit import live_vit
from course_lib.widgets.vision import attention_widget, patch_widget

start("10")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：一个像素一个词元，行吗
#
# 最老实的办法：把像素一行一行排开，一个像素一个词元，交给编码器（encoder）。注意力让每个词元看每个词元，一个头要一张词元数 × 词元数的表。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 一张 224×224 的图，一个像素一个词元。一个头的注意力表，每格 4 个字节，有多大？
#
# - A. 约 200 KB
# - B. 约 200 MB
# - C. 约 10 GB
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for side in (1, 2, 4, 16):
    n_tokens = (224 // side) ** 2
    print(f"{side:2}×{side:<2} 像素一个词元：{n_tokens:>6,} 个词元，一张表 {4 * n_tokens**2 / 1e6:>9,.2f} MB")

# %% [markdown] slideshow={"slide_type": "fragment"}
# 一个头就要 10 GB，还有十几个头、十几层。注意力的花费按词元数的平方涨，所以词元不能是像素。
#
# ViT 的办法：把图切成 16×16 像素的小方块，一块当一个词，这张图是 14×14 = 196 个词。论文的题目叫 An Image is Worth 16x16 Words，16×16 说的是一个词的像素。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票。常见问题：“不能只看附近的像素吗？”答：能，那就是卷积和后来的局部注意力。ViT 想先试最不改动的一条路：Transformer 原样不动，只改怎样切。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：把照片切成块
#
# 一个小方块叫一个**图像块**（patch），边长 $P$。224×224 的照片，拨一拨 $P$，看词元数怎样变。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
photo = np.ascontiguousarray(photograph("china", width=336, height=224)[:, 60:284])  # [224, 224, 3]
patch_widget(photo)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 拨到 56，16 块就是全图，亭子的细节挤在几个词元里；拨到 8，有 785 个词元，比块数多 1 个，下一节讲。中间的柱子是词元数，右边是两两相乘占全部计算的几成。
# 右边的柱子比你想的短：块大时，计算量几乎都在逐个词元的矩阵上；块越小，两两相乘的一份才越大。若它只与全部计算涨得一样快，右边六根柱子就一样长。
# :::

# %% tags=["nbval-check-output"]
picture = torch.from_numpy(photo / 255).float().permute(2, 0, 1)[None]  # [1, C, H, W]
for patch in (14, 16, 32):
    x = patchify(picture, patch)  # [1, N, C·P²]
    assert_close(unpatchify(x, patch, 224, 224), picture)
    print(f"P = {patch}：{list(x.shape[1:])}，{x[0].numel():,} 个数，拼回去就是原图")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，从 56 拨到 8。常见问题：“除不尽怎么办？”答：先把图放缩到除得尽。“ViT-H/14 是 14 块吗？”答：不是，14 是块的边长，224÷14 = 16，共 256 块。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 六步，一本形状账
#
# 1. 图：$[C,H,W]$，取 256×256 的彩图，$P=32$，$D=1024$
# 2. 切块，摊平：$N=HW/P^2=64$ 块，每块 $C P^2$ 个数
# 3. 投影：每块乘同一个 $E$，变成 $D$ 个数
# 4. 最前面拼上一个可学习的词元，**分类词元**（class token, CLS），再给 $N+1$ 个词元各加一行位置：$z=[\text{CLS};\,xE]+p$，$[N+1,D]$
# 5. 编码器：$n$ 个块，形状不变
# 6. 只取 CLS 那一行，过分类头
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 第 3 步的 $E$ 一共有多少个权重？
#
# - A. 约 105 万：1,024 × 1,024
# - B. 约 315 万：3,072 × 1,024
# - C. 约 2 亿：64 块，每块一个 3,072 × 1,024
# :::

# %% slideshow={"slide_type": "skip"}
config = ViTConfig(height=256, width=256, patch=32, d_model=1024, n_layers=1, n_heads=16, n_classes=1000)
vit, images = ViT(config), torch.rand(1, 3, 256, 256)  # 只装一个块，形状是一样的

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
with torch.no_grad():
    z = vit.features(images)
    ledger = {"1 图": images, "2 切块，摊平": patchify(images, 32), "3 投影": vit.patches(images)}
    ledger |= {"4 拼 CLS，加位置": vit.embed(images), "5 编码器": z, "6 分类头": vit(images)}
for step, numbers in ledger.items():
    print(f"{step}：{list(numbers.shape[1:])}")
print(f"E 的权重：{vit.patches.project.weight.numel():,} 个")

# %% [markdown]
# CLS 从哪里来？它是 $D$ 个学到的数，每张图都一样，不含任何像素。它在编码器里向各块提问，把全图的信息收到自己这一行。BERT 就这样做，ViT 照搬。
# 论文也试过把各块平均起来分类，调好学习率就一样好（附录 D.3）。
#
# 有一处常被写错。卡片的第一行是一份流传的教学材料的原话：

# %%
show_erratum("K10-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，让学生先报每一步的形状。常见问题：“D 一定要 1,024 吗？”答：随你定，ViT-B 是 768，ViT-H 是 1,280。“65 里多出来的一个是什么？”答：CLS。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：切块再投影，就是一次卷积
#
# 一张 2×4 的灰图，$P=2$，切成两块。$D=2$，投影取两个看得懂的：第一列是“左上减右下”，第二列是“四个数的平均”。
#
# $$
# \begin{bmatrix}1&2&0&3\\4&5&6&1\end{bmatrix}\;\rightarrow\;x=\begin{bmatrix}1&2&4&5\\0&3&6&1\end{bmatrix}
# $$
#
# 第一块：1 − 5 = −4，平均 3。第二块：0 − 1 = −1，平均 2.5。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
tiny = torch.tensor([[[[1, 2, 0, 3], [4, 5, 6, 1]]]], dtype=torch.float64)  # [1, C, H, W] = [1, 1, 2, 4]
E = torch.tensor([[1, 0.25], [0, 0.25], [0, 0.25], [-1, 0.25]], dtype=torch.float64)  # [C·P², D] = [4, 2]
by_matmul = patchify(tiny, 2) @ E  # [1, N, D] = [1, 2, 2]
by_convolution = conv2d(tiny, E.T.reshape(2, 1, 2, 2), stride=2)  # [1, D, 1, 2]
print("切块再乘", by_matmul[0].tolist())
assert_close(by_convolution.flatten(2).mT, by_matmul)
room = PatchEmbedding(2, 2, channels=1, bias=False).double()
room.project.weight.data = E.T
assert_close(room(tiny), by_matmul)

# %% [markdown]
# **卷积**（convolution）是拿一个小窗口在图上滑，每停一处，窗口里的数和同一组权重做内积。窗口边长是 $P$、一步也走 $P$，就停在每个图像块上，不重叠。
# 所以公开的代码里，投影写成 `Conv2d(3, D, kernel_size=P, stride=P)`，它与“摊平再乘矩阵”是同一个运算，权重换个形状就行。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，第二块请学生算。常见问题：“用了卷积，还算没有卷积的网络吗？”答：只在门口用一次，窗口不重叠，后面全是注意力。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 拿真的手写数字来训练
#
# 1,797 个真人写的数字，8×8 的灰图。$P=2$，切成 16 块，每块只有 4 个数。1,437 张用来训练，360 张不给它看，训练只有十来行。

# %% slideshow={"slide_type": "skip"}
scans, labels = digits()  # [1797, 8, 8]，0 … 255
X, Y = torch.from_numpy(scans)[:, None] / 127.5 - 1, torch.from_numpy(labels)  # [1797, 1, 8, 8]
held_out, seen = learning.split(1)  # 抽签：360 个，1,437 个


def trained(with_positions, steps=500):
    torch.manual_seed(0)
    model = ViT(ViTConfig(height=8, width=8, patch=2, channels=1, n_classes=10, d_model=48, n_layers=2))
    if not with_positions:
        model.positions.data.zero_()
        model.positions.requires_grad_(False)
    batches = (seen[torch.randint(len(seen), (64,))] for _ in range(steps))
    train(model, batches, steps=steps, lr=3e-3, loss=lambda model, rows: cross_entropy(model(X[rows]), Y[rows]))
    return model.eval()


reader = trained(with_positions=True)

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
with torch.no_grad():
    read = reader(X[held_out]).argmax(-1)
    learned = (reader(X[seen]).argmax(-1) == Y[seen]).float().mean().item()
confusions = np.zeros((10, 10), int)
np.add.at(confusions, (Y[held_out].numpy(), read.numpy()), 1)
wrong = [(scans[i], int(Y[i]), int(said)) for i, said in zip(held_out.tolist(), read) if Y[i] != said]
accuracy = 1 - len(wrong) / len(held_out)
show_figure(
    plots.plot_confusions(confusions, wrong),
    alt=f"360 个没见过的手写数字，读对 {accuracy:.0%}。左边是混淆表，对角线外 {len(wrong)} 个；右边是读错的几张，例如"
    + "、".join(f"{true} 读成 {said}" for _, true, said in wrong[:4]),
)
print(f"训练过的读对 {learned:.1%}，没见过的读对 {accuracy:.1%}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 表里对角线是读对的，蓝格是读错的，右边是读错的几张原图，有几张连人也要犹豫。
# 训练过的几乎全对，没见过的错了百分之几：它记得住，泛化还差一点。若它只是瞎猜，蓝色会均匀铺满全表。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常见问题：“为什么不用 MNIST？”答：这份数据装好就有，不用下载，八像素见方，几秒钟训练完。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图
#
# 跟着一个数字走一遍，从左到右。它没见过这个数字，读对了，但最没有把握：

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
with torch.no_grad():
    sure = reader(X[held_out]).softmax(-1)[torch.arange(360), Y[held_out]]  # 给对的那个数字几成
    hardest = held_out[torch.where(read == Y[held_out], sure, 1).argmin()].item()
    one = X[[hardest]]  # [1, 1, 8, 8]
    chances = reader(one).softmax(-1)[0]
best = [(str(k), chances[k].item()) for k in chances.topk(3).indices.tolist()]
show_figure(
    plot_whole(reader.config, (one[0, 0].numpy() + 1) / 2, best),
    alt="ViT 的全图，从左到右。8×8 的数字切成 16 块，每块摊平成 4 个数，投影到 48，最前面拼上 CLS 成 17 行，加位置，成为残差流 [17, 48]；"
    "一个块重复 2 次：支路一是 LayerNorm、q k v、4 个头的权重（没有掩码）、合并，加回残差流；支路二是 LayerNorm、放宽到 192、GELU、收窄，再加回；"
    "最后 LayerNorm，只取第 0 行，过分类头得 10 个分数：" + "、".join(f"{word} {chance:.0%}" for word, chance in best),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 虚线框和 GPT-2 的块一样，pre-norm，两条支路各加回主干。只有三处不同：入口换成切块和投影，注意力没有掩码，出口只读 CLS 那一行。
# 若照 GPT-2 加上掩码，站在最前面的 CLS 就只看得见自己。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，手指着走一遍，每个方框先让学生报形状。常见问题：“CLS 放在最后行不行？”答：没有掩码，放哪里都行，只要训练和使用一致。
# :::

# %% [markdown]
# ## 整段码
#
# 把图上每个方框写成一行。不用 `nn.Module`，只用权重的名字和矩阵乘法。`unfold` 就是切块加摊平；`.T` 和 `.mT` 是转置，后者只换最后两维。`T` 是词元数，$N+1$：


# %%
def norm(x, w):  # [T, D] → [T, D]，每一行各自归一化
    x = x - x.mean(-1, keepdim=True)
    return x / (x.var(-1, keepdim=True, unbiased=False) + 1e-6).sqrt() * w["weight"] + w["bias"]


def affine(x, w):  # nn.Linear 存的是 [出, 进]
    return x @ w["weight"].T + w["bias"]


def attention(x, w, n_heads):  # 谁都可以看谁
    T, D = x.shape
    heads = [part.view(T, n_heads, -1).transpose(0, 1) for part in affine(x, w["to_qkv"]).chunk(3, -1)]
    q, k, v = heads  # 各 [头数, T, D/头数]
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return affine((weights @ v).transpose(0, 1).reshape(T, D), w["to_out"])


def whole_vit(image, w, patch, n_heads):  # [C, H, W] → 分数 [类数]
    x = unfold(image[None], patch, stride=patch)[0].T  # [N, C·P²]
    x = affine(x, w["patches"]["project"])  # [N, D]
    z = torch.cat([w["cls"][None], x]) + w["positions"]  # [N+1, D]
    for block in w["encoder"]["blocks"].values():
        z = z + attention(norm(z, block["norm_attention"]), block["attention"], n_heads)
        wide = gelu(affine(norm(z, block["norm_feedforward"]), block["feedforward"]["up"]))
        z = z + affine(wide, block["feedforward"]["down"])
    return affine(norm(z, w["norm_out"])[0], w["head"])


def by_name(weights):  # {"encoder.blocks.0…": …} → 一层一层的字典
    tree = {}
    for name, tensor in weights.items():
        *path, last = name.split(".")
        place = tree
        for step in path:
            place = place.setdefault(step, {})
        place[last] = tensor
    return tree


# %% [markdown]
# 装上刚训练好的权重（4 个头，权重里没有写，要另外给），与课程的实现比较，只许差舍入：

# %% tags=["nbval-check-output"]
w = by_name(reader.state_dict())
with torch.no_grad():
    assert_close(whole_vit(one[0], w, patch=2, n_heads=4), reader(one)[0], atol=1e-4, rtol=1e-4)
print("十个分数，舍入以内相同")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 打乱图像块，它看得出来吗
#
# 同一次训练，再来一个没有位置的：位置表全是 0，不许动。然后把每张图的 16 块按同一个次序打乱。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 打乱以后，没有位置的那个模型，CLS 给出的十个分数怎样变？
#
# - A. 一个也不变
# - B. 变一点，还是读得出
# - C. 全乱了
# :::

# %% slideshow={"slide_type": "fragment"}
bag = trained(with_positions=False)
shuffle = torch.randperm(16, generator=torch.Generator().manual_seed(3))
mixed = unpatchify(patchify(X, 2)[:, shuffle], 2, 8, 8)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
with torch.no_grad():
    apart = (bag(X) - bag(mixed)).abs().max().item()
    print(f"没有位置：1,797 张图，打乱前后的分数{'相同' if apart < 1e-3 else '不同'}")
    right = {
        name: [(model(pixels[held_out]).argmax(-1) == Y[held_out]).float().mean().item() for pixels in (X, mixed)]
        for name, model in {"有位置": reader, "没有位置": bag}.items()
    }

# %% [markdown]
# 挑一张：两个模型原图都读对，打乱以后有位置的那个读错。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
with torch.no_grad():
    fooled = next(
        i
        for i in held_out.tolist()
        if reader(X[[i]]).argmax() == Y[i] == bag(X[[i]]).argmax() != reader(mixed[[i]]).argmax()
    )
    pair = [pixels[fooled, 0].numpy() for pixels in (X, mixed)]
    thought = {
        name: [model(pixels[[fooled]]).softmax(-1)[0].numpy() for pixels in (X, mixed)]
        for name, model in {"有位置": reader, "没有位置": bag}.items()
    }
show_figure(
    plots.plot_shuffled(pair, thought),
    alt=f"一个手写的 {Y[fooled]}，原图和打乱的图。有位置的模型原图读作 {thought['有位置'][0].argmax()}，打乱后读作 {thought['有位置'][1].argmax()}；"
    f"没有位置的模型两次都读作 {thought['没有位置'][0].argmax()}，十根柱子一样高",
)
for name, (original, shuffled) in right.items():
    print(f"{name}：原图对 {original:.0%}，打乱后对 {shuffled:.0%}")

# %% [markdown]
# 为什么不变？块换了次序，注意力的每一行仍是同一批词元的加权和，只是各行跟着换位（第 02 章的置换等变）；LayerNorm 和前馈逐行算；CLS 不参加打乱，它那一行就不变。
#
# 没有位置的 ViT 读的是一袋图像块。只凭“有哪些块”，它也能读对七成多，离有位置的差一大截。有位置的那个，一打乱就读不出了。
#
# 论文在真实的规模上也拆过（附录表 8，ViT-B/16，ImageNet 五样本线性分类）：
#
# | 位置 | 正确率 |
# |---|---|
# | 没有 | 61.4 % |
# | 一维编号，每个位置一行（论文用的） | 64.2 % |
# | 二维，行和列各一半 | 64.0 % |
# | 相对位置（[第 03 章](../1_foundations/03_rope.ipynb)） | 64.0 % |
#
# 要紧的是有没有，怎样写差别很小。只差 3 个点，可能是因为 16×16 的一块里，花纹本身就说明很多。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票。常见问题：“真实规模上去掉位置只差 3 个点，是不是不要紧？”答：可能因为那里一块 16×16，块里的花纹就说明很多；数字的一块只有 4 个数，更要靠块在哪里。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 它在看哪里
#
# 换一个图更大的模型：程序画的合成图，32×32，彩色，一张一个图形，$P=4$，切成 64 块，只问是哪一种形状。
#
# 分类只读 CLS 那一行，所以问：CLS 从哪些块拿了信息？若只有一层，看它那一行权重就够了。可是到第二层，每一行已经掺了别的块。
# **注意力展开**（attention rollout）把各层乘起来：
#
# $$
# R=\frac{A_n+I}{2}\cdots\frac{A_1+I}{2}
# $$
#
# $A$ 是一层里各头平均的权重，$I$ 是残差：一半留着自己，一半来自注意力。$R$ 的第 0 行，是 CLS 从每一行输入（连它自己）拿到的份额，和为 1。


# %% slideshow={"slide_type": "skip"}
looker = scene_kinds.trained(1, 400, positions_std=0.02)
scenes = scene_kinds.scenes(10**6, 0, 300)  # 没见过的
views, true_kinds = scene_kinds.pictures(scenes, 0)

# %% [markdown]
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 图形盖住的块（外框碰到就算）约占画面的四分之一。展开以后，CLS 从各块拿来的，几成出自图形盖住的块？它自己那一份不算。它从来没有被告诉过图形在哪里，只被告诉是什么。
#
# - A. 四分之一，和面积一样
# - B. 三分之一
# - C. 一半以上
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
with torch.no_grad():
    maps = looker.attention_maps(views)  # [n 层, B 张, 头数, T, T]
    right_kinds = (looker(views).argmax(-1) == true_kinds).float().mean()
on_shape = torch.from_numpy(scene_kinds.covered(scenes))  # [B, N]，图形盖住的块


def share_on_shape(gaze):  # [B, N]，不含 CLS 自己 → 各块之间，平均几成落在图形的块上
    return ((gaze * on_shape).sum(1) / gaze.sum(1)).mean().item()


rolled, last = share_on_shape(rollout(maps)[:, 0, 1:]), share_on_shape(maps[-1].mean(1)[:, 0, 1:])
print(f"形状读对{'九成以上' if right_kinds > 0.9 else '不到九成'}")
print(
    f"落在图形上的：展开{'一半以上' if rolled > 0.5 else '不到一半'}，只看最后一层{'更多' if last > rolled else '更少'}"
)

# %% [markdown]
# 找得到，可是只看最后一层落得更准，换种子也是（章末 C14c）。可能两层时最后一层就够了，展开把第一层里散的也乘了进来。论文画的是 24 层的 ViT-L/16（附录 D.8），那里谁更准，这里没有测。
#
# 换着看每一层的每个头，最右边的“连乘”就是展开。也可以不问 CLS，问某一块在看哪里：

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
first = {scene.shapes[0].kind: i for i, scene in reversed(list(enumerate(scenes)))}  # 每种形状的第一张
chosen = [first[kind] for kind in ("triangle", "ring", "cross")]
attention_widget(
    looker,
    views[chosen],
    [((views[i].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8) for i in chosen],
    [ZH[scenes[i].shapes[0].kind] for i in chosen],
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 橙色越深，CLS 从那一块拿得越多。有的头几乎只看图形，有的头专看背景；展开是它们合起来的结果，深处常在图形的边上。
# 若模型靠背景里的碎纹猜，橙色就该到处都有。注意力说的是信息从哪里流来，不证明那就是理由。
# :::

# %% [markdown]
# 展开只有几行：

# %%
show_source(rollout)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常见问题：“注意力大的地方就是原因吗？”答：不一定，它只说信息从哪里流来。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 位置表学到了什么
#
# 没有人告诉位置表哪一行在上、哪一行在左，64 行刚开始都是很小的随机数，标准差 0.02，和论文的代码一样。训练完，减去 64 行的平均，再比任意两行的余弦相似度，按两块在图上的直线距离（四舍五入到格）平均，三个种子：

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
grid = figures_of(load_record("C14b"))
curves = {
    name: grid[key].mean for name, key in (("训练后", "trained"), ("训练前", "untrained"), ("训练后，打乱", "shuffled"))
}
show_figure(
    plots.plot_by_distance(curves),
    alt="两块相隔一到七格，位置的余弦相似度。"
    + "；".join(f"{name}：" + "、".join(f"{value:.2f}" for value in line) for name, line in curves.items()),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 紫线从左往右下坡：近的只是略微像（余弦 0.1），远的不像，远近是从数据里学来的。最右一点又翘起来，那里只剩靠近两端的几对块。若它什么也没有学到，紫线该和另外两条一样平。
# 论文的图 7 练得久得多，连同一行、同一列都看得出来。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常见问题：“为什么不直接给二维的正弦？”答：可以，论文试过几种，一样好；学出来的省了人去设计。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：数据少时，ViT 和卷积网
#
# 一张 3×3 的小窗口在全图上滑，这样叠起来的叫卷积网。它的结构里预先放了两个假设，叫**归纳偏置**（inductive bias）：
#
# - **局部**：一层只看相邻的几格
# - **平移等变**（translation equivariance）：每处用同一组权重，东西挪了，特征跟着挪
#
# 图像正好大多如此。ViT 只在一块之内有局部，块与块之间谁近谁远、挪了还是不是同一个东西，都要从数据里学。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 手写数字，同样的图、同样的步数。训练的图从 1,437 张减到 50 张，谁掉得多？
#
# - A. ViT
# - B. 卷积网
# - C. 一样多
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C14"))
lines = {"小卷积网": summary["net"], "ViT": summary["vit"]}
said = [
    f"{name}：" + "，".join(f"{n:,} 张 {share:.0%}" for n, share in zip(AMOUNTS, line.mean))
    for name, line in lines.items()
]
show_figure(
    plots.plot_amounts(AMOUNTS, {name: line.values for name, line in lines.items()}, chance=0.1),
    alt="没见过的手写数字上的正确率，四个种子的平均。" + "。".join(said),
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 阴影是四个种子里最好和最差的。图少时两条线离得远，图多了差距缩小：从 15 到 27 个百分点减到 1.4 到 3.1 个。按错误率算却没有缩小，ViT 错的始终是卷积网的 1.7 到 3.3 倍。卷积网只有三层，参数不到 ViT 的一半，不是赢在大小。
# 若先验没有用，两条线应当从头贴到尾。
# 别的图不一定缩小：把 emoji 分成八类，在第三家的画上测试，卷积网和 ViT 一样大，348 张时领先 6 个百分点，2,786 张时 8 个（章末 C14e）。
# 真实规模的数在下一节的表后：不加增强和正则时（DeiT 加了），要到几千万、几亿张，ViT 才追上，准确率相当或略高。
# :::

# %%
show_claim("C14")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票。常见问题：“那为什么大家都换成 ViT？”答：数据多的时候它不吃亏，而且图和文可以用同一副身体，第 11 章就用上。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 论文的结果表，怎样老实地读
#
# 前四列先在大数据上预训练，再到各个数据集上微调，百分数是正确率：
#
# | | ViT-H/14，JFT | ViT-L/16，JFT | ViT-L/16，I21k | BiT-L，JFT | Noisy Student |
# |---|---|---|---|---|---|
# | ImageNet | 88.55 ± 0.04 | 87.76 ± 0.03 | 85.30 ± 0.02 | 87.54 ± 0.02 | 88.4/88.5 |
# | ImageNet ReaL | 90.72 ± 0.05 | 90.54 ± 0.03 | 88.62 ± 0.05 | 90.54 | 90.55 |
# | CIFAR-10 | 99.50 ± 0.06 | 99.42 ± 0.03 | 99.15 ± 0.03 | 99.37 ± 0.06 | |
# | CIFAR-100 | 94.55 ± 0.04 | 93.90 ± 0.05 | 93.25 ± 0.05 | 93.51 ± 0.08 | |
# | Pets | 97.56 ± 0.03 | 97.32 ± 0.11 | 94.67 ± 0.15 | 96.62 ± 0.23 | |
# | Flowers-102 | 99.68 ± 0.02 | 99.74 ± 0.00 | 99.61 ± 0.02 | 99.63 ± 0.03 | |
# | VTAB，19 项 | 77.63 ± 0.23 | 76.28 ± 0.46 | 72.72 ± 0.21 | 76.29 ± 1.70 | |
# | TPUv3 核·天 | 2.5k | 0.68k | 0.23k | 9.9k | 12.3k |

# %% [markdown]
# - **先认名字。** ReaL 是请人重新核过标签的 ImageNet；VTAB 是 19 种任务，每种只给 1,000 张来学。Noisy Student 是当时 ImageNet 上最好的卷积网，做法不同：老师网络先给没有标签的 JFT 图打上标签，再连同 ImageNet 一起训练学生。
# - **再看数据。** JFT 是谷歌内部的 3 亿张图，不公开。BiT-L 是在同一份数据上预训练的卷积网，表里数它最可比，训练日程仍不同；I21k 那一列用公开的 1,400 万张，ImageNet 上比 BiT-L 低 2 个点。
# - **再看花费。** 核·天是用了几个 TPU 核乘几天，只算预训练。0.23k 约等于 8 个核跑 30 天。
# - **再看误差。** ± 只是微调三次的标准差，不是重新预训练三次。
# - **最后看别的旋钮。** ImageNet 一行的 ViT 在 512、518 像素上微调，还做了权重平均。更公平的一比在 4.4 节：都在 JFT 上预训练，一样准（五个数据集平均），ViT 的算力只要二分之一到四分之一。
#
# 同一个 ViT-L/16，只换预训练的数据（附录表 5，都在 384 像素上微调）：ImageNet 130 万张，76.5 %；I21k 1,400 万张，85.2 %；JFT 3 亿张，87.1 %。
# 只有 130 万张、又不加强正则时，它比同样大小的卷积网低几个点（论文引言）。
# 只取 JFT 的一部分时：900 万张，ViT-B/32 远不如 ResNet50；9,000 万张以上，反过来（4.3 节）。

# %%
show_erratum("K10-5")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。问：这张表能说明“注意力比卷积好”吗？答：不能单独说明，数据、日程、分辨率都不同；能说明的是同一份大数据上花得少、做得一样好。
# 常见问题：“后来卷积网追上了吗？”答：2023 年 DeepMind 用 NFNet 在 JFT-4B 上追平了（arXiv:2310.16764）。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 数一数：名字里的斜线
#
# B、L、H 说大小，斜线后面是图像块的边长，不是块数。/14 的块最小，词元最多。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# B/32 和 B/16，同一个 Base。块大一倍，词元少了四分之三，参数呢？
#
# - A. B/32 也少得多
# - B. 差不多，B/32 还多一点
# - C. 一个也不差
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, config in SIZES.items():
    T = config.n_patches + 1
    print(f"{name}：D = {config.d_model:4}，{config.n_layers} 层，{T:3} 个词元，{n_parameters(config):>11,} 个参数")

# %% [markdown]
# 参数几乎全在编码器里，它只认 $D$ 和 $n$。图像块的边长只改两处：投影矩阵 $E$ 的行数，位置表 $p$ 的行数，一处变大，另一处就变小。
# 从 16 减到 8，参数几乎不变，花的是算力。所以报 ViT 的大小，两个数都要说。
#
# 花了算力，换来什么？还是那些手写数字，同样的步数，只改块的边长：从 8（整张图一块）减到 1（一个像素一个词元）。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 块越小，词元越多，算得越多。没见过的数字读得怎样？
#
# - A. 越来越准
# - B. 没有差别
# - C. 越来越差
# :::

# %% tags=["hide-input"]
by_patch = figures_of(load_record("C14d"))
cost, paired, scores = by_patch["products"].mean, by_patch["pairs"].mean, by_patch["right"]
show_figure(
    plots.plot_patches(PATCHES, paired, cost, scores.values),
    alt="块的边长从 8 减到 1。"
    + "；".join(f"边长 {p}：乘加 {n:,.0f} 次，读对 {right:.1%}" for p, n, right in zip(PATCHES, cost, scores.mean)),
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 左图：每小一档，全部乘加变成 2.5、3.5、4.4 倍，因为橙线升得更陡，两两相乘到最后占了近两成。右图：花到 38 倍，没见过的读对反而从近 99 % 降到 93 %；前两档 98.6 % 与 98.4 % 之差在种子的起伏以内，再小就一档比一档差。训练过的，每一档平均都不低于 99.8 %，所以不是没有学会训练的图，是泛化变差。一种解释：块与块谁挨着谁要从 1,437 张里学；这里没有检验。边长 2 对 96.0 %，前面是 96.9 % 和 96.4 %，只是种子和留出的图不同。
# 若小块总是更好，蓝线该往上走。图大、数据多时它确实往上走：同在 I21k 上预训练，再到 ImageNet 上微调，官方仓库报 B/32 花 4.2 小时，81.8 %；B/16 花 17.9 小时，84.6 %（都用 8 块 V100）。
# :::

# %%
show_claim("C14d")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常见问题：“论文写 ViT-L 有 307M，这里怎么是 304M？”答：见章末考据，307M 恰好是 L/32 的一种数法。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 网页里画一个
#
# 按 **运行**，模型就在你的浏览器里算。画一个数字，看它读成什么，再看 CLS 盯着哪几块。

# %% [markdown]
# 它比本章的 `reader` 宽一些，训练得久一些，训练时每张图都随机转一点、拉宽或压窄一点、平移不足一个像素，没见过的读对近 99 %。不需要内核，也不联网。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
page_model = zoo.load("vit-digits")
live_vit(
    page_model,
    scans[held_out[:12].numpy()],
    name="vit-digits",
    what=f"ViT of {n_parameters(page_model.config):,} parameters, trained on 1,437 handwritten digits: the zoo's vit-digits",
    licence="MIT",
    about=f"{n_parameters(page_model.config) / 10_000:.0f} 万参数的 ViT，只见过 1,437 个八像素见方的手写数字。按运行，它在这一页里读你画的。",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 画一个 7，再补一横变成 2，看概率在哪一笔上翻过来。网页会先把你画的裁出来、摆到正中，缩成八像素见方，因为它没见过歪在角上的数字。右边的橙色是 CLS 从各块拿到的份额：若它与笔画无关，换一个数字橙色也不动。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常见问题：“我画的它读错了，是模型坏了吗？”答：你的笔画和那 1,797 个不一样，细的、偏的、太大的都没见过。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “块切 16 就好，论文就是这样”
# :class: pitfall
# 论文的图是 224 像素。32 像素的彩图切 16，只剩 4 块，注意力没有什么可看的。vit-pytorch 的第 12 号问题就是这样，CIFAR-10 从头训练，训练集上也只有约 50 %。数字整张一块反而最准，那是另一种情形：一张图才 64 个数，训练集全对。
# :::
#
# :::{admonition} 2. “Transformer 能读任意长，换个分辨率直接用”
# :class: pitfall
# 编码器能，位置表不能。它一行管一处，图大了，行数就不够。论文把位置表按二维放缩，再微调。
# :::
#
# :::{admonition} 3. “ViT 没有任何图像的先验”
# :class: pitfall
# 有两处：切成方块，一块里的像素合成一个词元；放缩位置表时按二维。别的都要从数据里学。
# :::

# %% tags=["nbval-check-output"]
print("误区 1　32 像素的图：", "，".join(f"切 {P} 得 {(32 // P) ** 2} 块" for P in (16, 8, 4)))
try:
    reader(torch.rand(1, 1, 12, 12))
except ValueError as error:
    print("误区 2　", error)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常见问题：“小数据上就不能用 ViT 吗？”答：先拿别人预训练好的来微调；从头训练，先试卷积网。
# :::

# %% [markdown]
# ## 往后看
#
# - **从第 08 章来**：块还是那个块，去掉掩码，换了入口和出口。
# - **到第 11 章去**：分类头要固定的类。CLIP 不要头，让 CLS 那一行去对上一句话，于是类可以用文字说。
# - **第 13、15 章**：不取 CLS，把 N 行全交给语言模型，图就成了一段“外语”。
# - **第 17 章**：位置换成二维的旋转，图多大就切多少块。
# - **同时代**：DeiT（2020-12）只靠 ImageNet 就训练好了 ViT：训练的图随机裁剪、变色，再跟着一个卷积网老师学。大的 ViT 常在空白的背景上冒出几个很亮的块；2023 年有人在输入里多拼几个不对应图像块的词元，专存全图的信息，亮块就没有了。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 六题，连小问约 42 分钟：两题修程序，两题写代码，两题心算，每题后面跟着一个小问。在笔记本里把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("10-vit-1")

# %%
answer = ...  # 一个整数

check("10-vit-1", answer)

# %%
next_answer = ...  # 小问："A"、"B"、"C" 或 "D"

check("10-vit-1-next", next_answer)

# %%
exercise("10-vit-2")


# %%
def my_patchify(images, patch): ...


check("10-vit-2", my_patchify)

# %%
next_answer = ...  # 小问："A"、"B"、"C" 或 "D"

check("10-vit-2-next", next_answer)

# %%
exercise("10-vit-3")


# %%
def my_resize(positions, old, new): ...


check("10-vit-3", my_resize)

# %%
next_answer = ...  # 小问：一个整数

check("10-vit-3-next", next_answer)

# %%
exercise("10-vit-4")


# %%
def my_embed(patches, cls, positions): ...


check("10-vit-4", my_embed)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("10-vit-4-next", next_answer)

# %%
exercise("10-vit-5")


# %%
def my_distance(weights, grid): ...


check("10-vit-5", my_distance)

# %%
next_answer = ...  # 小问：一个数

check("10-vit-5-next", next_answer)

# %%
exercise("10-vit-6")

# %%
answer = ...  # 一个整数

check("10-vit-6", answer)

# %%
next_answer = ...  # 小问："A"、"B"、"C" 或 "D"

check("10-vit-6-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. ViT 把图切成 $N=HW/P^2$ 个图像块，一块当一个词；编码器原样不动，没有掩码。
# 2. 切块再投影就是步长等于窗口的卷积；一块 $C P^2$ 个数，$D$ 是另外定的宽度。
# 3. CLS 拼在最前，再给 $N+1$ 个词元都加位置；没有位置，打乱图像块，分数一个也不变。
# 4. 局部和平移都要从数据里学，所以数据少时卷积网赢；大数据上 ViT 花得少、做得一样好。
# 5. 块的边长减半，参数几乎不变，词元约 4 倍，注意力表约 16 倍；换来的准确率要靠大图和大数据。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。请学生不看屏幕复述第 3 句。留一问回家想：如果分类头换成一句话，还要不要固定的类？
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Dosovitskiy 等，An Image is Worth 16x16 Words（2020-10，arXiv:2010.11929，ICLR 2021）。3.1 节是全部结构，4.3 节讲数据要多少，附录 D.3、D.4 讲 CLS 和位置。
# - **少用数据**：Touvron 等，DeiT（2020-12，arXiv:2012.12877）；Steiner 等，How to train your ViT?（2021，arXiv:2106.10270）。
# - **看注意力**：Abnar、Zuidema，Quantifying Attention Flow in Transformers（2020，arXiv:2005.00928）；Darcet 等，Vision Transformers Need Registers（2023，arXiv:2309.16588）。
# - **另一面**：Smith 等，ConvNets Match Vision Transformers at Scale（2023，arXiv:2310.16764）。
# - **代码**：google-research/vision_transformer 的 `vit_jax/models_vit.py`，不到 300 行；timm 的 `vision_transformer.py`。
#
# 下一章：[11 CLIP](11_clip.ipynb)，让图和文字说同一种话。

# %% [markdown]
# ## 证据与考据
#
# ### 展开真的比别的办法准吗
#
# 正文只看了一个种子。这里换三个种子，再请两个对手：只看最后一层，和看梯度的大小。

# %%
show_claim("C14c")

# %% [markdown]
# ### 换成 emoji，差距缩小了吗
#
# 1,393 样东西，三家各画一遍，分成八类。拿两家的画来训练，在第三家的画上测试。点线是总猜最多的一类，能对 19 %，比八分之一多。卷积网这次和 ViT 一样大：

# %% tags=["hide-input"]
drawn = figures_of(load_record("C14e"))
shown = {"小卷积网": drawn["net"], "ViT": drawn["vit"]}
counts = [round(2786 * share) for share in SHARES]
groups = emoji_groups.drawn_by(emoji_groups.UNSEEN)[1]  # 第三家的 1,393 张，各是哪一类
show_figure(
    plots.plot_amounts(
        counts,
        {name: line.values for name, line in shown.items()},
        chance=(groups.bincount().max() / len(groups)).item(),
    ),
    alt="没见过的一家画的 emoji，分对的份额，三个种子的平均。"
    + "。".join(
        f"{name}：" + "，".join(f"{n:,} 张 {share:.0%}" for n, share in zip(counts, line.mean))
        for name, line in shown.items()
    ),
)

# %%
show_claim("C14e")

# %% [markdown]
# ### 位置表里的网格
#
# 与训练以前、与打乱了的位置表相比：

# %%
show_claim("C14b")

# %% [markdown]
# ### 写错或写漏的几处
#
# “尺寸仍为 N×D = 65×1024”，前面刚说过 N = 64：

# %%
show_erratum("K10-2")

# %% [markdown]
# 先加位置，还是先拼 CLS？

# %%
show_erratum("K10-3")

# %% [markdown]
# 论文表 1 的三个参数量：

# %%
show_erratum("K10-4")

# %% [markdown]
# 两家的代码，LayerNorm 差一个很小的数：

# %%
show_erratum("K10-6")
