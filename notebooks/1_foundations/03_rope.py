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
# # 03 旋转位置编码 RoPE
#
# 同一句话整体往后挪一百格，两个词之间的注意力分数该不该变？
#
# **学完能做什么**
#
# - 在纸上算出两个 token 旋转后的分数，说出它为什么只看位置差
# - 用矩阵、逐元素、复数三种写法实现 RoPE，并在两种通道布局之间转换权重
# - 看着每对通道的“钟”，说出模型超过训练长度时先坏在哪里，PI、NTK、YaRN 各改了什么
# - 对“RoPE 会长程衰减”“RoPE 天生能外推”这两句话，说清各有几分是真的

# %% [markdown]
# **先修**：[02 位置编码](02_positions.ipynb)（正弦编码、为什么需要位置）；平面旋转与和角公式。
# 注意力的全貌在[第 04 章](04_attention.ipynb)，这里只用到一件事：分数是查询 q 与键 k 的点积。
#
# **阅读** 约 49 分钟，练习另加 40 分钟。**运行** 实测约 15 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
import math

import numpy as np
import torch
from torch.testing import assert_close

from course_lib.course.claims import figures_of, load_record
from course_lib.foundations import rope, rope_scaling
from course_lib.foundations.attention import attention_weights
from course_lib.foundations.positions import sinusoidal
from course_lib.foundations.rope import angles, frequencies, rotate_half_split, rotate_interleaved, rotation_matrix
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.chapters.ch03_rope import figures as plots
from course_lib.widgets import Knob, explore

start("03")
generator = torch.Generator().manual_seed(3)


def normal(*shape):
    """标准正态的随机数，双精度：想看的是旋转本身，不是舍入。"""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：只是挪了个地方
#
# 句子“狗咬了人”。“人”回头看“狗”，两个词相隔 3 格。上一章的办法是把位置向量**加**到词向量上。
# 现在把整句话往后挪 10 格、100 格：词没变，词与词的距离也没变。
#
# :::{admonition} 先猜再跑
# :class: guess
# “人”对“狗”的分数会怎样？
# A. 完全不变　B. 变一点点，不到 1%　C. 变 10% 以上
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
d = 16
dog, man = normal(2, d)  # “狗”“人”的词向量，各 [d]
w_q, w_k, w_v = normal(3, d, d) / math.sqrt(d)  # 三个投影，各 [d, d]
pe = sinusoidal(200, d, dtype=torch.float64)  # 上一章的正弦编码，[200, d]


def additive_score(m, n):  # “人”在位置 m 作查询，“狗”在位置 n 作键
    return ((w_q @ (man + pe[m])) @ (w_k @ (dog + pe[n]))).item()


for shift in (0, 10, 100):
    print(f"狗在 {shift:3d}，人在 {3 + shift:3d}，相隔 3：分数 {additive_score(3 + shift, shift):7.3f}")

# %% [markdown]
# 答案是 C：词一样，距离一样，分数却跟着绝对位置走，来回差了约两成。把乘积展开就看到原因。记词向量 $x$、位置向量 $p$（都是 $[d]$），分数是
#
# $$
# (x_m+p_m)^{\top}W(x_n+p_n)=x_m^{\top}Wx_n+x_m^{\top}Wp_n+p_m^{\top}Wx_n+p_m^{\top}Wp_n,\qquad W=W_q^{\top}W_k\in\mathbb{R}^{d\times d}.
# $$
#
# 后三项都含绝对位置。中间两项还把“这是什么词”和“它在第几格”乘在一起，第 02 章的 C04b 量过这部分占多大。
# 模型可以学着去抵消它们，但那是学出来的，不是保证的。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 我们要什么
#
# 找一种把位置放进向量的办法 $f$，使分数只通过**位置差**看到位置：
#
# $$
# \langle f(q,m),\,f(k,n)\rangle=g(q,k,n-m).
# $$
#
# - $q,k\in\mathbb{R}^{d}$：查询与键，还没有位置
# - $m,n$：查询、键的位置，整数
# - $g$：任意函数，但里面只许出现差 $n-m$
#
# 加法做不到。平面上有一个现成的操作能做到：**两根针转同样的角度，夹角不变。**

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。让学生先投票再运行。常见问题：“正弦编码不是自带相对位置吗？”答：$p_m^\top p_n$ 确实只看距离，
# 但中间隔着 $W_q^\top W_k$，又多出两项交叉项，所以分数不是。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：一根每格走 30° 的时针
#
# 先只看 2 维。把向量当成钟上的针，每往后一个位置转 30°，和时针一小时走的角度一样大。
# 方向按数学的习惯：从 x 轴起，逆时针为正。
#
# | | 原来指向 | 位置 | 转过 | 现在指向 | 长度 |
# |---|---|---|---|---|---|
# | q = (2, 0) | 0° | m = 3 | 90° | 90° | 2 |
# | k = (1, 1) | 45° | n = 1 | 30° | 75° | √2 |
#
# 夹角 15°，分数 = 2 × √2 × cos 15° = 2.732。
#
# :::{admonition} 先猜再跑
# :class: guess
# 两个位置都加 7，分数变大、变小，还是不变？只把 n 减 1 呢？
# :::

# %% tags=["nbval-check-output"]
q, k, step = np.array([2.0, 0.0]), np.array([1.0, 1.0]), np.radians(30)


def turn(vector, angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ vector


for m, n in [(3, 1), (4, 2), (10, 8), (103, 101), (3, 0)]:
    q_m, k_n = turn(q, m * step), turn(k, n * step)
    print(f"m = {m:3d}，n = {n:3d}，n − m = {n - m:2d}：q′·k′ = {q_m @ k_n:.3f}，|q′| = {np.linalg.norm(q_m):.3f}")

# %% slideshow={"slide_type": "slide"}
show_figure(
    plots.plot_turned_pairs(q, k, step, [(3, 1), (4, 2), (10, 8)]),
    alt="三个平面，q 与 k 分别转了 (3,1)、(4,2)、(10,8) 格。箭头方向各不相同，夹角都是 15 度，分数都是 2.732",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 三幅图里箭头各指各的方向，中间的小弧一样大。
# 如果想法是错的，比如 q 转得比 k 快，平移之后小弧会张开，分数就变了。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 为什么：转置就是倒着转
#
# 转 $m$ 格写成矩阵 $R_m$，形状 $[2,2]$，$\theta$ 是每格的弧度：
#
# $$
# R_m=\begin{pmatrix}\cos m\theta&-\sin m\theta\\ \sin m\theta&\cos m\theta\end{pmatrix}
# $$
#
# 只用到两个事实。
#
# 1. 转过去再转回来等于没转：$R_m^{\top}=R_m^{-1}=R_{-m}$。
# 2. 接连转两次，角度相加：$R_aR_b=R_{a+b}$。

# %% [markdown] slideshow={"slide_type": "fragment"}
# 于是，分数（一个数）
#
# $$
# \begin{aligned}
# \text{score}(q_m,k_n)&=(R_mq_m)^{\top}(R_nk_n) &&\text{各按自己的位置转}\\
# &=q_m^{\top}R_m^{\top}R_nk_n &&\text{转置拆开}\\
# &=q_m^{\top}R_{-m}R_nk_n &&\text{事实 1}\\
# &=q_m^{\top}R_{n-m}k_n &&\text{事实 2}
# \end{aligned}
# $$
#
# $q_m$、$k_n$ 是位置 $m$ 的查询和位置 $n$ 的键，都是转之前的，形状 $[2]$。
# 没有人算过 $n-m$：查询只知道 $m$，键只知道 $n$，**差是点积做出来的**。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 板书推导，停 4 分钟。让学生先说出两个事实的几何意思，再写矩阵。常见问题：“绝对位置是不是丢了？”答：每个向量里都还有，
# 只是点积看不见；第 4 章的因果掩码会再带回一部分。
# :::

# %% tags=["nbval-check-output"]
theta = torch.tensor([math.radians(30)], dtype=torch.float64)
R = {position: rotation_matrix(position, theta) for position in (3, 1, -3, -2)}
assert_close(R[3].T, R[-3])  # 事实 1
assert_close(R[3].T @ R[1], R[-2])  # 事实 1 与 2 合起来：R_mᵀ R_n = R_{n−m}
print("转两次再点积：", round((R[3] @ torch.tensor(q) @ (R[1] @ torch.tensor(k))).item(), 3))
print("只转一次 n − m：", round((torch.tensor(q) @ R[-2] @ torch.tensor(k)).item(), 3))

# %% [markdown]
# 论文里有的地方写 $m-n$，有的地方写 $n-m$，看上去互相矛盾。算一下就清楚。

# %%
show_erratum("K03-4")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 从 2 维到 d 维：多挂几只钟
#
# 一根每格 30° 的针有个毛病：走 12 格就回到原处，位置 1 和位置 13 分不清。真实的钟用时针、分针、秒针解决这件事。
# RoPE 也一样：把 $d$ 个通道两两配成 $d/2$ 对，每对一只钟，一只比一只慢。
#
# $$
# \theta_i=b^{-2i/d},\qquad i=0,1,\dots,d/2-1
# $$
#
# - $\theta_i$：第 $i$ 对每往后一格转过的弧度
# - $b$：底数（base），论文取 10000
# - $d$：一个注意力头的宽度，必须是偶数
#
# 与第 02 章正弦编码的频率是同一组数：那里加上去，这里转过去。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
freqs = frequencies(8)  # d = 8，四对通道，[4]
for i, frequency in enumerate(freqs.tolist()):
    print(f"第 {i} 对：每格转 {frequency:.3f} 弧度，走一圈要 {2 * math.pi / frequency:7.1f} 格")

# %% slideshow={"slide_type": "slide"}
show_figure(
    plots.plot_block_matrix(rotation_matrix(3, freqs), position=3),
    alt="位置 3 的 8×8 旋转矩阵：只有对角线上四个 2×2 小块不为 0，左上角的小块转得最多，右下角的接近单位矩阵",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 四个小块各转各的，块外全是 0；越往右下转得越慢，越像单位矩阵。
# 如果块与块之间有非零的数，通道就会串，“每对各自转角相加”这一步不再成立。
# :::
#
# 分数是各对之和，每对都只看 $n-m$，所以总和也只看 $n-m$：$\;\text{score}=q_m^{\top}R_{n-m}k_n$，此时 $R\in\mathbb{R}^{d\times d}$。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。问：为什么不让所有的钟一样快？为什么不要太慢的？引到最后一节的外推。
# :::

# %% [markdown]
# 课件在这里有一处编号的混用，会让整组频率错一格。

# %%
show_erratum("K03-1")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 不造矩阵：快的写法
#
# $d=128$ 时 $R_m$ 有 16,384 个元素，其中 16,128 个是 0。只算非零的部分：
#
# $$
# R_mx=\begin{pmatrix}x_0\\x_1\\x_2\\x_3\\\vdots\end{pmatrix}\odot\begin{pmatrix}\cos m\theta_0\\\cos m\theta_0\\\cos m\theta_1\\\cos m\theta_1\\\vdots\end{pmatrix}
# +\begin{pmatrix}-x_1\\x_0\\-x_3\\x_2\\\vdots\end{pmatrix}\odot\begin{pmatrix}\sin m\theta_0\\\sin m\theta_0\\\sin m\theta_1\\\sin m\theta_1\\\vdots\end{pmatrix}
# $$
#
# $x\in\mathbb{R}^{d}$，$\odot$ 是逐元素相乘。每个向量 $2d=256$ 次乘法，而不是 16,384 次。
#
# 还有第三种写法：把每对看成一个复数 $z_i=x_{2i}+\mathrm{i}\,x_{2i+1}$，旋转就是一次复数乘法 $z_i\,e^{\mathrm{i}m\theta_i}$。
# $|e^{\mathrm{i}m\theta_i}|=1$，所以长度不变，一眼看出。

# %%
x, m = normal(8), 5
angle = m * freqs  # [4]

by_matrix = rotation_matrix(m, freqs) @ x  # 8×8 的矩阵

cos, sin = angle.cos().repeat_interleave(2), angle.sin().repeat_interleave(2)  # 各 [8]
partner = torch.stack([-x[1::2], x[0::2]], dim=-1).flatten()  # (−x1, x0, −x3, x2, …)
by_element = x * cos + partner * sin

z = torch.view_as_complex(x.reshape(4, 2)) * torch.polar(torch.ones_like(angle), angle)
by_complex = torch.view_as_real(z).flatten()

assert_close(by_element, by_matrix)
assert_close(by_complex, by_matrix)
assert_close(rotate_interleaved(x, angle), by_matrix)  # course_lib 的版本
assert_close(rope.rotate_complex(x, angle), by_matrix)

# %% [markdown]
# 四个断言都通过：三种写法和 `course_lib` 的实现逐元素相等。下面就是本课程所有模型用的那几行，
# 形状写在签名里，前面可以有任意多个批量轴。

# %%
show_source(rope.rotate_interleaved)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 回到开头那句话
#
# 同样的词向量，同样的投影，同样的三次平移。这回位置不加，而是转。


# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
def rotary_score(m, n):  # “人”在位置 m 作查询，“狗”在位置 n 作键
    q_m = rotate_interleaved(w_q @ man, m * frequencies(d))
    k_n = rotate_interleaved(w_k @ dog, n * frequencies(d))
    return (q_m @ k_n).item()


for shift in (0, 10, 100):
    print(f"狗在 {shift:3d}，人在 {3 + shift:3d}，相隔 3：分数 {rotary_score(3 + shift, shift):7.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 哪两个通道一对？两种布局
#
# 打开 HF 格式的 Llama 代码，会看到它把向量**切成前后两半**再配对，和论文的图不一样。
# 许多人把它当成 bug 来问（transformers#25199、#31859，litgpt#1214）。它不是 bug。

# %% slideshow={"slide_type": "fragment"}
show_figure(
    plots.plot_layouts(8),
    alt="八个通道的两种配对。交错布局：0 和 1、2 和 3、4 和 5、6 和 7。半分布局：0 和 4、1 和 5、2 和 6、3 和 7",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 颜色相同的两个通道一起转。把上一行的通道按 0, 2, 4, 6, 1, 3, 5, 7 重排，就得到下一行。
# 若两种布局真是两种不同的旋转，就找不到这样一个重排。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 重排通道，分数一样；混着用，就坏了
#
# :::{admonition} 先猜再跑
# :class: guess
# 一份按交错布局训练的权重，配上半分布局的旋转代码，不做重排。哪个 token 的输出最先出错？
# A. 第一个就错　B. 第一个对，后面的错　C. 只有很靠后的才错
# :::

# %%
n_tokens = 32
tokens = normal(n_tokens, 8)
w_query, w_key = normal(2, 8, 8) / math.sqrt(8)
angle = angles(torch.arange(n_tokens), freqs)  # [T, 4]
order = rope.interleaved_to_half_split(8)  # 0, 2, 4, 6, 1, 3, 5, 7


def scores(rotate, w_query, w_key):
    return rotate(tokens @ w_query.T, angle) @ rotate(tokens @ w_key.T, angle).T


# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
reference = scores(rotate_interleaved, w_query, w_key)
permuted = scores(rotate_half_split, w_query[order], w_key[order])  # W 的行一起重排
mixed = scores(rotate_half_split, w_query, w_key)  # 只换了代码
assert_close(permuted, reference)
error = (mixed - reference).abs()
print(f"分数的典型大小 {reference.abs().mean():.1f}")
for t in (0, 1, 4, 16, 31):
    print(f"第 {t:2d} 个 token 看前文：分数平均错 {error[t, : t + 1].mean():.1f}")

# %% [markdown]
# 答案是 B。位置 0 的角度全是 0，转不转、怎么转都一样。所以装错布局的模型开头往往正常，
# 越往后越乱，而且不报错。有人查了很久才找到：二十来个 token 以后变成胡话（karpathy/llama2.c#286）。HF 转换 Llama 权重的脚本里有一个 `permute`，做的就是上面的 `[order]`：
# $W_q$、$W_k$ 的行按头重排，$W_v$ 不动。

# %%
show_erratum("K03-5")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 五步流程，写成五行
#
# 1. 词 → 词向量 → Q、K、V
# 2. 每个位置算出自己的角度：位置 $m$ 有 $R_m$，位置 $n$ 有 $R_n$
# 3. 旋转：$q_m\to R_mq_m$，$k_n\to R_nk_n$
# 4. 分数：旋转后的点积
# 5. V 不旋转，直接加权求和


# %% slideshow={"slide_type": "fragment"}
def rope_attention(x, positions, *, turn_v=False):
    """单头注意力，x [T, d]，positions [T]，返回 [T, d]。"""
    q, k, v = x @ w_q.T, x @ w_k.T, x @ w_v.T  # 1
    angle = angles(positions, frequencies(d))  # 2  [T, d/2]，每行是一个位置
    q, k = rotate_interleaved(q, angle), rotate_interleaved(k, angle)  # 3
    v = rotate_interleaved(v, angle) if turn_v else v
    return attention_weights(q, k) @ v  # 4、5


# %% [markdown] slideshow={"slide_type": "slide"}
# ### 为什么 V 不转
#
# :::{admonition} 先猜再跑
# :class: guess
# 把 V 也转了，再把整句话往后挪 100 格。输出会变吗？注意力权重呢？
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
sentence = normal(4, d)  # 狗 咬 了 人，[4, d]
here, there = torch.arange(4), torch.arange(4) + 100
for turn_v in (False, True):
    change = rope_attention(sentence, there, turn_v=turn_v) - rope_attention(sentence, here, turn_v=turn_v)
    print(f"V {'也转' if turn_v else '不转'}：挪 100 格，输出最大变化 {change.abs().max():.3f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# 第一行是 0：权重没有变，输出也就没有变。V 也转，变的是被加权的东西。输出是 $\sum_n\alpha_{mn}v_n$，里面没有第二个向量来与 $R_nv_n$ 做点积，
# 转上去的绝对角度没有谁来抵消。**旋转要成对才会变成相对位置。**
#
# 同样的道理，RoPE 不加在词向量上，而是在**每一层**、每个头里，投影之后、点积之前做一次。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。问：只转 q、不转 k 会怎样？答：分数里剩下的是 R_{−m}，只看查询的绝对位置。
# :::

# %% [markdown]
# 课件第 2 步只写了生成 $R_m$，第 3 步却用到 $R_n$。如果真的只用一个矩阵：

# %%
show_erratum("K03-2")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：转动两根针

# %% [markdown]
# 每个平面是一对通道，蓝箭头是 q，橙箭头是 k。拖动 m 和 n，或直接拖箭头。

# %% slideshow={"slide_type": "fragment"}
from course_lib.widgets.rope import rope_rotation

rope_rotation()

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 锁住 n − m 再拖，所有箭头都在转，分数那个数一动不动。放开锁只拖 n，快钟先乱转，慢钟几乎不动。
# 如果想法是错的，锁住时分数会跟着抖。
# :::
#
# 试一试：找两组不同的 n − m，让第一对的夹角几乎相同。单靠一只快钟，就是这样分不清远近的。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 这是全章的中心，停 5 分钟。先锁住拖，再放开拖。让学生说出“哪只钟负责分清相邻两格，哪只负责分清 100 和 1000”。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 快针与慢针：位置是一串“没有取整的数位”
#
# 十进制数 365 的第 $i$ 位是 $n/10^i$ 取整、再模 10。第 $i$ 只钟的读数是 $n/\beta^i$ 模 $2\pi$，其中 $\beta=b^{2/d}$，只是不取整。
# 所以 RoPE 像是把位置写成一个 $\beta$ 进制数，每对通道管一位（这个看法来自苏剑林）。

# %% tags=["nbval-check-output"]
for n in (365, 366, 375):
    digits = [n // 10**i % 10 for i in range(3)]
    dials = [round(n / 10**i % 10, 2) for i in range(3)]
    print(f"n = {n}：个、十、百位 {digits}；同样三位，不取整 {dials}")

# %% [markdown]
# 个位分得清 365 和 366，百位几乎不动；百位分得清 300 和 900，却看不出 365 和 366。
# 底数 $b$ 决定最慢的一位有多慢：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, base in [("Llama 2", 10_000), ("Llama 3", 500_000), ("Qwen2.5-7B", 1_000_000)]:
    slowest = 2 * math.pi / frequencies(128, base)[-1].item()
    print(f"{name:10s} base = {base:9,d}，最慢的一对走一圈要 {slowest:11,.0f} 格")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：分数真的只看 n − m 吗（C05）
#
# :::{admonition} 问题与预测
# :class: evidence
# 随机的 q、k，同时平移 4,096 种距离，分数最大差多少？长度变了没有？V 碰了没有？
# 如果推导是对的，差只剩浮点误差；加法编码做同样的测量，差应当大得多。
# :::

# %%
run_claim("C05")

# %% [markdown]
# 上面是快速形式，刚刚在这台机器上跑的。下面是完整形式的记录，4,096 种平移、3 个种子：

# %%
show_claim("C05")

# %% slideshow={"slide_type": "fragment"}
shifted = {
    "RoPE，fp64": "shift_fp64",
    "RoPE，q、k 用 fp32": "shift_fp32",
    "RoPE，连角度也用 bf16": "shift_bf16_angles_bf16",
    "对照：加正弦位置编码": "shift_added_sinusoidal",
}
for name, key in shifted.items():
    print(f"{name}：平移使分数最多变 |q||k| 的 {figures_of(load_record('C05'))[key].mean:.0e}")

# %% [markdown]
# 这是数学性质，不需要训练，所以玩具尺度没有打折扣。打折扣的是浮点数：位置越大，`float32` 的角度误差越大，
# 半精度更糟。看“常见误区”第 5 条。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：“长程衰减”衰减的是什么（C05b）
#
# 论文说：相对距离增大，内积会衰减。这句话常被引用成“RoPE 天生偏爱近处的词”。
#
# :::{admonition} 先猜再跑
# :class: guess
# 随机取 q 和 k，把分数画成距离的函数。它会：A. 平滑下降　B. 抖着下降　C. 根本不下降
# :::

# %%
distance = torch.arange(1001, dtype=torch.float64)
turns_by_distance = torch.exp(1j * distance[:, None] * frequencies(128))  # [N, 64]，每对转到的方向
aligned = turns_by_distance.real.mean(-1)  # q = k = 全 1
bound = turns_by_distance.cumsum(-1).abs().mean(-1)  # 论文图 2 的 |S_i| 的平均
random_q, random_k = normal(2, 500, 128)
pairs = torch.view_as_complex(random_q.reshape(500, 64, 2)) * torch.view_as_complex(random_k.reshape(500, 64, 2)).conj()
draws = (pairs @ turns_by_distance.T).real / (random_q.norm(dim=-1) * random_k.norm(dim=-1))[:, None]  # [500, N]

# %% slideshow={"slide_type": "fragment"}
show_figure(
    plots.plot_scores_by_distance(distance.numpy(), aligned.numpy(), draws.numpy(), (bound / bound[0]).numpy()),
    alt="左图：同向的 q、k 的分数与论文的上界因子都随距离下降，同向的曲线一路抖动。右图：随机 q、k 的分数均值在所有距离上约为 0，标准差不变",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 左图两条线整体下降；右图的带子从头到尾一样宽，均值贴着 0。
# 虚线是论文的上界因子：$S_j=\sum_{i<j}e^{\mathrm i(m-n)\theta_i}$ 是前 $j$ 对转到的方向之和，$|\text{分数}|\le\max_i|h_{i+1}-h_i|\cdot\sum_j|S_j|$，
# $h_i=q_{[i]}k_{[i]}^*$ 是第 $i$ 对的 q、k 各当一个复数后的乘积。图上画 $|S_j|$ 的平均，除以距离 0 处的值。
# 如果“分数随距离衰减”是对的，右图的带子应当越来越窄。
# :::

# %% [markdown] slideshow={"slide_type": "fragment"}
# 衰减的是**上界**，以及同向的 q、k 的平均趋势。随机的 q、k 没有衰减。模型完全可以学出偏爱远处的 q 和 k。

# %%
show_claim("C05b")

# %%
show_erratum("K03-6")

# %% [markdown]
# 训练好的模型怎么用这些频率，是另一个问题。Barbero 等人（2024，arXiv:2410.06205）看了 Gemma 7B：
# 最快的几对用来做“看前一个词”这样的位置头；最慢的几对几乎不转，用得最多，他们猜测是用来放语义的。他们也认为，衰减多半不是 RoPE 有用的主要原因。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：超过训练长度会怎样
#
# 分数只看相对位置，那么训练时见过距离 1–4095，测试时来了距离 10000，能行吗？
#
# 补救的办法都是改频率或位置号。下图先试三种，后面再列公式：**PI** 是位置内插（position interpolation）；**NTK** 得名于神经正切核
# （neural tangent kernel）的一个说法，做法是换大的基数；**YaRN**（yet another RoPE extension）按圈数分段处理。
#
# :::{admonition} 先猜再跑
# :class: guess
# 64 只钟里，哪些会先指到从没见过的方向？A. 最快的几只　B. 最慢的几只　C. 一起
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
TRAINED, SHOWN = 4096, (0, 16, 32, 40, 46, 48, 56, 63)
trained = frequencies(128)


def stretched(method, length):
    factor = length / TRAINED
    if method == "PI":
        return rope_scaling.position_interpolation(128, factor)
    if method == "NTK":
        return rope_scaling.ntk_aware(128, factor)
    if method == "YaRN":
        return rope_scaling.yarn(128, factor, trained_length=TRAINED)[0]
    return trained


def draw_clocks(method, length):
    now = stretched(method, length)
    title = f"{method}：训练 {TRAINED} 格，用到 {length} 格"
    return plots.plot_clocks(
        {i: float(trained[i]) for i in SHOWN}, TRAINED, {i: float(now[i]) for i in SHOWN}, length, title
    )


def describe_clocks(method, length):
    now = stretched(method, length)
    seen = [min(2 * math.pi, float(trained[i]) * (TRAINED - 1)) for i in SHOWN]
    unseen = [i for i, arc in zip(SHOWN, seen) if min(2 * math.pi, float(now[i]) * (length - 1)) > arc + 0.02]
    where = "第 " + "、".join(map(str, unseen)) + " 对指到没见过的角度" if unseen else "没有哪一对指到没见过的角度"
    return f"{method}，用到 {length} 格：八只钟里，{where}；最快的一对步长是原来的 {now[0] / trained[0]:.2f} 倍"


explore(
    draw_clocks,
    describe_clocks,
    method=Knob("方法", ["直接外推", "PI", "NTK", "YaRN"], kind="buttons"),
    length=Knob("用到的长度", [4096, 8192, 16384]),
    start={"length": 16384},
    name="03-rope-clocks",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 钟面按钟的习惯画：0° 在 12 点，顺时针走。浅蓝是训练时扫过的角度，红色是没见过的。最慢的那些钟在 4096 格里没走满一圈，一超长就进红区；快钟走过几百圈，什么方向都见过。
# 切到 PI：红色全没了，但每只钟的步长都变成 0.25 倍，相邻两格变得难分。YaRN：快钟步长不变，慢钟压回浅蓝里。
# NTK：中间几只还露着红边，所以实际用时 s 要取得比需要的大。
# 如果想法是错的，红色会先出现在快钟上。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。先放直接外推，再依次点 PI、NTK、YaRN，让学生说出每次什么变红、什么变密。常见问题：“那训练时就用大 base 不行吗？”
# 答：Llama 3 正是这么做的，代价是最慢的钟更少走满；看练习 03-rope-3 的追问。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 四种办法，一张表
#
# 都写成“把位置 $m$ 换成 $g(m)$，把频率 $\theta_i$ 换成 $h(\theta_i)$”（EleutherAI 的写法）。$s$ = 要用的长度 / 训练长度 $L$，$r_i=L\theta_i/2\pi$ 是第 $i$ 对在训练里走的圈数。
#
# | 方法 | $g(m)$ | $h(\theta_i)$ | 数位的说法 |
# |---|---|---|---|
# | 直接外推 | $m$ | $\theta_i$ | 让最高位进到没见过的数字 |
# | PI | $m/s$ | $\theta_i$ | 先把数除以 $s$，再写进原来的位数 |
# | NTK-aware | $m$ | $b'^{-2i/d},\;b'=b\,s^{d/(d-2)}$ | 换一个更大的进制 |
# | NTK-by-parts | $m$ | $(1-\gamma_i)\theta_i/s+\gamma_i\theta_i$ | 低位不动，只压高位 |
# | YaRN | $m$ | 同上，再把 cos、sin 乘 $0.1\ln s+1$ | 同上，再让注意力尖一点 |
#
# $\gamma_i$：$r_i<1$ 时为 0（一圈都没走满，全压），$r_i>32$ 时为 1（走了许多圈，不压），中间一道斜坡。

# %% [markdown]
# 用十进制的三只钟算一遍最后一列。训练只见过 0–499，第三只钟只走到 4.99；现在要用到 1999，$s=4$。
# 第三只钟每格走 $1/\text{进制}^2$，要慢 4 倍，进制就乘 $\sqrt4=2$（最低位不动，还剩两次进位），所以 NTK 用 20 进制。
# 钟面没有换，还是 10 格一圈（下面的 `% 10`）；换的是快慢：后一只比前一只慢 20 倍，不是 10 倍。

# %% tags=["nbval-check-output"]
n = 1999
for name, divisor, radix in [("直接外推", 1, 10), ("PI", 4, 10), ("NTK", 1, 20)]:
    dials = [round(n / divisor / radix**i % 10, 2) for i in range(3)]
    print(f"{name}：三只钟读 {dials}，相邻两格在最快的钟上差 {1 / divisor}")

# %% [markdown]
# 直接外推，第三只钟读到没见过的 9.99。PI 和 NTK 都让它回到 5.0 以内；PI 的代价是最快的钟每格只走 0.25，NTK 不动它。
# NTK 的指数 $d/(d-2)$ 就是这样来的：$d/2$ 只钟，最快的一只不动，余下 $d/2-1$ 次进位分摊 $s$ 倍，每次多慢 $s^{1/(d/2-1)}=s^{2/(d-2)}$ 倍。
# 原来一次进位慢 $b^{2/d}$ 倍；$b^{2/d}s^{2/(d-2)}=(b\,s^{d/(d-2)})^{2/d}$，所以新的基数是 $b\,s^{d/(d-2)}$。

# %%
s = 4.0
ratios = {
    "PI": rope_scaling.position_interpolation(128, s) / trained,
    "NTK": rope_scaling.ntk_aware(128, s) / trained,
    "YaRN": rope_scaling.yarn(128, s, trained_length=TRAINED)[0] / trained,
}
turns = TRAINED * trained / (2 * math.pi)  # 每只钟在训练里走的圈数

# %% slideshow={"slide_type": "slide"}
show_figure(
    plots.plot_frequency_ratios({name: ratio.numpy() for name, ratio in ratios.items()}, turns.numpy()),
    alt="扩到 4 倍时每对通道的新频率与原频率之比。PI 处处 0.25；NTK 从 1 平滑降到 0.25；YaRN 前约 20 对是 1，第 46 对以后是 0.25，中间一条斜线",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 左端是快钟，右端是慢钟。两条竖线标出训练里恰好走 32 圈和 1 圈的地方。三种办法在右端都压到 1/4，差别在左边压不压。
# 最常见的误读是把 YaRN 的两端弄反：不动的是快钟（短波长），压的是慢钟（长波长）。如果反过来，红区一点不会少。
# :::

# %%
show_erratum("K03-7")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：RoPE 能外推吗，谁能救它（C06）
#
# :::{admonition} 问题与预测
# :class: evidence
# 与第 02 章 C04a 同一个测试：短文训练，2、4、8 倍长度上测。RoPE 自己行不行？PI、NTK、YaRN 不再训练，直接换频率，行不行？
# 预测：直接外推的损失明显上升；换了频率的至少有一种明显好转。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
figures = figures_of(load_record("C06"))
measured = {"rope": "plain", "PI": "PI", "NTK": "NTK", "YaRN": "YaRN"}
look = {"trained_length": 32, "guess": math.log(8), "labels": {"rope": "直接外推"}}


def curves(kind):
    return {name: (figures[f"{kind}_{key}"].mean, figures[f"{kind}_{key}"].std) for name, key in measured.items()}


along = curves("along")
centres = [8 * i + 4 for i in range(len(along["PI"][0]))]
last_good = {
    name: max([8 * i + 8 for i, loss in enumerate(mean) if loss < 1.1], default=0) for name, (mean, _) in along.items()
}
show_figure(
    plots.plot_losses(centres, along, xlabel="token 在文本里的位置（训练长度 32，PI、NTK、YaRN 都按 8 倍设）", **look),
    alt="沿文本的损失，横轴到 256。损失低于 1.1 nat 的范围："
    + "，".join(
        f"{look['labels'].get(name, name)} {f'到第 {end} 格' if end else '没有'}" for name, end in last_good.items()
    ),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 直接外推一过 32 就冲上去，很快比瞎猜还差。NTK 按 8 倍设，平平地走到两倍多就断了：红边的那几只钟。
# YaRN 从开头就高一截，一过 32 就贴着瞎猜（2.0 对 2.08）：没有自信地错，可也几乎什么都没读懂。PI 从开头就坏了。
# 如果“RoPE 天生能外推”是对的，蓝线应当一路平着。
# :::

# %%
lengths = [32, 64, 128, 256]
by_length = curves("loss")
show_figure(
    plots.plot_losses(lengths, by_length, xlabel="文本长度（token），每个长度用恰好够的 s", **look),
    alt="文本长度 32、64、128、256 处的损失，每种方法按那个长度设 s。256 处："
    + "，".join(f"{look['labels'].get(name, name)} {mean[-1]:.2f}" for name, (mean, _) in by_length.items())
    + "（nat）",
)

# %% [markdown]
# 每个长度都用恰好够的 $s$ 时，YaRN 最好，2 倍长处几乎不变差；到 8 倍也只剩瞎猜的水平（2.04）。若换频率没有用，四条线会叠在一起。
#
# **为什么 PI 在这里这么差？** 训练长度只有 32，一个头只有 8 只钟。压 8 倍以后，最快的钟每格只走 1/8 弧度，
# 相邻两个字母转不开，而这个小语言恰恰要靠相邻字母的次序。论文里的 PI 本来就要微调；我们也微调了几十步，它追上来了，
# 但不比直接外推再微调更好。大模型有 64 只钟、训练长度以千计，名次可能不同。玩具能看到的是**机制**：慢钟越界就坏，快钟压了也坏。

# %%
show_claim("C06")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “RoPE 加在词向量上”
# :class: pitfall
# 不加，是转；不在输入层，而在每一层的 q 和 k 上：`rotate(to_q(x))`，不是 `to_q(rotate(x))`。
# :::
#
# :::{admonition} 2. “半分布局是 bug”
# :class: pitfall
# 同一个旋转换了通道次序。错的是**混用**：频率按交错排，配对却按前后两半。这时连长度都保不住。
# :::

# %% tags=["nbval-check-output"]
x = normal(8)
angle = 7 * freqs
first, second = x.chunk(2)
broken = x * angle.cos().repeat_interleave(2) + torch.cat([-second, first]) * angle.sin().repeat_interleave(2)
print(f"转之前 |x| = {x.norm():.3f}；正确的旋转 {rotate_interleaved(x, angle).norm():.3f}；混用 {broken.norm():.3f}")

# %% [markdown]
# :::{admonition} 3. “静态 YaRN 对短文没有代价”
# :class: pitfall
# 频率一改，训练长度以内的分数也跟着改，哪怕文本一个字都没超长。下面的余弦为 1 表示没有变。
# :::

# %% tags=["nbval-check-output"]
for name in ratios:
    kept = [(torch.arange(1, far + 1)[:, None] * trained * (ratios[name] - 1)).cos().mean() for far in (100, 4095)]
    print(f"{name:4s} s = 4：新旧角度差的余弦，距离 1–100 平均 {kept[0]:.2f}，距离 1–4095 平均 {kept[1]:.2f}")
print(f"YaRN 还把每个分数乘 {rope_scaling.yarn(128, s, trained_length=TRAINED)[1] ** 2:.2f}")

# %% [markdown]
# Qwen2.5 的说明里因此写着：只在需要长文时才打开 YaRN。
#
# :::{admonition} 4. “动态 NTK 可以直接配 KV cache”
# :class: pitfall
# 动态 NTK：文本一超过训练长度，就按当时的长度重新定 $s$。
# 平时缓存转过的键正合适：频率不变，点积只看位置差。动态 NTK 的频率随文本长度变，
# 旧键按旧频率转，新查询按新频率转，两边对不上，旧键就作废了（transformers#25104）。
# :::

# %% tags=["nbval-check-output"]
key, query, n, m = *normal(2, 128), 900, 8000
old, new = trained, rope_scaling.dynamic_ntk(128, 2.0, n_tokens=m + 1, trained_length=TRAINED)
cached_key = rotate_interleaved(key, n * old)  # 存进缓存时文本还短
print(f"重算键：{rotate_interleaved(query, m * new) @ rotate_interleaved(key, n * new):8.3f}")
print(f"用旧键：{rotate_interleaved(query, m * new) @ cached_key:8.3f}")

# %% [markdown]
# :::{admonition} 5. “角度用半精度算就行”
# :class: pitfall
# `bfloat16` 只有 8 位二进制有效数字，256 以上的奇数存不下，位置先就错了。C05 量到：角度全用 bf16 算，平移使分数变了约三成。
# 所以实现里角度总用 `float32` 或更高的精度算，再转回来。
# :::

# %% tags=["nbval-check-output"]
positions = torch.tensor([255.0, 257.0, 1001.0])
print("位置存成 bfloat16：", positions.bfloat16().tolist())

# %% [markdown]
# :::{admonition} 6. “YaRN 的温度是把频率再缩放一下”
# :class: pitfall
# 乘 $0.1\ln s+1$ 的是 cos 和 sin 的**值**，等于把 q、k 都拉长一点，分数乘它的平方（$s=4$ 时 1.30，见上）。频率不受影响。
# :::
#
# 最后，抄论文式 (16) 时留心，它少印了一个转置：

# %%
show_erratum("K03-3")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看：同一个旋转，换一种位置编号
#
# 图像块有行号和列号，视频还有时间。旋转不用改，只要让不同的钟读不同的编号：
# **2D-RoPE**（第 17 章的 ViT）一半的钟读行号，一半读列号；**M-RoPE** 分三组，读时间、行、列。


# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
def rotate_2d(x, row, column):
    quarter = frequencies(8)  # d = 16：前 4 对读行号，后 4 对读列号
    return rotate_interleaved(x, torch.cat([row * quarter, column * quarter]))


a, b = normal(2, 16)
for shift in (0, 5):
    score = rotate_2d(a, 1 + shift, 2 + shift) @ rotate_2d(b, 3 + shift, 7 + shift)
    print(f"整幅图挪 ({shift}, {shift})：分数 {score:.3f}")

axis_of_pair = torch.tensor([0] * 2 + [1] * 3 + [2] * 3)  # M-RoPE：每对读 时间、行、列 中的哪一个
text_ids = torch.tensor([9, 9, 9])  # 文字的三个编号都等于它的序号
three_ids = rotate_interleaved(a, text_ids[axis_of_pair] * frequencies(16))
assert_close(three_ids, rotate_interleaved(a, 9 * frequencies(16)))

# %% [markdown] slideshow={"slide_type": "fragment"}
# 最后一行断言说：文字的三个编号相同，M-RoPE 就**恰好**等于一维 RoPE。所以语言模型原来会的东西不会丢。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 五题，约 40 分钟：一题心算，一题读图，三题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。
# 提示和解答折叠在题目下面，一步一步打开。

# %%
exercise("03-rope-1")

# %%
answer = ...  # 心算，一个数

check("03-rope-1", answer)

# %%
exercise("03-rope-2")


# %%
def my_rope(x, positions, base): ...


check("03-rope-2", my_rope)

# %%
exercise("03-rope-3")

# %%
answer = ...  # 一个整数

check("03-rope-3", answer)

# %%
exercise("03-rope-4")


# %%
def to_half_split(w, n_heads): ...


check("03-rope-4", to_half_split)

# %%
exercise("03-rope-5")


# %%
def ntk_base(base, scale, d_head): ...


check("03-rope-5", ntk_base)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 把 q 和 k 按各自的位置旋转，点积里只剩位置差：$q_m^{\top}R_{n-m}k_n$。
# 2. 每两个通道一只钟，$\theta_i=b^{-2i/d}$，一只比一只慢；V 不转。
# 3. 交错与半分是同一个旋转的两种通道次序；换代码就要换权重。
# 4. 衰减的是上界，不是每个分数；能不能外推要看慢钟见没见过那些角度。
# 5. PI 把所有的钟压得一样多；NTK 只留下最快的一只，越慢的压得越多（第 20 对剩 0.64）；YaRN 不动快钟，压慢钟。都改变了短文上的分数，都有代价。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Su 等，RoFormer（2021，arXiv:2104.09864）。§3.2 两页就够；读时记着考据 K03-1、3、6。
# - **苏剑林的博客**：[博采众长的旋转式位置编码](https://kexue.fm/archives/8265)是原始推导；[RoPE 是一种 β 进制编码](https://kexue.fm/archives/9675)讲数位的看法，比本章更细。
# - **EleutherAI**：[Rotary Embeddings](https://blog.eleuther.ai/rotary-embeddings/) 用复数推导；[Extending the RoPE](https://blog.eleuther.ai/yarn/) 把每种扩长方法写成 $g$ 和 $h$ 两个函数，还有真实 Llama 上的温度实验，那是我们的玩具尺度看不到的。
# - **扩长**：Chen 等，Position Interpolation（2023，arXiv:2306.15595）；Peng 等，YaRN（2023，arXiv:2309.00071）。
# - **公开代码**：meta-llama/llama 的 `llama/model.py`（复数、交错布局）；transformers 的 `modeling_llama.py`（半分布局）与 `modeling_rope_utils.py`（各种缩放）。
#
# 下一章：[04 自注意力与多头注意力](04_attention.ipynb)。分数有了，接下来是它怎样变成权重，又为什么要除以 $\sqrt{d_k}$。
