"""C25c: the same talks, learned under another mask each; what does the model then write behind a prompt?

Masks are learning.MASKS: the assistant's words; these without their end, which is what masking all ids of padding does
where the padding is <|im_end|> (huggingface/trl#3091); the end alone; everything; each mark a token late; upside down.
Nothing stops the model: it writes on for N_NEW tokens, so that what comes behind an end is seen, too.  Chapter 19.
"""

from course_lib.chapters.ch19_sft import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.posttraining.chat import END, START
from course_lib.toys import sums

N_NEW = 24


def measure(seed: int, *, progress, steps: int, n_asked: int) -> dict[str, list[float]]:
    """By mask, greedy, on pairs held out."""
    figures = {"right": [], "begins_right": [], "ends": [], "asks": []}
    for mask in progress(learning.MASKS, "掩码"):
        model = learning.train(
            lambda step, mask=mask: learning.rendered(sums.talks(learning.BATCH, 100_000 * seed + step), mask),
            steps=steps,
            history=[],
        )
        asked = learning.exam(n=n_asked)
        said = [sums.decode(row) for row in learning.written(model, asked, n_new=N_NEW)]
        right = [sums.right(each) for each in asked]
        figures["right"].append(share(text.startswith(target + END) for text, target in zip(said, right)))
        figures["begins_right"].append(share(text.startswith(target) for text, target in zip(said, right)))
        figures["ends"].append(share(END in text[: N_NEW // 2] for text in said))
        figures["asks"].append(share(f"{START}user" in text for text in said))
    return figures


def share(marks) -> float:
    marks = list(marks)
    return sum(marks) / len(marks)


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds, in every seed: under the right mask 0.9 or more answer rightly and end, and 0.1 or less go on to ask.
    Without the end 0.9 begin rightly, and 0.1 or less end. With the end alone, a token late, and upside down 0.2 or
    less are right. With everything 0.9 are right, and 0.9 go on to ask. Fails: without the end it ends as often as with
    it, within 0.1, or the answers of some other mask but everything are as right as the right mask's, within 0.1, on
    average. Else partly."""
    right, begins, ends, asks = (figures[name].values for name in ("right", "begins_right", "ends", "asks"))
    mean = {name: figures[name].mean for name in figures}
    told = "；".join(
        f"{mask}：答对并停下 {mean['right'][i]:.1%}，开头是对的数 {mean['begins_right'][i]:.1%}，"
        f"停下 {mean['ends'][i]:.1%}，接着替人提问 {mean['asks'][i]:.1%}"
        for i, mask in enumerate(("只有回答", "少了结束", "只学结束", "全部都学", "错一位", "学反了"))
    )
    others = [1, 2, 4, 5]
    if mean["ends"][1] >= mean["ends"][0] - 0.1 or (mean["right"][others] >= mean["right"][0] - 0.1).any():
        return Verdict("fails", f"掩码错了也差不多。{told}。")
    held = {
        "只有回答": (right[:, 0] >= 0.9).all(),
        "少了结束": (begins[:, 1] >= 0.9).all() and (ends[:, 1] <= 0.1).all(),
        "只学结束、错一位、学反了": (right[:, [2, 4, 5]] <= 0.2).all(),
        "全部都学": (right[:, 3] >= 0.9).all() and (asks[:, 3] >= 0.9).all() and (asks[:, 0] <= 0.1).all(),
    }
    if all(held.values()):
        return Verdict("holds", f"每种掩码教出它自己的样子。{told}。")
    odd = "、".join(name for name, each in held.items() if not each)
    return Verdict("partly", f"不像预料的：{odd}。{told}。")


CLAIM = Claim(
    id="C25c",
    chapter="19",
    title="每种错的掩码教出什么",
    statement="少了结束，它答对了却停不下来；只学结束、错一位、学反了，都答不对；全部都学，它答得一样对，没人叫停就接着替人提问。",
    question="训练时漏了 <|im_end|>，它会写什么？",
    refuted_if="少了结束也照样停下，或者别的错掩码和对的掩码答得差不多。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 10, "n_asked": 40},
    full={"steps": 70, "n_asked": 100},
    quick_seeds=(0,),
    labels={
        "right": "答对并停下：只有回答、少了结束、只学结束、全部都学、错一位、学反了",
        "begins_right": "开头是对的数",
        "ends": "12 个词元内停下",
        "asks": "不叫停，24 个词元内替人提问",
    },
    limits="一种题，一个底子，只学 70 步，贪心地写。底子是预训练过的，看到提示就先写数，所以没学到开头也未必乱写；"
    "换一个底子，没学到的地方会写出别的东西。不叫停才看得见替人提问：平常遇到 <|im_end|> 就停。",
)
