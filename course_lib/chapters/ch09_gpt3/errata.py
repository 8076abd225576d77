"""Chapter 09, GPT-3: where slides, paper and released facts disagree, and what a computation says.

The paper is Language Models are Few-Shot Learners (Brown et al. 2020, arXiv:2005.14165).
"""

import math

import numpy as np

from course_lib.course.errata.core import Erratum, require
from course_lib.data.text.mixture import GPT3_MIXTURE, agrees, possible_epochs, printed_range
from course_lib.data.text.quality_filter import keep_by_pareto, keep_probability
from course_lib.models.gpt3 import SIZES, GPT3Config, n_parameters

BROWN = "Brown et al. 2020, arXiv:2005.14165"
KAPLAN = "Kaplan et al. 2020, arXiv:2001.08361"
NO_CODE = "没有公开代码（openai/gpt-3 只有数据和样本）"
PRINTED = ("125M", "350M", "760M", "1.3B", "2.7B", "6.7B", "13.0B", "175.0B")
UNITS = {"M": 1e6, "B": 1e9}


def _consistent(name: str, **changes: int) -> int:
    """Parameters of a row with one printed number replaced."""
    old = SIZES[name]
    fields = {"d_model": old.d_model, "n_heads": old.n_heads, "head_width": old.head_width} | changes
    return n_parameters(GPT3Config(n_vocab=old.n_vocab, context=old.context, n_layers=old.n_layers, **fields))


def _total() -> dict[str, object]:
    count = n_parameters(SIZES["GPT-3 175B"])
    return {
        "按表中的层数和宽度算出的参数量": count,
        "以亿为单位：算出的 / 表里的 175.0B / 课件": [round(count / 1e8, 1), 1750, 1705],
    }


def _settle_total(values: dict[str, object]) -> str:
    _, (computed, table, slide) = values.values()
    require(abs(computed / table - 1) < 0.01, f"computed {computed}, table {table}")
    require(abs(computed / slide - 1) > 0.02, f"computed {computed} is close to the slide's {slide}")
    return (
        "175.0B = 1750 亿，由表里的 96 层、宽 12288 算出来也是 1746 亿。"
        "课件的“1705 亿”像是把 1750 的数字写颠倒了（这一句是猜的）。"
    )


def _terabytes() -> dict[str, object]:
    return {
        "过滤后 / 过滤前": f"{570 / 45_000:.1%}",
        "570 GB ÷ 4000 亿 token，字节/token": round(570e9 / 400e9, 2),
        "Kaplan 等的 WebText2：96 GB ÷ 229 亿 token，字节/token": round(96e9 / 22.9e9, 2),
        "openai/gpt-3 的语言统计：1.142 万亿个字符 ÷ 训练的 3000 亿 token": round(1.142e12 / 300e9, 2),
        "Common Crawl 在训练里读了几遍：60 % × 3000 亿 ÷ 4100 亿": round(0.6 * 300 / 410, 2),
    }


def _settle_terabytes(values: dict[str, object]) -> str:
    share, bytes_each, webtext, counted, epochs = values.values()
    require(float(share.rstrip("%")) < 2, f"{share} is left, not about one hundredth")
    require(bytes_each < 2, f"{bytes_each} bytes a token")
    require(min(webtext, counted) > 3.5, f"{webtext} bytes and {counted} characters a token are no more than the rest")
    require(epochs == 0.44, f"Common Crawl was read {epochs} times; table 2.2 says 0.44")
    return (
        "45 TB 只是 Common Crawl 一家、过滤之前、压缩的纯文本，不是训练数据。"
        f"过滤后是 570 GB，约 4000 亿个 token，也只是这一家的，训练里读了 {epochs} 遍。"
        f"每个 token 才 1.4 字节；同样的分词器在 WebText2 上是 {webtext} 字节，"
        f"GPT-3 自己的语料统计也合 {counted} 个字符，所以 570 GB 多半也是压缩后的大小（这一句是推断）。"
    )


def _epochs() -> dict[str, object]:
    ranges = {source.name: [round(number, 2) for number in possible_epochs(source)] for source in GPT3_MIXTURE}
    printed = {source.name: float(source.epochs) for source in GPT3_MIXTURE}
    return {
        **{f"{name}：算出的遍数范围 / 印的": [*ranges[name], printed[name]] for name in ranges},
        "对不上的": [source.name for source in GPT3_MIXTURE if not agrees(source)],
        "权重之和（%）": sum(int(source.percent) for source in GPT3_MIXTURE),
        "WebText2 要 2.9 遍，总 token（十亿）须在": [
            round(printed_range("2.9")[0] * printed_range("19")[0] / 0.225, 1),
            round(printed_range("2.9")[1] * printed_range("19")[1] / 0.215, 1),
        ],
        "Common Crawl 要 0.44 遍，总 token（十亿）须在": [
            round(printed_range("0.44")[0] * printed_range("410")[0] / 0.605, 1),
            round(printed_range("0.44")[1] * printed_range("410")[1] / 0.595, 1),
        ],
    }


def _settle_epochs(values: dict[str, object]) -> str:
    require(values["对不上的"] == ["WebText2"], f"what does not fit is {values['对不上的']}, not WebText2 alone")
    require(values["权重之和（%）"] == 101, f"weights sum to {values['权重之和（%）']}")
    (_, web_most), (crawl_least, _) = list(values.values())[-2:]
    require(web_most < crawl_least, "one budget would explain both")
    low, high, _ = values["WebText2：算出的遍数范围 / 印的"]
    return (
        f"把三列都按四舍五入放宽，五行里只有 WebText2 对不上：应是 {low}–{high} 遍，印的是 2.9。"
        "换一个总 token 数也救不了，它和 Common Crawl 要求的总数不相交。权重之和是 101 %，各自取整所致。"
    )


def _rows() -> dict[str, object]:
    rows = {}
    for (name, config), printed in zip(SIZES.items(), PRINTED):
        product = config.n_heads * config.d_head
        rows[f"{name}：参数量（印作 {printed}）"] = n_parameters(config)
        if product != config.d_model:
            rows[f"{name}：n_heads × d_head 与 d_model"] = [product, config.d_model]
    rows["XL 改成 16 个头"] = _consistent("GPT-3 XL", n_heads=16)
    rows["13B 改成 d_model = 5120"] = _consistent("GPT-3 13B", d_model=5120)
    return rows


def _settle_rows(values: dict[str, object]) -> str:
    odd = [name for name, value in values.items() if "n_heads" in name and value[0] != value[1]]
    require(len(odd) == 2 and "XL" in odd[0] and "13B" in odd[1], f"rows that do not multiply: {odd}")
    counts = [value for name, value in values.items() if "参数量" in name]
    off = [abs(count / float(text[:-1]) / UNITS[text[-1]] - 1) for count, text in zip(counts, PRINTED)]
    require(sum(share > 0.1 for share in off) == 1 and off[3] > 0.1, f"relative differences {off}")
    require(abs(values["XL 改成 16 个头"] / 1.3e9 - 1) < 0.02, "XL with 16 heads is not 1.3B")
    return (
        "八行里 XL（24×128 = 3072 ≠ 2048）和 13B（40×128 = 5120 ≠ 5140）乘不起来。照印的算，XL 有 15.2 亿，"
        "改成 16 个头才是 13.2 亿，与“1.3B”相合；13B 改成宽 5120 是 128.5 亿，照印的是 129.4 亿，两者都写作 13B。"
        "其余六行都对得上，相差 2 % 以内。"
    )


def _shots() -> dict[str, object]:
    return {
        "2048 个 token 的窗口，每个示例平均 20 / 100 / 200 个 token，放得下": [2048 // each for each in (20, 100, 200)],
        "论文的 10–100 个，对应每个示例的 token 数": [2048 // 100, 2048 // 10],
        "课件的 2–10 个，对应": [2048 // 10, 2048 // 2],
    }


def _settle_shots(values: dict[str, object]) -> str:
    (many, some, few), paper, slide = values.values()
    require(many >= 100 > some >= few >= 10, f"{many}, {some}, {few} examples fit")
    require(paper[1] == slide[0], "the two ranges do not meet")
    return (
        "论文写的是“通常 10 到 100 个”，由 n_ctx = 2048 能放下多少决定。课件的 2–10 是后来常见的用法，不是论文的设定；"
        "按窗口算，只放 2–10 个等于每个示例占 204 到 1024 个 token。"
    )


def _pareto() -> dict[str, object]:
    scores = np.array([0.5, 0.9, 0.99])
    generator = np.random.default_rng(0)
    drawn = [keep_by_pareto(np.full(200_000, score), generator).mean() for score in scores]
    return {
        "分数": scores.tolist(),
        "抽 20 万次，留下的比例": [round(float(share), 3) for share in drawn],
        "公式 (2 − s)⁻⁹": [round(float(share), 3) for share in keep_probability(scores)],
    }


def _settle_pareto(values: dict[str, object]) -> str:
    scores, drawn, formula = map(np.array, values.values())
    require(bool((np.abs(drawn - formula) < 0.005).all()), f"drawn {drawn}, formula {formula}")
    require(bool((np.abs(drawn - scores) > 0.05).all()), "the rule is the score after all")
    return (
        "规则 np.random.pareto(9) > 1 − s 留下的概率是 (2 − s)⁻⁹，不是 s：0.5 分留 2.6 %，0.9 分留 42 %。"
        "numpy 的 pareto 从 0 起（Lomax 分布），P(X > x) = (1 + x)⁻⁹；若当成从 1 起的 Pareto，s 再低也会全留。"
    )


def _laws() -> dict[str, object]:
    compute = 6 * 174.6e9 * 300e9  # 6 N D
    days = compute / (1e15 * 86400)
    return {
        "训练计算量 6ND（FLOP）": f"{compute:.2e}",
        "折合 PF-days": round(days),
        "GPT-3 图 3.1：2.57·C^(−0.048)": round(2.57 * days**-0.048, 2),
        "Kaplan 式 (1.1)：(8.8e13/N)^0.076": round((8.8e13 / 174.6e9) ** 0.076, 2),
        "计算量 ×10，损失乘以": round(10**-0.048, 3),
        "参数量 ×10，损失乘以": round(10**-0.076, 3),
    }


def _settle_laws(values: dict[str, object]) -> str:
    _, _, by_compute, by_size, ten_compute, ten_size = values.values()
    require(by_compute != by_size and ten_compute != ten_size, "the two laws say the same")
    require(math.isclose(by_compute, 1.73, abs_tol=0.02), f"by compute {by_compute}")
    return (
        f"两条不同的律。GPT-3 的图 3.1 是损失对**计算量**：175B 处 {by_compute} nat。损失对**参数量**是 Kaplan 等人的，"
        f"假设数据足够多、训练到收敛：{by_size} nat。横轴不同，指数也不同，不能混用。"
    )


def _threshold() -> dict[str, object]:
    pairs = (0.1, 0.5, 0.8, 0.87)
    return {
        "论文给出的：哈希函数个数": 10,
        "论文给出的：Jaccard 阈值": "没有",
        "Spark 的 MinHashLSH，10 张哈希表：s = 0.1 / 0.5 / 0.8 / 0.87 成为候选的概率": [
            round(1 - (1 - s) ** 10, 3) for s in pairs
        ],
        "其中 approxSimilarityJoin(…, 0.15) 留下的：真的距离 1 − s < 0.15": [s for s in pairs if 1 - s < 0.15],
    }


def _settle_threshold(values: dict[str, object]) -> str:
    chances, kept = list(values.values())[2:]
    require(chances[0] > 0.6 and min(chances[1:]) > 0.99, f"chances {chances}")
    require(kept == [0.87], f"an exact filter would keep {kept}")
    return (
        "附录 A 只说用 Spark 的 MinHashLSH、10 个哈希、与分类器相同的特征，数据平均减少 10 %；"
        "没有给阈值，“0.87”不是论文里的数。10 张表取“或”，相似度 0.1 的也有六成多成为候选：漏得少，全靠后一步筛。"
        "Spark 的 approxSimilarityJoin 一定要给阈值，并按真的 Jaccard 距离筛。"
        "若照常用它，阈值是有的，只是没有印出来。"
    )


ERRATA = [
    Erratum(
        id="K09-1",
        chapter="09",
        title="1705 亿还是 1750 亿",
        slide="参数量：1705 亿；下一页的表写 175.0B",
        paper="表 2.1：175.0B",
        code=NO_CODE,
        compute=_total,
        settles=_settle_total,
        sources=[f"{BROWN}, table 2.1"],
    ),
    Erratum(
        id="K09-2",
        chapter="09",
        title="预训练数据是 45 TB 吗",
        slide="预训练数据量：45TB",
        paper="§2.2：45TB of compressed plaintext before filtering and 570GB after filtering，约 4000 亿 BPE token",
        code=NO_CODE,
        compute=_terabytes,
        settles=_settle_terabytes,
        sources=[
            f"{BROWN}, §2.2, table 2.2",
            f"{KAPLAN}, §2.3（20.3M 篇，96 GB，2.29e10 token）",
            "openai/gpt-3: dataset_statistics/languages_by_character_count.csv",
        ],
    ),
    Erratum(
        id="K09-3",
        chapter="09",
        title="混合表里的遍数和权重",
        slide="照抄论文的表：WebText2 22 %，19B，2.9 遍",
        paper="表 2.2，同样的数",
        code=NO_CODE,
        compute=_epochs,
        settles=_settle_epochs,
        sources=[f"{BROWN}, table 2.2"],
    ),
    Erratum(
        id="K09-4",
        chapter="09",
        title="八行参数表，有两行乘不起来",
        slide="照抄论文的表",
        paper="表 2.1：XL 24 头 × 128，d_model 2048；13B 40 头 × 128，d_model 5140",
        code=NO_CODE,
        compute=_rows,
        settles=_settle_rows,
        sources=[f"{BROWN}, table 2.1"],
    ),
    Erratum(
        id="K09-5",
        chapter="09",
        title="少样本的 K 是几",
        slide="K 个（通常 2~10）",
        paper="§2：typically in the range of 10 to 100，由 n_ctx = 2048 决定",
        code=NO_CODE,
        compute=_shots,
        settles=_settle_shots,
        sources=[f"{BROWN}, §2"],
    ),
    Erratum(
        id="K09-6",
        chapter="09",
        title="Pareto 规则：分数不是留下的概率",
        slide="Pareto 分布根据分数筛选",
        paper="附录 A：当且仅当 np.random.pareto(α) > 1 − document_score 时保留，α = 9",
        code="numpy.random.pareto：Lomax，从 0 起",
        compute=_pareto,
        settles=_settle_pareto,
        sources=[f"{BROWN}, appendix A", "numpy/numpy: numpy.random.pareto 的文档"],
    ),
    Erratum(
        id="K09-7",
        chapter="09",
        title="幂律的横轴是什么",
        slide="只说模型更大",
        paper="图 3.1：L = 2.57·C^(−0.048)，C 是计算量（PF-days）；Kaplan 等人式 (1.1) 才是对参数量",
        code=NO_CODE,
        compute=_laws,
        settles=_settle_laws,
        sources=[f"{BROWN}, figure 3.1", f"{KAPLAN}, eq. 1.1"],
    ),
    Erratum(
        id="K09-8",
        chapter="09",
        title="“Jaccard 阈值 0.87”从哪里来",
        slide="使用 Spark MinHashLSH（配置哈希函数）计算文档相似度，没有阈值；网上有的文章写 0.87",
        paper="附录 A：MinHashLSH，10 hashes；没有阈值",
        code="Spark MLlib：每张表一个哈希，表之间取“或”；approxSimilarityJoin 的 threshold 必填，按真的距离筛",
        compute=_threshold,
        settles=_settle_threshold,
        sources=[f"{BROWN}, appendix A", "apache/spark: ml/feature/LSH.scala, MinHashLSH.scala"],
    ),
]
