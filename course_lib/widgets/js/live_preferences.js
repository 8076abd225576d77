// Two texts at a time, the reader picks one, and a Bradley–Terry model is fitted anew: scores, how sure they are, and
// what it expects of the next choice. tests/widgets/test_live_preferences.py holds the fit equal to Python's.

const OWN_STYLE = `
.course-widget-preferences fieldset { border: 0; padding: 0; margin: 0; min-width: 0; }
.course-widget-pair-asked { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .8em; margin: 0 0 .5em; }
.course-widget-box button.course-widget-side { display: block; background: #FFFFFF; color: #1F2933; border: 2px solid #8A9199; border-radius: .6em; padding: .6em .8em; text-align: left; white-space: pre-line; line-height: 1.6; overflow-wrap: anywhere; }
.course-widget-box button.course-widget-side:hover { border-color: #0961C4; background: #EEF4FB; }
.course-widget-preferences .course-widget-controls button:disabled { opacity: .5; cursor: default; }
.course-widget-card.course-widget-ranks { width: 100%; padding: .8em; }
.course-widget-ranks p { margin: .2em 0; font-size: .92em; line-height: 1.5; }
.course-widget-ranks p.course-widget-small { font-size: .88em; color: #4F5B67; }
.course-widget-rank { display: grid; grid-template-columns: minmax(4.5em, 9em) minmax(0, 1fr) 7.6em; gap: .6em; align-items: center; min-height: 1.9em; font-variant-numeric: tabular-nums; font-size: .92em; }
.course-widget-rank > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.course-widget-rank > span:last-child { text-align: right; overflow: visible; }
.course-widget-lane { position: relative; height: 1.4em; background: linear-gradient(#C3CBD3, #C3CBD3) 50% 0 / 1px 100% no-repeat; }
.course-widget-lane i, .course-widget-lane u, .course-widget-lane s { position: absolute; display: block; text-decoration: none; }
.course-widget-lane i { top: .3em; height: .8em; background: #0961C4; border-radius: .15em; }
.course-widget-lane u { top: .62em; height: .16em; background: #C46904; }
.course-widget-lane s { top: .1em; width: 3px; margin-left: -1.5px; height: 1.2em; background: #000000; }
.course-widget-on-slide.course-widget-preferences { display: grid; grid-template-columns: 23em minmax(0, 1fr); gap: 0 1em; font-size: 19px; align-items: start; }
.course-widget-on-slide .course-widget-ranks { grid-column: 2; grid-row: 1 / 5; }
.course-widget-on-slide .course-widget-ranks p, .course-widget-on-slide .course-widget-rank { font-size: inherit; }
`;

// ---- the mathematics

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const sumUp = (values) => values.reduce((sum, value) => sum + value, 0);

// The inverse of a positive definite matrix: Gauss and Jordan, without pivots.
function inverse(matrix) {
  const K = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < K; i++) {
    const lead = rows[i][i];
    rows[i] = rows[i].map((x) => x / lead);
    for (let k = 0; k < K; k++) {
      const times = rows[k][i];
      if (k !== i) rows[k] = rows[k].map((x, j) => x - times * rows[i][j]);
    }
  }
  return rows.map((row) => row.slice(K));
}

// The least of Σ -log σ(s_winner - s_loser) + ridge/2 Σ s², by Newton's steps. choices: [[winner, loser], …]
// scores: they add up to 0. covariance: of the scores, what all have in common left out, since no choice tells it.
function fit(K, choices, ridge) {
  let scores = Array(K).fill(0);
  const bend = (s) => {
    const hessian = Array.from({ length: K }, (_, i) => Array.from({ length: K }, (_, j) => (i === j ? ridge : 0)));
    const slope = s.map((x) => ridge * x);
    for (const [winner, loser] of choices) {
      const doubt = sigmoid(s[loser] - s[winner]);
      slope[winner] -= doubt;
      slope[loser] += doubt;
      const curve = doubt * (1 - doubt);
      for (const [i, j, sign] of [[winner, winner, 1], [loser, loser, 1], [winner, loser, -1], [loser, winner, -1]]) hessian[i][j] += sign * curve;
    }
    return { slope, inverted: inverse(hessian) };
  };
  const lacks = (s) => (ridge / 2) * sumUp(s.map((x) => x * x)) + sumUp(choices.map(([i, j]) => Math.log1p(Math.exp(s[j] - s[i]))));
  for (let step = 0; step < 100; step++) {
    const { slope, inverted } = bend(scores);
    const move = inverted.map((row) => sumUp(row.map((x, j) => x * slope[j])));
    let size = 1;
    while (size > 1e-6 && lacks(scores.map((x, i) => x - size * move[i])) > lacks(scores)) size /= 2;
    scores = scores.map((x, i) => x - size * move[i]);
    if (Math.max(...move.map(Math.abs)) < 1e-10) break;
  }
  const common = 1 / (ridge * K);
  return { scores, covariance: bend(scores).inverted.map((row) => row.map((x) => x - common)) };
}

// One of the pairs that were asked least often, either way round.
function nextPair(K, asked, random) {
  const times = (i, j) => asked.filter(([a, b]) => (a === i && b === j) || (a === j && b === i)).length;
  const pairs = Array.from({ length: K }, (_, i) => i).flatMap((i) => Array.from({ length: K - i - 1 }, (_, k) => [i, i + 1 + k, times(i, i + 1 + k)]));
  const least = Math.min(...pairs.map(([, , n]) => n));
  const open = pairs.filter(([, , n]) => n === least);
  const [i, j] = open[Math.floor(random() * open.length)];
  return random() < 0.5 ? [i, j] : [j, i];
}

// A rule's choice between left and right: as Bradley and Terry's law has it for these scores.
const ruled = ([left, right], scores, random) => (random() < sigmoid(scores[left] - scores[right]) ? [left, right] : [right, left]);

// n choices of a rule, the first ones that a page of this seed asks for.
function demonstrated(scores, n, seed) {
  const random = randomNumbers(seed);
  const found = [];
  while (found.length < n) found.push(ruled(nextPair(scores.length, found, random), scores, random));
  return found;
}

// Of n different items drawn blindly, the best by `scores`: the mean of `worth` there.
function bestOf(n, scores, worth) {
  const order = [...scores.keys()].sort((a, b) => scores[a] - scores[b]);
  const choose = (m, k) => (k > m ? 0 : Array.from({ length: k }, (_, i) => (m - i) / (k - i)).reduce((a, b) => a * b, 1));
  return sumUp(order.map((item, rank) => (worth[item] * choose(rank, n - 1)) / choose(order.length, n)));
}

const signed = (x) => (x < 0 ? `−${(-x).toFixed(2)}` : `+${x.toFixed(2)}`).replace(/^[+−]0\.00$/, "0.00");
const share = (p) => `${Math.round(100 * p)}%`;
const DEMO = 10; // choices a press

export default {
  maths: { fit, demonstrated, bestOf },
  render({ model, el }) {
    const root = box(el, "live_preferences", STYLE + OWN_STYLE);
    root.classList.add("course-widget-preferences");
    const [items, rule] = ["items", "rule"].map((key) => model.get(key));
    const worth = model.get("scores");
    const K = items.length;
    const short = (i) => `${i + 1} ${items[i].split(/[，。\n]/)[0]}`;
    let ridge = model.get("ridge");
    let n = 1;
    let random, asked, pair, fitted; // asked: [{ pair, choice, expected, byRule }], choice null where he left it open
    const chosen = () => asked.filter(({ choice }) => choice);
    const refit = () => (fitted = fit(K, chosen().map(({ choice }) => choice), ridge));

    const sides = ["左边", "右边"].map((side, which) => {
      const button = node("button", { type: "button", class: "course-widget-side" });
      button.style.minHeight = `${Math.max(...items.map((text) => text.split("\n").length)) * 1.6 + 1.4}em`;
      button.addEventListener("click", () => {
        take(which === 0 ? pair : [pair[1], pair[0]]);
        show();
      });
      return button;
    });
    const two = node("div", { class: "course-widget-pair-asked", role: "group", "aria-label": "你更喜欢哪一个？左右方向键换边，回车选" }, ...sides);
    two.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") sides[0].focus();
      if (event.key === "ArrowRight") sides[1].focus();
    });
    const [skip, demo, undo, clear] = ["说不上", `示范 ${DEMO} 次`, "退一步", "重来"].map((text) => node("button", { type: "button" }, text));
    const ahead = node("input", { type: "checkbox" });
    ahead.checked = true;
    ahead.addEventListener("change", () => show());
    const RIDGES = [0.01, 0.03, 0.1, 0.3, 1, 3];
    if (!RIDGES.includes(ridge)) RIDGES.push(ridge);
    RIDGES.sort((a, b) => a - b);
    const pull = slider({ label: "岭", max: RIDGES.length - 1, value: RIDGES.indexOf(ridge), text: (i) => String(RIDGES[i]), changed: (i) => {
      ridge = RIDGES[i];
      refit();
      show();
    } });
    const among = slider({ label: "几个里挑最高分", min: 1, max: K, value: 1, text: String, changed: (many) => {
      n = many;
      show();
    } });
    const [guess, right, picked, key] = [node("p", { "aria-live": "polite" }), node("p"), node("p"), node("p", { class: "course-widget-small" })];
    const lanes = items.map((_, i) => {
      const [bar, error, mark] = ["i", "u", "s"].map((tag) => node(tag));
      const [lane, value] = [node("div", { class: "course-widget-lane", "aria-hidden": "true" }, bar, error, mark), node("span")];
      const row = node("div", { class: "course-widget-rank", role: "listitem" }, node("span", { title: items[i] }, short(i)), lane, value);
      return { row, bar, error, mark, value };
    });

    const expected = ([left, right]) => sigmoid(fitted.scores[left] - fitted.scores[right]);
    const ask = () => (pair = nextPair(K, asked.map((each) => each.pair), random));
    const take = (choice, byRule = false) => {
      asked.push({ pair, choice, byRule, expected: choice && expected(choice) });
      refit();
      ask();
    };
    const begin = () => {
      [random, asked] = [randomNumbers(model.get("seed")), []];
      refit();
      ask();
    };
    const show = () => {
      sides.forEach((button, which) => {
        button.textContent = items[pair[which]];
        button.setAttribute("aria-label", `选${["左边", "右边"][which]}：${items[pair[which]]}`);
      });
      const p = expected(pair);
      guess.textContent = !ahead.checked ? "它的猜测先藏着。" : p === 0.5 ? "这两个，它猜不出你选哪个：50%。" : `它猜你选${p > 0.5 ? "左边" : "右边"}：${share(Math.max(p, 1 - p))}。`;
      const choices = chosen();
      const byRule = choices.filter((each) => each.byRule).length;
      const made = choices.map((each) => each.expected).filter((each) => each !== 0.5);
      const hits = made.filter((each) => each > 0.5).length;
      const loss = made.length ? sumUp(made.map((each) => -Math.log(each))) / made.length : 0;
      right.textContent = `选了 ${choices.length} 次，其中示范 ${byRule} 次。${made.length ? `它事先猜了 ${made.length} 次，猜中 ${hits} 次（${share(hits / made.length)}），平均 −ln p = ${loss.toFixed(3)}，乱猜是 0.693。` : "它还没有可猜的。"}`;
      const errors = fitted.covariance.map((row, i) => Math.sqrt(Math.max(row[i], 0)));
      const mean = sumUp(worth) / K;
      const marked = byRule > 0;
      const most = Math.max(2, ...fitted.scores.map((s, i) => Math.abs(s) + errors[i]), ...(marked ? worth.map((w) => Math.abs(w - mean)) : []));
      const at = (s) => 50 + (50 * Math.min(Math.max(s / most, -1), 1));
      const order = [...fitted.scores.keys()].sort((a, b) => fitted.scores[b] - fitted.scores[a]);
      lanes.forEach(({ bar, error, mark, value }, i) => {
        const s = fitted.scores[i];
        bar.style.left = `${at(Math.min(s, 0))}%`;
        bar.style.width = `${Math.abs(at(s) - 50)}%`;
        error.style.left = `${at(s - errors[i])}%`;
        error.style.width = `${at(s + errors[i]) - at(s - errors[i])}%`;
        mark.style.display = marked ? "" : "none";
        mark.style.left = `${at(worth[i] - mean)}%`;
        value.textContent = `${signed(s)} ± ${errors[i].toFixed(2)}`;
      });
      key.textContent = `蓝条是分数，橙线是一倍标准误${marked ? "，黑线是示范的规则给的分数" : ""}。分数只有差有意义，这里让它们加起来是 0。示范的规则：${rule}。`;
      const believed = bestOf(n, fitted.scores, fitted.scores);
      picked.textContent = choices.length
        ? `现在最高分是「${short(order[0])}」。每次随机拿 ${n} 个、挑最高分的：学到的分数平均 ${signed(believed)}${marked ? `，规则的分数平均 ${signed(bestOf(n, fitted.scores, worth.map((w) => w - mean)))}` : ""}。`
        : `选一个，分数就动。现在分数都是 0，从 ${n} 个里挑最高分的，和随机拿一个一样。`;
      undo.disabled = clear.disabled = !choices.length;
    };
    demo.addEventListener("click", () => {
      for (let i = 0; i < DEMO; i++) take(ruled(pair, worth, random), true);
      show();
    });
    skip.addEventListener("click", () => {
      take(null);
      show();
    });
    undo.addEventListener("click", () => {
      const last = asked.findLastIndex(({ choice }) => choice);
      pair = asked[last].pair;
      asked.length = last;
      refit();
      show();
    });
    clear.addEventListener("click", () => {
      begin();
      show();
    });

    root.append(
      node("p", { class: "course-widget-label" }, "你更喜欢哪一个？"),
      two,
      node("div", { class: "course-widget-controls" }, skip, demo, undo, clear, node("label", { class: "course-widget-choice" }, ahead, "先看它的猜测")),
      node("div", { class: "course-widget-card course-widget-ranks" }, guess, right, node("div", { role: "list", "aria-label": "每个的分数" }, ...lanes.map(({ row }) => row)), key, picked),
      node("div", { class: "course-widget-controls", style: "margin-top: .6em" }, pull.field, among.field),
    );
    begin();
    show();

    // Paper cannot be clicked: without a choice of the reader's it shows the rule's.
    const rehearse = () => {
      if (!asked.length) [demo, demo].forEach((button) => button.click());
    };
    if (/\bprint-pdf\b/.test(location.search)) rehearse();
    addEventListener("beforeprint", rehearse);
    return () => removeEventListener("beforeprint", rehearse);
  },
};
