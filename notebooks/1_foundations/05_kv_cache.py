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
# # 05 KV cache 与 MHA → MQA → GQA → MLA
#
# 两个模型一样宽、一样深、头一样多。同一张 24 GiB 的显卡，一个能同时陪 5 个人聊天，另一个 18 个。差在哪里？
#
# **学完能做什么**
#
# - 说出缓存里存什么、为什么不存查询，并把“带缓存”写对
# - 看一眼配置，算出一个 token 占多少字节，一张卡放得下几段对话
# - 画出 MHA、GQA、MQA、MLA 各让谁共用什么，各省什么、各丢什么
# - 在纸上推出权重吸收，指出 RoPE 挡在哪里，为什么要解耦

# %% [markdown]
# **先修**：[04 自注意力与多头注意力](04_attention.ipynb)（Q、K、V、头）、[03 RoPE](03_rope.ipynb)（旋转只看位置差，讲 MLA 时要用）。
#
# **阅读** 约 48 分钟，练习另加 30 分钟。**运行** 实测约 20 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
import json
import math
from pathlib import Path

import numpy as np
import torch
from einops import einsum, rearrange
from torch.testing import assert_close

import course_lib
from course_lib.course.claims import figures_of, load_record
from course_lib.toys.pronouns import WORDS, encode_words
from course_lib.foundations import gqa, kv_cache
from course_lib.foundations.attention import MultiHeadAttention, attend, causal_mask
from course_lib.foundations.gqa import GroupedQueryAttention, attend_in_groups
from course_lib.foundations.kv_cache import KVCache, cached_self_attention
from course_lib.foundations.mla import MultiHeadLatentAttention
from course_lib.foundations.rope import frequencies, rotation_matrix
from course_lib.foundations.rotation import InterleavedRotation
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.chapters.ch05_kv_cache.cache_sizes import (
    BYTES,
    REAL_MODELS,
    GroupedSizes,
    LatentSizes,
    bytes_per_token,
    cache_gib,
    four_designs,
)
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.chapters.ch05_kv_cache import figures as plots
from course_lib.widgets import Knob, explore

start("05")
generator = torch.Generator().manual_seed(5)


def normal(*shape):
    return torch.randn(*shape, generator=generator)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：放不下
#
# Llama-2-7B 和 Llama-3-8B 都是 32 层、宽 4,096、32 个头，权重用 16 位。模型写每个字，都要用到前面所有字的 K 和 V，
# 所以每段对话都在显存里占着一块，叫 **KV 缓存**（KV cache）。
#
# :::{admonition} 先猜再跑
# :class: guess
# 显卡 24 GiB，每段对话 4,096 个 token。除去权重，各放得下几段？
#
# A. 差不多　B. Llama-2 多一点，它的权重小　C. Llama-3 多好几倍
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, billions in (("Llama-2-7B", 6.74), ("Llama-3-8B", 8.03)):  # 参数量，十亿
    weights = billions * 1e9 * 2 / 2**30  # 16 位，每个数 2 字节
    each = cache_gib(REAL_MODELS[name].sizes, n_tokens=4096)
    print(f"{name}：权重 {weights:.1f} GiB，每段对话 {each:.1f} GiB，放得下 {int((24 - weights) // each)} 段")

# %% [markdown]
# 答案是 C。权重大了 2.4 GiB，缓存却小到四分之一，3 倍多的人能同时用。
#
# 这一章就讲这四分之一从哪里来，还能不能再小，以及代价是什么。先从头问：为什么要存？

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 逐字生成：什么变了，什么没变
#
# 模型读完“猫 追 老鼠 因为 它 很”，写下第 7 个词“饿”，再把 7 个词读一遍，猜第 8 个。
#
# :::{admonition} 先猜再跑
# :class: guess
# 多读一个“饿”，前 6 个词在每一层的 K 和 V 变了吗？
#
# A. 都变了　B. 只有第一层没变　C. 每一层都没变
# :::

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(0)
config = LlamaConfig(n_vocab=len(WORDS), d_model=32, n_layers=3, n_heads=4, n_kv_heads=4, d_hidden=64)
model = Llama(config).double().requires_grad_(False)
sentence = encode_words("猫 追 老鼠 因为 它 很 饿")[None]  # [B, T] = [1, 7]


def keys_of_each_layer(ids):
    caches = model.new_caches(7)
    model(ids, caches=caches)
    return [cache.held()[0] for cache in caches]  # 每层一个 K，[B, H, T, Dh]


# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
six, seven = keys_of_each_layer(sentence[:, :6]), keys_of_each_layer(sentence)
for layer, (before, after) in enumerate(zip(six, seven)):
    print(f"第 {layer + 1} 层：前 6 个词的 K 变化不到 1e-12？{(after[:, :, :6] - before).abs().max() < 1e-12}")

# %% [markdown]
# 答案是 C。因果掩码不许左边的词看右边，所以右边来了新词，左边的一切都不动，**每一层**都不动。
#
# 不变的东西不必重算：存下来。变的只有新词自己的那一行。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：第三个词，带着缓存
#
# 还是第 04 章的三个词、两个维度。“猫”和“老鼠”已经读过，缓存里有它们的 $k$ 和 $v$。现在来了“饿”：
#
# | | 缓存里（2 行） | 新算的（1 行） |
# |---|---|---|
# | $k$ | (2, 0)、(0, 2) | (1, 1) |
# | $v$ | (4, 0)、(0, 4) | (2, 2) |
# | $q$ | 没有，用过就扔 | (1, 0) |
#
# 接上新的一行，再用**一个**查询看三行。与第 04 章整句一起算的最后一行，应当是同一个数。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
k_cache = torch.tensor([[2.0, 0.0], [0.0, 2.0]])  # 猫、老鼠，[S, Dh] = [2, 2]
v_cache = 2 * k_cache
q, k_new, v_new = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 2.0]])
k, v = torch.cat([k_cache, k_new]), torch.cat([v_cache, v_new])  # 接上，[3, 2]
alpha = (q @ k.T / math.sqrt(2)).softmax(-1)  # 一行，[1, 3]，不需要掩码
print("权重", [round(share, 2) for share in alpha[0].tolist()])
print("输出", [round(each, 2) for each in (alpha @ v)[0].tolist()])
assert_close(attend(q, k, v), alpha @ v)

# %% [markdown]
# 与第 04 章逐位相同：权重 0.58、0.14、0.28。两件事值得停一下：
#
# - **查询不缓存**。“猫”的 $q$ 只在轮到“猫”时用一次；以后的词看“猫”，用的是它的 $k$ 和 $v$。
# - **不需要掩码**。只有一个查询，它本来就能看左边的一切。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## course_lib 的缓存
#
# 预先留好 `capacity` 个 token 的地方，就地写入，满了就报错。`torch.cat` 每一步都要抄一遍旧的，这里不抄。

# %% slideshow={"slide_type": "skip"}
show_source(kv_cache.KVCache.append, kv_cache.cached_self_attention)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
layer = MultiHeadAttention(8, 2).double().requires_grad_(False)
x = normal(1, 7, 8).double()  # 七个词，[B, T, D]
full = layer(x, may_attend=causal_mask(7))
for pieces in ([1] * 7, [6, 1], [3, 4]):
    cache = KVCache(7)
    parts = [cached_self_attention(layer, part, cache) for part in x.split(pieces, dim=1)]
    print(f"分成 {pieces} 读：与整句一起读，差不到 1e-12？{(torch.cat(parts, dim=1) - full).abs().max() < 1e-12}")

# %% [markdown]
# 一次一个、先 6 后 1、先 3 后 4，都一样。先整段读完提示，叫 **预填充**（prefill）；再一个个往外写，叫 **解码**（decode）。
#
# 四种设计都通过同样的检查，还加上补齐、长短不一的批、裁剪、调换批里各行的次序（`tests/laws/test_cache_laws.py`）。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 省了多少：每一步与总共，是两件事
#
# 宽 $D$ 的一层注意力，已有 $t$ 个 token，再写一个：
#
# | | 投影的乘法 | 分数与加权和 |
# |---|---|---|
# | 没有缓存，重读 $t$ 个 | $4tD^2$ | $2t^2D$ |
# | 有缓存，只读 1 个 | $4D^2$ | $2tD$ |
#
# :::{admonition} 先猜再跑
# :class: guess
# 有了缓存，写第 $t$ 个 token 的代价还随 $t$ 涨吗？写完 $N$ 个 token 一共呢？
#
# A. 不涨；$N$　B. 按 $t$ 涨；$N^2$　C. 按 $t^2$ 涨；$N^3$
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
steps = np.arange(1, 16385)
without, cached = 4 * steps * 4096**2 + 2 * steps**2 * 4096, 4 * 4096**2 + 2 * steps * 4096
show_figure(
    plots.plot_step_cost(steps, without, cached),
    alt=(
        f"D = 4096。第 16,384 步：没有缓存 {without[-1] / 1e9:.0f} 十亿次乘法，有缓存 {cached[-1] / 1e9:.2f} 十亿次。"
        f"到这一步为止共 {without.sum() / 1e9:,.0f} 与 {cached.sum() / 1e9:,.0f} 十亿次"
    ),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 左图的蓝线先平后升：$t$ 小时投影是大头，$t>2D=8192$ 以后，看缓存的那一项才占上风。答案是 B：
# 每一步按 $t$ 涨，合起来是 $N^2$；缓存把 $N^3$ 变成 $N^2$，没有变成 $N$。如果看缓存不花时间，蓝线应当一直是平的。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。常见问题：“那为什么说注意力是 N²？”答：训练时一次读 N 个，N²；解码每一步 N，合起来也是 N²。
# 很多文章把“每步 O(n)”写成“总共 O(n)”。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 缓存有多大：五个因子
#
# 问题是：一个 token 在缓存里占多少字节？
#
# $$
# \underbrace{2}_{K\text{ 和 }V}\times\underbrace{N}_{\text{层}}\times\underbrace{G}_{\text{键值头}}\times\underbrace{D_h}_{\text{头宽}}\times\underbrace{b}_{\text{每个数的字节}}
# $$
#
# - MHA 里 $G=H$：每个头都有自己的 K 和 V；Llama 这样的模型取 $D_h=D/H$，那时 $G D_h=D$（不都这样取，见误区 4）
# - $b$：fp32 是 4，bf16 和 fp16 是 2，fp8 是 1
#
# Llama-2-7B：$2\times32\times32\times128\times2=524{,}288$ 字节，半兆。模型每读写一个 token，就记下半兆。
#
# 五个因子里，层数和头宽不好动，$b$ 已经压到 2，剩下 $G$。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 四种设计：谁和谁共用
#
# 8 个查询头，头宽 128。圆点是查询头，方块是缓存里的东西，线是谁看谁。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
eight = four_designs(n_layers=1, d_model=1024, n_heads=8, n_kv_heads=2)
kept = {name: sizes.numbers_per_layer for name, sizes in eight.items()}
show_figure(
    plots.plot_designs(8, 2, kept),
    alt=(
        f"MHA：8 个查询头各有一份 K 和 V，存 {kept['MHA']} 个数。GQA：4 个头共用一份，存 {kept['GQA']}。"
        f"MQA：8 个头共用一份，存 {kept['MQA']}。MLA：8 个头共看一个潜向量 c 和一个 RoPE 键，存 {kept['MLA']}"
    ),
)

# %% [markdown]
# | 设计 | 谁想的 | 让步在哪里 | 每层每个 token 存几个数 |
# |---|---|---|---|
# | MHA | Vaswani 等，2017 | 不让 | $2HD_h$ |
# | MQA，多查询注意力（multi-query attention） | Shazeer，2019 | 所有头共用一份 K、V | $2D_h$ |
# | GQA，分组查询注意力（grouped-query attention） | Ainslie 等，2023 | 每 $H/G$ 个头共用一份 | $2GD_h$ |
# | MLA，多头潜在注意力（multi-head latent attention） | DeepSeek-V2，2024 | K、V 由一个窄的潜向量算出 | $R+D_r$ |
#
# （$R$ 是潜向量的宽度，$D_r$ 是转过的 RoPE 键的宽度，后面讲 MLA 时再细说。）
#
# 次序有意思：MQA 先走到头，发现丢得太多，GQA 退回来一半，MLA 换了一条路。

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 四幅图上面的蓝点一样多：**查询头没有减少**，每个头照样有自己的一份权重 $\alpha$。减少的只是下面。
# 如果 MQA 只是“头少了的 MHA”，上面的圆点也应当变少。MLA 存的数与头数无关：这里只有 8 个头，看不出便宜；
# 128 个头时 MHA 要存 32,768 个，MLA 还是 576 个。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。问：MQA 的 8 个头看同一份 K，会不会算出同一份权重？答：不会，各有各的 q；但它们只能在同一个 128 维的空间里找，
# 并且拿回来的是同一份 V 的不同平均。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## GQA 的两头就是 MHA 和 MQA
#
# 第 $h$ 个头看第 $\lfloor h/P\rfloor$ 组，$P=H/G$ 是每组的头数。可读的写法就一行：把每组抄 $P$ 份，再做普通的注意力。

# %% slideshow={"slide_type": "skip"}
show_source(gqa.attend_in_groups)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
q = normal(1, 8, 5, 4)  # [B, H, T, Dh]
for G in (8, 2, 1):
    k, v = normal(2, 1, G, 5, 4)  # [B, G, S, Dh]
    ours = attend_in_groups(q, k, v, causal_mask(5))
    by_hand = torch.stack(
        [attend(q[:, h], k[:, h // (8 // G)], v[:, h // (8 // G)], causal_mask(5)) for h in range(8)], dim=1
    )
    assert_close(ours, by_hand)
    print(f"G = {G}：每组 {8 // G} 个头，缓存 {2 * k[0, :, 0].numel()} 个数，输出 {list(ours.shape)}")

# %% [markdown]
# $G=H$ 时每组一个头，抄一份等于没抄，就是 MHA；$G=1$ 时大家看同一份，就是 MQA。输出的形状从不改变。
#
# 真正运行的写法连抄都省了：对一个键来说，$P$ 个头各问一次，与一个头问 $P$ 次，没有分别。

# %%
show_source(gqa.attend_in_groups_fast)

# %% [markdown]
# 课件有两处要和代码对一对：“分组大小”往哪边走，参数到底数了什么。

# %%
show_erratum("K05-2")

# %%
show_erratum("K05-1")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## MLA 第一步：不存 K 和 V，存它们的原料
#
# **低秩联合压缩**（low-rank joint compression）：先把 $x$ 压成一个窄的**潜向量**（latent）$c$，每个头再从 $c$ 做出自己的键和值。
#
# $$
# c=W_{dkv}\,x,\qquad k^{(h)}=W_{uk}^{(h)}\,c,\qquad v^{(h)}=W_{uv}^{(h)}\,c
# $$
#
# - $c\in\mathbb{R}^{R}$，$R$ 远小于 $HD_h$；只存它
# - $W_{dkv}\in\mathbb{R}^{R\times D}$（down：往下压），$W_{uk}^{(h)},W_{uv}^{(h)}\in\mathbb{R}^{D_h\times R}$（up：往上还原），每个头一对
#
# （代码里 $c$ 存进缓存之前还做一次归一化，以后的几步都是线性的。）
#
# 与 GQA 的分别：GQA 的几个头**共用一份键**；MLA 的每个头都有**自己的键**，只是原料相同。
#
# 可是每一步都要把所有旧 token 的键还原出来，岂不是白省了？

# %% [markdown] slideshow={"slide_type": "slide"}
# ## MLA 第二步：权重吸收，一次结合律
#
# $$
# q^{\top}k=q^{\top}\big(W_{uk}\,c\big)=\big(W_{uk}^{\top}q\big)^{\top}c
# $$
#
# 不必把键还原到查询那里去；把查询搬到潜向量这里来。左边要还原 $S$ 个键，右边只变换 1 个查询。
#
# 手算一个头：$W_{uk}=\begin{pmatrix}1&2\\0&1\end{pmatrix}$，$q=(1,1)$，两个潜向量 $c_1=(1,0)$、$c_2=(1,1)$。
#
# - 还原：$k_1=(1,0)$，$k_2=(3,1)$，分数 1、4
# - 吸收：$W_{uk}^{\top}q=(1,3)$，分数 $(1,3)\cdot(1,0)=1$、$(1,3)\cdot(1,1)=4$
#
# 值也一样：$\sum_s\alpha_s W_{uv}c_s=W_{uv}\sum_s\alpha_s c_s$，先平均潜向量，再变换一次。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
w_uk = torch.tensor([[1.0, 2.0], [0.0, 1.0]])  # [Dh, R]
q, c = torch.tensor([1.0, 1.0]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])  # [Dh]，[S, R]
print("还原键：", (c @ w_uk.T @ q).tolist(), "　吸收：", (c @ (w_uk.T @ q)).tolist())

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟，在黑板上移动括号。常见问题：“那干脆把 W_uk^T W_uq 乘好存起来？”（W_uq 是做查询的矩阵，与 W_uk 对应。）答：乘好反而更大，见考据 K05-6。
# 另一个：“RMSNorm 呢？”答：c 在存进缓存之前已经归一化了，后面才是线性的，所以结合律成立。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## MLA 第三步：RoPE 挡在中间
#
# 第 03 章：位置 $m$ 的查询转 $R_m$，位置 $n$ 的键转 $R_n$。放进去：
#
# $$
# (R_mq)^{\top}(R_nk)=q^{\top}R_m^{\top}R_n\,W_{uk}\,c=q^{\top}\,\underbrace{R_{n-m}}_{\text{夹在中间}}\,W_{uk}\,c
# $$
#
# $W_{uk}^{\top}R_{n-m}^{\top}q$ 依赖距离 $n-m$：每个键要一个不同的查询，搬不过去了。硬要用固定的 $W_{uk}^{\top}q$，就少了一项：
#
# $$
# q^{\top}\big(R_{n-m}-I\big)k
# $$
#
# 距离 0 时它是 0；转得越开，少得越多（转满一圈才回来）。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
freqs = frequencies(2)  # 一对，每步 1 弧度
q, k = torch.tensor([1.0, 1.0]).double(), torch.tensor([3.0, 1.0]).double()  # 刚才的 q 和 k₂
for distance in (0, 1, 2):  # 键在左边，n − m = −distance
    coupled = q @ rotation_matrix(-distance, freqs) @ k
    term = q @ (rotation_matrix(-distance, freqs) - torch.eye(2)) @ k
    print(f"距离 {distance}：真正的分数 {coupled:5.2f} = 吸收的 {q @ k:.2f} + 少掉的 {term:5.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 解耦：内容不转，另开几维专门转
#
# **解耦 RoPE**（decoupled RoPE）：分数分成两段，内容一段不转（可以吸收），位置一段只有 $D_r$ 维，转过再存。
#
# $$
# \text{score}=\frac{q_{\text{内容}}^{\top}k_{\text{内容}}+(R_mq_{\text{位置}})^{\top}(R_nk_{\text{位置}})}{\sqrt{D_h+D_r}}
# $$
#
# - $k_{\text{位置}}\in\mathbb{R}^{D_r}$ **所有头共用一个**，$q_{\text{位置}}$ 每个头一个
# - 缓存里：$c$（$R$ 个数）和转好的 $k_{\text{位置}}$（$D_r$ 个数），DeepSeek-V3 是 512 + 64 = 576
#
# 课件的三件事到齐了：压缩让它小，吸收让它快，解耦让前两件事成立。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
torch.manual_seed(5)
mla = MultiHeadLatentAttention(32, 4, d_latent=16, d_head=8, d_rope=4).double().requires_grad_(False)
x = normal(1, 7, 32).double()  # “猫 追 老鼠 因为 它 很 饿”，随机的词向量
turn = InterleavedRotation(torch.arange(7), frequencies(4), torch.float64)
naive = mla.naive(x, causal_mask(7), rotation=turn)
cache = KVCache(7)
parts = [
    mla.absorbed(x[:, t : t + 1], rotation=InterleavedRotation(torch.tensor([t]), frequencies(4), x.dtype), cache=cache)
    for t in range(7)
]
assert_close(torch.cat(parts, dim=1), naive)
print("逐字、吸收、带缓存，与整句、还原键，结果相同；缓存里是", list(cache.held()[0].shape), "= [B, S, R + Dr]")

# %%
show_source(MultiHeadLatentAttention.absorbed)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：一张缓存小票，一个吸收开关
#
# 左边是 DeepSeek-V3 的真实账单。右边是一个小模型的一个头，读“猫 追 老鼠 因为 它 很 饿”：红蓝是分数，左图是真正的，右图是按开关算的。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
V3 = REAL_MODELS["DeepSeek-V3"].sizes
SENTENCE = ["猫", "追", "老鼠", "因为", "它", "很", "饿"]
content_q, position_q = (each[0, 1] for each in mla.queries(x, turn))  # 头 1，[T, Dh]、[T, Dr]
latent, position_k = mla.kept(x, turn, None)[0].split([16, 4], dim=-1)  # [T, R]、[T, Dr]
w_uk = rearrange(mla.to_k.weight, "(H Dh) R -> H Dh R", H=4)[1]
content_k = latent @ w_uk.T
whole_turn = InterleavedRotation(torch.arange(7), frequencies(8), torch.float64)


def receipt(rope, absorbed):
    """小票的各行（DeepSeek-V3 的尺寸），真正的分数 [T, T]，按开关算的分数 [T, T]。"""
    shared = position_q @ position_k.T if rope == "解耦" else 0.0
    if rope == "耦合":
        true = whole_turn(content_q[None, None])[0, 0] @ whole_turn(content_k[None, None])[0, 0].T
    else:
        true = content_q @ content_k.T + shared
    moved = (content_q @ w_uk) @ latent.T + shared
    H, Dh, Dr = V3.n_heads, V3.d_head, V3.d_rope
    if absorbed:
        lines = [("潜向量 c", V3.d_latent)] + ([("RoPE 键，共用", Dr)] if rope == "解耦" else [])
    else:
        lines = [(f"键，{H} 头 × {Dh}", H * Dh), (f"值，{H} 头 × {V3.d_value}", H * V3.d_value)]
        lines += [(f"RoPE 键，{H} 头 × {Dr}", H * Dr)] if rope == "解耦" else []
    return lines, true.numpy(), (moved if absorbed else true).numpy()


def gap_of(true, own):
    lower = np.tril(np.ones((7, 7), dtype=bool))
    return np.abs(true - own)[lower].max() / true[lower].std()


def draw_receipt(rope, absorbed):
    lines, true, own = receipt(rope, absorbed)
    form = "吸收" if absorbed else "还原键"
    scores = {"真正的分数": true, f"{form}算出的": own}
    return plots.plot_receipt(lines, scores, SENTENCE, title=f"RoPE：{rope}；{form}", gap=gap_of(true, own))


def describe_receipt(rope, absorbed):
    lines, true, own = receipt(rope, absorbed)
    form, total, gap = "吸收" if absorbed else "还原键", sum(count for _, count in lines), gap_of(true, own)
    verdict = "两张分数图相同" if gap < 1e-9 else f"分数最多差 {gap:.1f} 个标准差"
    return f"RoPE {rope}，{form}：每层每个 token 存 {total:,} 个数；{verdict}"


explore(
    draw_receipt,
    describe_receipt,
    rope=Knob("RoPE", ["没有", "解耦", "耦合"], kind="buttons"),
    absorbed=Knob("开关", [False, True], kind="buttons", texts=["还原键", "吸收"]),
    start={"rope": "解耦", "absorbed": True},
    name="05-byte-receipt",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 停在“解耦”，来回拨开关：小票从 40,960 变成 576，少到 1/71，分数图一格不差。再拨到“耦合”并打开吸收：小票很便宜，右图却错了，
# 只有对角线（距离 0）还对。如果吸收与 RoPE 无关，三种 RoPE 下右图都应当与左图相同。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 5 分钟，全章的中心。先放“没有”，再“耦合”，让学生说为什么对角线还对，最后“解耦”。
# 问：能不能存转过的键、每头一份？答：能，那就是还原键的账单，缓存白省。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：RoPE 必须解耦（C09c）
#
# :::{admonition} 问题与预测
# :class: evidence
# 会不会有别的固定矩阵 $M$，让 $q^{\top}Mc$ 补上少掉的那一项？
# 预测：没有。用最小二乘给每个头找最合适的 $M$，误差仍不可忽略；解耦时吸收精确到 fp64 的舍入。
# :::

# %%
run_claim("C09c")

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C09c"))
lost, best = summary["by_distance"], float(summary["best_fixed"].mean)
DISTANCES = (0, 1, 2, 4, 8, 16, 32, 63)
told = "、".join(f"距离 {d} 处 {each:.2f}" for d, each in zip(DISTANCES, lost.mean))
show_figure(
    plots.plot_lost(DISTANCES, lost.mean, lost.std, best),
    alt=f"5 个种子。RoPE 耦合时直接吸收的误差（单位：分数的标准差）：{told}；最合适的固定矩阵仍差 {best:.2f}；解耦为 0",
)

# %% [markdown]
# 红线从 0 出发：距离 0 时两个旋转抵消，一转开就错。虚线是最好的补救，仍然不可用。蓝线贴着 0：解耦以后分毫不差。

# %%
show_claim("C09c")

# %% [markdown]
# “吸收”这个词容易让人以为真的把两个矩阵乘好了存起来。算一算：

# %%
show_erratum("K05-6")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：字节，公式与张量（C09）
#
# :::{admonition} 问题与预测
# :class: evidence
# 公式给的字节数，与真正分配的张量差几个字节？与别人公布的数呢？预测：0。差一个字节，主张就不成立。
# 真实尺寸的层在 meta 设备上运行：有形状，不占内存。
# :::

# %%
run_claim("C09")

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for model_name, real in REAL_MODELS.items():
    published = f"，公布 {real.published:,}" if real.published else ""
    print(f"{model_name:14s} {real.design}：每个 token {bytes_per_token(real.sizes):>8,} 字节（16 位）{published}")

# %% [markdown]
# 配置取自各模型发布的 config.json，公布的数取自 DeepSeek 的 Insights into DeepSeek-V3（arXiv:2505.09343）表 1。
#
# 405B 的模型（Llama-3.1）每个 token 比 7B 的 Llama-2 还省；DeepSeek-V3 有 671B，还不到后者的 1/7。

# %%
show_claim("C09")

# %%
show_erratum("K05-3")

# %% [markdown]
# 还有两个常被引用的数，算一算就知道它们说的是什么：

# %%
show_erratum("K05-4")

# %%
show_erratum("K05-5")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：缓存计算器
#
# 一个真实模型的尺寸，换成四种设计，各要多少 GiB？每行三个点：1、8、64 段对话同时进行。两条红线是两种显卡的显存。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
CALCULATED = ["Llama-2-7B", "Llama-3-8B", "Qwen2.5-7B", "Llama-3.1-405B", "DeepSeek-V3"]
BATCHES = [1, 8, 64]


def in_four_designs(real):
    """同样的层数、头数和头宽，四种设计；GQA 取发布的组数，否则 8 组；MLA 取发布的尺寸，否则 R = 4Dh，Dr = Dh/2。"""
    own = real.sizes
    groups = own.n_kv_heads if real.design == "GQA" else 8
    same = {"n_layers": own.n_layers, "d_model": own.d_model, "n_heads": own.n_heads, "d_head": own.d_head}
    grouped = {
        name: GroupedSizes(**same, n_kv_heads=n) for name, n in (("MHA", own.n_heads), ("GQA", groups), ("MQA", 1))
    }
    wide = LatentSizes(**same, d_value=own.d_head, d_latent=4 * own.d_head, d_rope=own.d_head // 2)
    return {**grouped, "MLA": own if real.design == "MLA" else wide}


def calculate(model_name, context, dtype):
    designs = in_four_designs(REAL_MODELS[model_name])
    return {
        name: np.array([cache_gib(sizes, n_tokens=context, batch=batch, dtype=dtype) for batch in BATCHES])
        for name, sizes in designs.items()
    }


def draw_calculator(model_name, context, dtype):
    beyond = "，超出它的上下文" if context > REAL_MODELS[model_name].context else ""
    title = f"{model_name}，{context:,} 个 token{beyond}，每个数 {8 * BYTES[dtype]} 位"
    own = REAL_MODELS[model_name].design
    return plots.plot_calculator(calculate(model_name, context, dtype), BATCHES, own=own, title=title)


def describe_calculator(model_name, context, dtype):
    rows = calculate(model_name, context, dtype).items()
    told = "；".join(f"{name} {'、'.join(f'{size:.3g}' for size in sizes)}" for name, sizes in rows)
    return f"{model_name}，{context:,} 个 token，{8 * BYTES[dtype]} 位，1、8、64 段对话各要多少 GiB：{told}"


explore(
    draw_calculator,
    describe_calculator,
    model_name=Knob("模型", CALCULATED, kind="buttons"),
    context=Knob(
        "上下文（token）",
        [1024, 4096, 32768, 131072],
        live=[2**power for power in range(8, 21)],
        texts=["1,024", "4,096", "32,768", "131,072"],
    ),
    dtype=Knob("精度", ["bf16", "fp8"], kind="buttons", live=["fp32", "bf16", "fp8"], texts=["16 位", "8 位"]),
    start={"context": 4096},
    name="05-calculator",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# Llama-2-7B 读 4,096 个 token：MHA 一段就要 2 GiB，64 段 128 GiB，一张 80 GiB 的卡装不下；同样的模型改成 GQA 只要四分之一。
# 横轴是对数：每行三个点之间的距离处处一样，因为一切都按比例涨。如果缓存与上下文无关，拖动上下文，点应当不动。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。让学生猜：DeepSeek-V3 读 131,072 个 token，MHA 要几 GiB？拨过去看。再问：8 位的 MHA 和 16 位的 GQA，哪个小？
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 为什么缓存小就快
#
# 解码一步，缓存里的每个数都要从内存读一遍。读来以后用几次？
#
# | 设计 | 每层每个 token 读几个数 | 每个数用几次（乘法） |
# |---|---|---|
# | MHA | $2HD_h$ | 1 |
# | GQA | $2GD_h$ | $H/G$ |
# | MQA | $2D_h$ | $H$ |
# | MLA，吸收 | $R+D_r$ | 约 $2H$（分数一次，加权和一次） |
#
# MHA 读一个数只做一次乘法，处理器大半时间在等内存，这叫**受内存带宽限制**（memory-bound）。其余三种把同一个数多用几次。
#
# MLA 赌的就是这一点：乘法是还原键的 3.4 倍（K05-6），换来读得少。要赌赢，得头多（省得多），而且机器真的在等内存。
#
# 一次读入整段提示时，同一个键被许多查询用，本来就不等内存；那时 MLA 用还原键的写法。

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 量一量：上下文越长，差得越多
#
# 四个模型只有注意力不同（4 层，宽 256，8 个头，fp32，单线程 CPU）。缓存里已有 64 到 4,096 个 token 时，每秒再写几个？
# 线是 6 轮的中位数（按处理器时间算），带子从最慢到最快。
#
# :::{admonition} 先猜再跑
# :class: guess
# 上下文到了 4,096，从快到慢怎样排？MLA 存的数只有 MHA 的 28 %，它排第几？
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
results = Path(course_lib.__file__).parents[1] / "benchmarks" / "results" / "decoding.json"
timed = json.loads(results.read_text(encoding="utf-8"))
contexts = timed["over_context"][0]["contexts"]
speed = {
    f"{found['batch']} 段对话同时": {
        name: np.array([[one["median"], one["low"], one["high"]] for one in each])
        for name, each in found["tokens_per_second"].items()
    }
    for found in timed["over_context"]
}
told = "；".join(
    f"{title}：" + "、".join(f"{name} {each[0, 0]:,.0f} 到 {each[-1, 0]:,.0f}" for name, each in rates.items())
    for title, rates in speed.items()
)
show_figure(
    plots.plot_speed(contexts, speed),
    alt=f"每秒生成的 token，缓存里已有 {contexts[0]:,} 到 {contexts[-1]:,} 个 token 时的中位数。{told}",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 共用键值的三条线与账单同序：MQA 最快，GQA 次之，MHA 掉得快；8 段同时，差得更开。粉线出人意料：MLA 存得少，起初却最慢，
# 缓存长了才越过 MHA（一段对话要到 4,096 个 token，8 段同时 1,024 个就够）；换一颗处理器（AMD EPYC），它一直没有越过。
# 这是单线程的 CPU，短的时候等的是乘法，不是内存；只有 8 个头，吸收的乘法是 MHA 的 4 倍多（$R=128$、$D_r=16$，每个头每个键 $2R+D_r=272$ 次，MHA $2D_h=64$ 次），
# 缓存只省到 1/3.6。如果速度只由缓存的字节决定，粉线应当贴着橙线。
# :::

# %% [markdown]
# 同样的权重，与 transformers 的 `generate` 比（4 层，宽 128，提示 16 个 token，再写 128 个）：

# %% tags=["hide-input"]
WAYS = {"ours": "本课程，快的写法", "readable": "本课程，可读的写法", "transformers": "transformers generate"}
against = {}
for row in timed["against_transformers"]:
    if row["model"] == "L4 d128":
        rates = {text: row["tokens_per_second"][way]["median"] for way, text in WAYS.items()}
        against.setdefault(f"{row['batch']} 段同时", {})[row["design"]] = rates
told = "；".join(
    f"{title}："
    + "、".join(f"{design} {' / '.join(f'{rate:,.0f}' for rate in rates.values())}" for design, rates in each.items())
    for title, each in against.items()
)
show_figure(
    plots.plot_against(against),
    alt=f"每秒生成的 token，本课程快的、可读的、transformers generate 的：{told}",
)
for batch in (1, 64):
    rows = [row for row in timed["against_transformers"] if row["batch"] == batch]
    times, same = [row["times_as_fast"]["ours"] for row in rows], min(row["same_tokens"] for row in rows)
    print(
        f"{batch} 段同时，两种尺寸、四种设计：generate 的 {min(times):.1f} 到 {max(times):.1f} 倍，"
        f"{same:.0%} 的 token 相同"
    )

# %% [markdown]
# 快的写法在 `decoding/fast_reader.py`：每层合成几个大矩阵，归一化的权重并进去，旋转事先算好；测试保证它与可读的写法逐数相同。
# 批小的时候，时间几乎都花在调用上，所以差得最多；64 段同时，矩阵乘法才是大头，差距缩小。
# DeepSeek-V3 有 128 个头，缓存省到 MHA 的 1/57，又跑在等内存的 GPU 上；那里 MLA 的快慢，我们没有量。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：丢了什么（C09b）
#
# :::{admonition} 问题与预测
# :class: evidence
# 四种设计，参数量用前馈层配平，同样的数据、步数、学习率，3 个种子。两道题：
#
# 1. **记录题**：一个 token 带着一个名字和 4 件或 8 件事，后面点名，要把它的事全说出来。MQA 的一份值只有 8 维
# 2. **小语言**：第 02 章那种人造语言，量损失
#
# 预测：MHA > GQA > MQA，MLA 不低于 MHA。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C09b"))
facts, language = summary["facts_right"], summary["language"]
kept = [int(count) for count in summary["kept"].mean]
NAMES = ("MHA", "GQA", "MQA", "MLA")
told = "、".join(f"{name} {share:.0%}" for name, share in zip(NAMES, facts.mean[:, -1]))
nats = "、".join(f"{name} {loss:.2f}" for name, loss in zip(NAMES, language.mean))
show_figure(
    plots.plot_quality(facts.values, (4, 8), language.values, kept),
    alt=f"3 个种子。每个 token 8 件事，答对：{told}。小语言的损失（nat）：{nats}。每层每个 token 存 {kept} 个数",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 4 件事，四种设计全对：容量够用时，共用什么也不丢。8 件事，MQA 的 8 维值装不下，掉到一半以下；MLA 存的数和 GQA 差不多，
# 却几乎追上 MHA：GQA 的 32 个数一半是键，值只有 16 维；MLA 的 32 维潜向量整个都能用来做值。如果共用处处有害，浅色的柱子也应当有高低。
# :::

# %%
show_claim("C09b")

# %% [markdown]
# 右图要小心读。三种分组的差别在种子的抖动之内：这种小语言，一个 token 要记的事很少。MLA 的损失却明显高，与论文相反。
# 我们只训练了 100 步；MLA 的位置只靠 4 维的共用键，又多一层压缩，可能学得慢。我们没有把这几个原因拆开。
# 论文的证据在大得多的规模上：7B 模型的 MMLU（57 门学科的选择题，正确率 %），MHA 45.2，GQA（8 组）41.2，MQA 37.9；MLA 与 MHA 相比，四项里三项（小模型）或四项（大模型）略高
# （DeepSeek-V2 表 8、表 9）。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “查询也要缓存”
# :class: pitfall
# 缓存里只有 K 和 V（MLA 是 $c$ 和 RoPE 键）。旧词的查询在以后的任何一步都不出现。
# :::
#
# :::{admonition} 2. “带缓存与不带缓存，logits 应当逐位相等”
# :class: pitfall
# logits 是 softmax 之前的分数，每个候选词一个。数学上相等，浮点上不：矩阵的形状不同，加法的次序就不同。fp32 下差 1e-6 左右，16 位下看得见（transformers#25420 里有人量过）。
# 测试要用 fp64 和容差，不要用 `==`。
# :::

# %% tags=["nbval-check-output"]
names = [name for name, _ in kv_cache.KVCache(1).__dict__.items()]
print("误区 1　缓存里的张量：", len(seven), "层 ×", list(seven[0].shape), "，没有 q；KVCache 的属性：", names)

for dtype in (torch.float32, torch.float64):
    twin = Llama(config).to(dtype).requires_grad_(False)
    caches = twin.new_caches(7)
    steps_of_one = torch.cat([twin(token, caches=caches) for token in sentence.split(1, dim=1)], dim=1)
    at_once = twin(sentence)
    near = (steps_of_one - at_once).abs().max() < {torch.float32: 1e-4, torch.float64: 1e-12}[dtype]
    print(
        f"误区 2　{dtype}：相差在容差以内？{near.item()}；最可能的词相同？"
        f"{(steps_of_one.argmax(-1) == at_once.argmax(-1)).all()}"
    )

# %% [markdown]
# :::{admonition} 3. “忘了乘层数”“K 和 V 只算一份”“把比特当字节”
# :class: pitfall
# 三个都会差出几倍到几十倍。核对一次就够：Llama-2-7B，16 位，每个 token 正好半兆（524,288 字节）。
# :::
#
# :::{admonition} 4. “头宽就是 D/H”
# :class: pitfall
# 不一定。DeepSeek-V3 的 $D/H=56$，头宽却是 128；Qwen3-4B 也不等。有一个缓存计算器就因为这样算错过（LMCache#688）。头宽要看 config.json 里写明的那个数。
# :::

# %% tags=["nbval-check-output"]
llama = REAL_MODELS["Llama-2-7B"].sizes
wrong = {
    "忘了层数": bytes_per_token(llama) // llama.n_layers,
    "只算 K": bytes_per_token(llama) // 2,
    "比特": bytes_per_token(llama) * 8,
}
print(f"误区 3　正确 {bytes_per_token(llama):,}；", "；".join(f"{name} {count:,}" for name, count in wrong.items()))
print(f"误区 4　DeepSeek-V3：D/H = {V3.d_model // V3.n_heads}，头宽 {V3.d_head}")

# %% [markdown]
# :::{admonition} 5. “MQA 的 8 个头算出来都一样”
# :class: pitfall
# 键是同一份，查询不是。8 个头有 8 份不同的权重。
# :::
#
# :::{admonition} 6. “转好的键要随着上下文变长重转”
# :class: pitfall
# 键的位置是它自己的，存进缓存之前转一次就够；新的查询转到新的位置，分数自然只看位置差。（随长度改频率的 RoPE 缩放是例外，见第 03 章。）
# :::

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
mqa = GroupedQueryAttention(32, 8, 1).double().requires_grad_(False)
q = rearrange(mqa.to_q(x), "B T (H Dh) -> B H T Dh", H=8)
k = rearrange(mqa.to_k(x), "B T (G Dh) -> B G T Dh", G=1)
shares = (einsum(q, k[:, 0], "B H T Dh, B S Dh -> B H T S") / 2).softmax(-1)[0, :, -1]  # 最后一个词，[H, S]
print("误区 5　8 个头里最被看重的词：", [SENTENCE[place] for place in shares.argmax(-1)])
print("误区 6　来了新词，第 3 层转好的键变化不到 1e-12？", bool((seven[2][:, :, :6] - six[2]).abs().max() < 1e-12))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看
#
# - **第 06 章**：交叉注意力的 K 和 V 来自编码器，一次算好，整段译文都用它。束搜索要调换缓存里各行的次序。
# - **第 09 章**：局部注意力只看近处，缓存也就有了上限。
# - **第 16–18 章**：一张图几百到上万个 token，缓存的账在多模态里更急；Qwen2-VL 和 Qwen2.5-VL 的语言模型都用 GQA。
# - **第 21、23 章**：PPO 和 GRPO 要生成大量回答，解码的速度就是训练的速度。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 五题，约 33 分钟：一题心算，一题读图，三题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。

# %%
exercise("05-cache-1")

# %%
answer = ...  # 一个整数，单位是字节

check("05-cache-1", answer)

# %%
exercise("05-cache-2")


# %%
def latent_bytes(n_layers, n_heads, d_latent, d_rope, d_head, n_bytes): ...


check("05-cache-2", latent_bytes)

# %%
exercise("05-cache-3")

# %%
answer = ...  # 一个整数

check("05-cache-3", answer)

# %%
exercise("05-cache-4")


# %%
def one_step(q, k_new, v_new, k_old, v_old): ...


check("05-cache-4", one_step)

# %%
exercise("05-cache-5")


# %%
def lost(q, k, m, n, freqs): ...


check("05-cache-5", lost)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 因果掩码下，旧词的 K 和 V 每一层都不再变，存下来；查询用完就扔。每一步仍要读全部缓存，写 $N$ 个 token 总共 $N^2$。
# 2. 一个 token 的字节 = 2 × 层数 × 键值头数 × 头宽 × 每个数的字节；缓存常比权重先撑满显卡。
# 3. MHA 每头一份键值，MQA 全体一份，GQA 每组一份；查询头一个不少，省的是缓存，不是参数。
# 4. MLA 存一个潜向量，每个头从它做出自己的键值；结合律让查询搬到潜向量这里来，键根本不必还原。
# 5. RoPE 的 $R_{n-m}$ 夹在两个矩阵中间，挡住吸收；所以另开 $D_r$ 维专门转，所有头共用。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Shazeer，Fast Transformer Decoding: One Write-Head is All You Need（2019，arXiv:1911.02150），从内存读取讲起，很短。
#   Ainslie 等，GQA（2023，arXiv:2305.13245）。DeepSeek-V2（2024，arXiv:2405.04434）§2.1 与附录 C、D：全部公式和四种设计的消融。
# - **讲得更深**：苏剑林，[缓存与效果的极限拉扯：从 MHA、MQA、GQA 到 MLA](https://kexue.fm/archives/10091)，从“能不能更小”一路推到解耦 RoPE。
# - **公开代码**：DeepSeek-V3 的 `inference/model.py`，`naive` 与 `absorb` 两个分支并排；transformers 的 `modeling_llama.py`。
# - **动手**：LLMs-from-scratch 第 4 章的附加材料，把没有缓存和有缓存的代码逐行对比。
#
# 下一章把编码器和解码器装成完整的 Transformer。

# %% [markdown]
# ## 证据与考据
#
# C09b 的快速形式，在这台机器上现跑：一个种子，步数少得多，记录题还没有学会。它的名次与正文的记录（三个种子，练完）不同：这里 MLA 高于 MHA。以记录为准。

# %%
run_claim("C09b")
