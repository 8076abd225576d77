// Three answers, so a policy is a point in a triangle: methods train it in the page, and each path is seen beside its
// KL(π ‖ π*). The mathematics is that of course_lib/widgets/triangle_paths.py; tests/widgets/test_live_triangle.py
// holds every step of every method equal to it, on the same draws.

const OWN_STYLE = `
.course-widget-triangle fieldset { border: 0; padding: 0; margin: 0; min-width: 0; }
.course-widget-triangle .course-widget-turned { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18em, 100%), 1fr)); gap: .1em 1.6em; margin: 0 0 .5em; }
.course-widget-triangle .course-widget-turned .course-widget-label { min-width: 5.6em; }
.course-widget-triangle .course-widget-turned input[type=range] { flex: 1 1 5em; width: 5em; min-width: 0; }
.course-widget-triangle button.course-widget-main { background: #0961C4; border-color: #0961C4; color: #FFFFFF; font-weight: 600; min-width: 6em; }
.course-widget-card.course-widget-world { width: 100%; padding: .8em; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18em, 100%), 1fr)); gap: .6em 1.6em; }
.course-widget-world svg { display: block; width: 100%; height: auto; max-width: 30em; font-size: 13px; }
.course-widget-world svg[tabindex] { cursor: crosshair; touch-action: manipulation; }
.course-widget-world p { margin: .2em 0; font-size: .88em; line-height: 1.5; color: #4F5B67; }
.course-widget-world table { border-collapse: collapse; width: 100%; margin: .3em 0; font-size: .88em; font-variant-numeric: tabular-nums; }
.course-widget-world td, .course-widget-world th { padding: .15em .6em .15em 0; border: 0; text-align: left; vertical-align: top; background: transparent; color: inherit; font-weight: 400; line-height: 1.45; }
.course-widget-world th b { display: inline-block; width: 1.3em; height: .3em; margin-right: .4em; vertical-align: .25em; }
.course-widget-world td.course-widget-why { color: #4F5B67; padding-left: 3.4em; }
.course-widget-reached { grid-column: 1 / -1; }
.course-widget-world thead th { color: #4F5B67; }
.course-widget-on-slide.course-widget-triangle { display: grid; grid-template-columns: 17em minmax(0, 1fr); gap: 0 1em; font-size: 20px; }
.course-widget-on-slide .course-widget-turned { grid-row: 1 / 3; align-content: start; grid-template-columns: minmax(0, 1fr); }
.course-widget-on-slide .course-widget-card.course-widget-world { gap: .2em 1em; grid-template-columns: repeat(2, minmax(0, 1fr)); padding: .4em .8em; }
.course-widget-on-slide .course-widget-world svg { max-width: 18em; }
.course-widget-on-slide .course-widget-world p, .course-widget-on-slide .course-widget-world table { font-size: inherit; }
.course-widget-on-slide .course-widget-world p:last-child { display: none; }
`;

// ---- the mathematics: a policy is its logits, one an answer

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);
const meanOf = (values) => sumOf(values) / values.length;
function logSoftmax(logits) {
  const most = Math.max(...logits);
  const total = most + Math.log(sumOf(logits.map((z) => Math.exp(z - most))));
  return logits.map((z) => z - total);
}
const kl = (policy, other) => sumOf(policy.map((p, i) => Math.exp(p) * (p - other[i])));
const bestOf = ({ reference, reward, beta }) => logSoftmax(reference.map((p, i) => p + reward[i] / beta));

// Reward less β log(π / π_ref), of each answer.
const keepsClose = ({ reference, reward, beta }, policy) => reward.map((r, i) => r - beta * (policy[i] - reference[i]));

// n places, each where the running sum of the probabilities first passes a random number.
function drawn(probs, n, random) {
  let sum = 0;
  const sums = probs.map((p) => (sum += p));
  return Array.from({ length: n }, () => {
    const u = random();
    const place = sums.findIndex((s) => s > u);
    return place < 0 ? probs.length - 1 : place;
  });
}

// Up the mean of weight · log π(answer), each answer with its weight.
function climb(logits, rate, answers, weights) {
  const probs = logSoftmax(logits).map(Math.exp);
  const total = sumOf(weights);
  const gradient = probs.map((p) => -p * total);
  answers.forEach((answer, k) => (gradient[answer] += weights[k]));
  return logits.map((z, i) => z + (rate * gradient[i]) / answers.length);
}

// advantage · ratio, or 0 where the clip has taken the gradient away. tally: { of, cut }, how many were asked and cut.
function clipped(advantage, ratio, clip, tally) {
  const far = advantage > 0 ? ratio > 1 + clip : ratio < 1 - clip;
  tally.of += 1;
  tally.cut += far;
  return far ? 0 : advantage * ratio;
}

const spread = (values) => Math.sqrt(sumOf(values.map((x) => (x - meanOf(values)) ** 2)) / (values.length - 1));
const lessMean = (values) => (values.every((x) => x === values[0]) ? values.map(() => 0) : values.map((x) => x - meanOf(values)));
const BASELINES = {
  none: (f) => f,
  mean: lessMean,
  others: (f) => f.map((x) => x - (sumOf(f) - x) / (f.length - 1)),
};

// Each method: (world, settings, random) -> a step, from logits to logits.
const METHODS = {
  exact: (world, { rate }) => (logits) => {
    const policy = logSoftmax(logits);
    const f = keepsClose(world, policy);
    const mean = sumOf(f.map((x, i) => Math.exp(policy[i]) * x));
    return logits.map((z, i) => z + rate * Math.exp(policy[i]) * (f[i] - mean));
  },

  REINFORCE: (world, { rate, n, baseline }, random) => (logits) => {
    const policy = logSoftmax(logits);
    const answers = drawn(policy.map(Math.exp), n, random);
    const f = keepsClose(world, policy);
    return climb(logits, rate, answers, BASELINES[baseline](answers.map((answer) => f[answer])));
  },

  PPO: (world, { rate, n, clip, epochs, whiten, tally }, random) => (logits) => {
    const old = logSoftmax(logits);
    const answers = drawn(old.map(Math.exp), n, random);
    const f = keepsClose(world, old);
    const value = sumOf(f.map((x, i) => Math.exp(old[i]) * x)); // a critic that knows the mean
    let advantages = answers.map((answer) => f[answer] - value);
    if (whiten) {
      const [mean, scale] = [meanOf(advantages), Math.sqrt(spread(advantages) ** 2 + 1e-8)];
      advantages = advantages.map((x) => (x - mean) / scale);
    }
    for (let epoch = 0; epoch < epochs; epoch++) {
      const now = logSoftmax(logits);
      logits = climb(logits, rate, answers, answers.map((answer, k) => clipped(advantages[k], Math.exp(now[answer] - old[answer]), clip ?? Infinity, tally)));
    }
    return logits;
  },

  DPO: (world, { dpo_rate, pairs, missing, flipped }, random) => {
    let table = pairTable(world, missing, flipped);
    if (pairs) {
      const counts = table.map(() => 0);
      drawn(table, pairs, random).forEach((place) => (counts[place] += 1 / pairs));
      table = counts;
    }
    const K = world.reward.length;
    return (logits) => {
      const d = logSoftmax(logits).map((p, i) => p - world.reference[i]);
      const next = logits.slice();
      table.forEach((share, place) => {
        const [chosen, rejected] = [Math.floor(place / K), place % K];
        const pull = (dpo_rate * share * world.beta) / (1 + Math.exp(world.beta * (d[chosen] - d[rejected])));
        next[chosen] += pull;
        next[rejected] -= pull;
      });
      return next;
    };
  },

  GRPO: (world, { rate, n, group, clip, epochs, std, reweigh, tally }, random) => (logits) => {
    const old = logSoftmax(logits);
    const answers = drawn(old.map(Math.exp), group * Math.max(1, Math.floor(n / group)), random);
    const advantages = [];
    for (let i = 0; i < answers.length; i += group) {
      const rewards = answers.slice(i, i + group).map((answer) => world.reward[answer]);
      const scale = std ? spread(rewards) + 1e-4 : 1;
      advantages.push(...lessMean(rewards).map((x) => x / scale));
    }
    for (let epoch = 0; epoch < epochs; epoch++) {
      const now = logSoftmax(logits);
      const weights = answers.map((answer, k) => {
        const [ratio, d] = [Math.exp(now[answer] - old[answer]), now[answer] - world.reference[answer]];
        const pull = reweigh ? ratio * d : 1 - Math.exp(-d); // the gradient of k3, weighed by the ratio or not
        return clipped(advantages[k], ratio, clip ?? Infinity, tally) - world.beta * pull;
      });
      logits = climb(logits, rate, answers, weights);
    }
    return logits;
  },
};

// Probability of a pair (chosen, rejected) of two answers of the reference: Bradley and Terry's law, labels turned.
function pairTable({ reference, reward }, missing, flipped) {
  const shown = reference.map((p, i) => (i === missing ? 0 : Math.exp(p)));
  const table = shown.flatMap((p, i) =>
    shown.map((q, j) => {
      const prefers = 1 / (1 + Math.exp(reward[j] - reward[i]));
      return i === j ? 0 : p * q * ((1 - flipped) * prefers + flipped * (1 - prefers));
    }),
  );
  const total = sumOf(table);
  return table.map((p) => p / total);
}

// Log-probabilities after each step, the start first.
function path(method, world, settings, steps, start, random, tally = { of: 0, cut: 0 }) {
  const step = METHODS[method](world, { ...settings, tally }, random);
  let logits = start;
  const found = [logSoftmax(logits)];
  for (let i = 0; i < steps; i++) found.push(logSoftmax((logits = step(logits))));
  return found;
}

// ---- what keeps a method from π*, as its settings are; tests/widgets/test_live_triangle.py switches each off and on
function causes(method, { n, baseline, whiten, std, group, reweigh, pairs, missing, flipped }, names) {
  const found = {
    exact: [],
    REINFORCE: [baseline === "none" && `没有基线：在 π* 处每个回答的分数都相等，却不是 0，每步只抽 ${n} 个，就一直抖`],
    PPO: [whiten && "优势白化：离 π* 再近，优势也放大到 1，步子停不下来（ε 越小，抖得越轻）"],
    DPO: [pairs && `只有 ${pairs} 对`, missing >= 0 && `数据里没有「${names[missing]}」`, flipped && `标签翻了 ${Math.round(100 * flipped)}%`],
    GRPO: [
      std && "除以组内标准差，等于换了 β",
      !reweigh && "k3 没有乘概率比，减的是反方向的 KL",
      group < 32 && `每组只有 ${group} 个，均值里有自己：奖励那一半缩到 1 − 1/${group}，KL 没有缩`,
    ],
  };
  return found[method].filter(Boolean);
}

// ---- the screen

const CORNERS = [[160, 26], [24, 256], [296, 256]];
const place = (probs) => [0, 1].map((axis) => sumOf(probs.map((p, i) => p * CORNERS[i][axis])));
// The probabilities of a point, none below 1 %.
function probsAt(x, y) {
  const [[ax, ay], [bx, by], [cx, cy]] = CORNERS;
  const area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy);
  const a = ((by - cy) * (x - cx) + (cx - bx) * (y - cy)) / area;
  const b = ((cy - ay) * (x - cx) + (ax - cx) * (y - cy)) / area;
  const inside = [a, b, 1 - a - b].map((p) => Math.max(p, 0.01));
  return inside.map((p) => p / sumOf(inside));
}
const written = (value) => (value === Infinity ? "散了" : value < 0.001 ? value.toExponential(0).replace("-", "−") : value.toFixed(value < 0.0995 ? 4 : 3));
const points = (places) => places.map((each) => each.map((x) => x.toFixed(1)).join(",")).join(" ");
const [LOW, HIGH] = [-5, 0.5]; // powers of ten of the curve's scale
const CURVE = { left: 46, right: 312, top: 14, bottom: 196 };

export default {
  maths: { path, pairTable, bestOf, randomNumbers, names: Object.keys(METHODS) },
  render({ model, el }) {
    const root = box(el, "live_triangle", STYLE + OWN_STYLE);
    root.classList.add("course-widget-triangle");
    const [given, names, methods, steps] = ["world", "names", "methods", "steps"].map((key) => model.get(key));
    const world = { ...given };
    const settings = { ...model.get("settings") };
    let [seed, start, shown, timer] = [model.get("seed"), given.reference, steps, null];
    const hidden = new Set();
    const svg = (tag, attributes = {}, ...children) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      made.append(...children);
      return made;
    };
    const has = (...some) => some.some((name) => methods.some(({ method }) => method === name));

    // ---- knobs
    const turned = (changes) => {
      Object.assign(settings, changes);
      train();
    };
    const along = (label, values, value, text, changed) => {
      values = [...new Set([...values, value])].sort((a, b) => a - b);
      const at = values.reduce((best, each, i) => (Math.abs(each - value) < Math.abs(values[best] - value) ? i : best), 0);
      return slider({ label, max: values.length - 1, value: at, text: (i) => text(values[i]), changed: (i) => changed(values[i]) }).field;
    };
    const chooser = (label, options, value, changed) => {
      const select = node("select", {}, ...options.map(([each, text]) => node("option", { value: String(each) }, text)));
      select.value = String(value);
      select.addEventListener("change", () => changed(options.find(([each]) => String(each) === select.value)[0]));
      return node("label", { class: "course-widget-knob" }, node("span", { class: "course-widget-label" }, label), select);
    };
    const check = (label, value, changed) => {
      const input = node("input", { type: "checkbox" });
      input.checked = value;
      input.addEventListener("change", () => changed(input.checked));
      return node("label", { class: "course-widget-choice" }, input, label);
    };
    const ratios = (from, to, n) => Array.from({ length: n + 1 }, (_, i) => Number((from * (to / from) ** (i / n)).toPrecision(2)));
    const whole = String;
    const knobs = [
      along("β", ratios(0.1, 5, 34), world.beta, whole, (beta) => {
        world.beta = beta;
        train();
      }),
      ...(has("exact", "REINFORCE", "PPO", "GRPO") ? [along("学习率", ratios(0.01, 3, 30), settings.rate, whole, (rate) => turned({ rate }))] : []),
      ...(has("REINFORCE", "PPO", "GRPO") ? [along("每步抽几个", [2, 4, 8, 16, 32, 64, 128, 256], settings.n, whole, (n) => turned({ n }))] : []),
      ...(has("REINFORCE") ? [chooser("基线", [["none", "不减"], ["mean", "减这一批的均值"], ["others", "减其余几个的均值"]], settings.baseline, (baseline) => turned({ baseline }))] : []),
      ...(has("GRPO") ? [along("每组几个 G", [2, 4, 8, 16, 32], settings.group, whole, (group) => turned({ group }))] : []),
      ...(has("PPO", "GRPO")
        ? [
            along("剪切 ε", [0.05, 0.1, 0.2, 0.3, 0.5, 1, 99], settings.clip ?? 99, (e) => (e === 99 ? "不剪" : e.toFixed(2)), (e) => turned({ clip: e === 99 ? null : e })),
            along("一批用几次", [1, 2, 3, 4, 6, 8], settings.epochs, whole, (epochs) => turned({ epochs })),
          ]
        : []),
      ...(has("DPO")
        ? [
            along("DPO 学习率", ratios(0.1, 30, 25), settings.dpo_rate, whole, (dpo_rate) => turned({ dpo_rate })),
            along("偏好对", [30, 100, 300, 1000, 3000, 10000, 1e9], settings.pairs || 1e9, (n) => (n === 1e9 ? "无穷" : whole(n)), (n) => turned({ pairs: n === 1e9 ? 0 : n })),
            along("翻了的标签", [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5], settings.flipped, (p) => `${Math.round(100 * p)}%`, (flipped) => turned({ flipped })),
            chooser("偏好对里没有", [[-1, "都有"], ...names.map((name, i) => [i, name])], settings.missing, (missing) => turned({ missing })),
          ]
        : []),
      ...(has("PPO") ? [check("PPO：优势白化", settings.whiten, (whiten) => turned({ whiten }))] : []),
      ...(has("GRPO")
        ? [check("GRPO：除以组内标准差", settings.std, (std) => turned({ std })), check("GRPO：k3 乘概率比", settings.reweigh, (reweigh) => turned({ reweigh }))]
        : []),
    ];
    const [run, luck, home] = ["▶ 运行", "换一次运气", "从参考策略出发"].map((text) => node("button", { type: "button" }, text));
    run.className = "course-widget-main";
    const at = slider({ label: "第几步", max: steps, value: steps, text: whole, changed: (step) => {
      halt();
      shown = step;
      draw();
    } });

    // ---- pictures
    const label = (text, x, y, anchor = "middle") => svg("text", { x, y, "text-anchor": anchor, fill: "#1F2933" }, text);
    const [towards, moving] = [svg("polyline", { fill: "none", stroke: "#8A9199", "stroke-dasharray": "2 4" }), svg("g")];
    const star = svg("path", { d: "M0-9 2.6-2.9 9-2.6 4-1.4 5.6 7.6 0 3.4-5.6 7.6-4 1.4-9-2.6-2.6-2.9Z", fill: "#000000" });
    const [from, reference] = [svg("circle", { r: 7, fill: "none", stroke: "#1F2933", "stroke-width": 1.5 }), svg("circle", { r: 4, fill: "#8A9199" })];
    const triangle = svg(
      "svg",
      { viewBox: "0 0 320 282", tabindex: 0, role: "application", "aria-label": "策略的三角形：点一处，或按方向键，就从那里出发" },
      svg("polygon", { points: points(CORNERS), fill: "#F7F9FB", stroke: "#8A9199" }),
      ...names.map((name, i) => label(`${name}（r = ${String(given.reward[i]).replace("-", "−")}）`, CORNERS[i][0] + [0, 26, -26][i], CORNERS[i][1] + [-10, 18, 18][i])),
      towards,
      moving,
      reference,
      from,
      star,
    );
    const X = (step) => CURVE.left + ((CURVE.right - CURVE.left) * step) / steps;
    const Y = (value) => CURVE.bottom - ((CURVE.bottom - CURVE.top) * (Math.min(Math.max(Math.log10(value), LOW), HIGH) - LOW)) / (HIGH - LOW);
    const marks = [0, -1, -2, -3, -4, -5].flatMap((power) => [
      svg("line", { x1: CURVE.left, x2: CURVE.right, y1: Y(10 ** power), y2: Y(10 ** power), stroke: power === -3 ? "#1F2933" : "#E1E5EA", "stroke-dasharray": power === -3 ? "5 4" : "" }),
      label(["1", "0.1", "0.01", "0.001", "10⁻⁴", "≤10⁻⁵"][-power], CURVE.left - 6, Y(10 ** power) + 4, "end"),
    ]);
    const curves = svg("g");
    const curve = svg("svg", { viewBox: "0 0 320 230", role: "img" }, ...marks, label("0", X(0), 214), label(`${steps} 步`, X(steps), 214, "end"), curves);
    const body = node("tbody");
    const table = node("table", {}, node("thead", {}, node("tr", {}, ...["方法", "KL(π‖π*)", "最后四分之一的均值"].map((text) => node("th", { scope: "col" }, text)))), body);
    const told = node("p", { "aria-live": "polite" });

    let paths = [];
    const train = () => {
      halt();
      const best = bestOf(world);
      paths = methods.map(({ method }) => {
        const tally = { of: 0, cut: 0 };
        const policies = path(method, world, settings, steps, start, randomNumbers(seed), tally);
        const lacks = policies.map((policy) => (policy.every(Number.isFinite) ? kl(policy, best) : Infinity));
        const burst = lacks.indexOf(Infinity); // the step at which its logits are no numbers any more, or -1
        return { policies: policies.slice(0, burst < 0 ? undefined : burst), lacks, burst, tally };
      });
      towards.setAttribute("points", points(ratios(0.05, 50, 40).map((beta) => place(bestOf({ ...world, beta }).map(Math.exp)))));
      const move = (made, policy) => made.setAttribute("transform", `translate(${place(policy.map(Math.exp)).map((x) => x.toFixed(1)).join(" ")})`);
      move(star, best);
      move(from, start);
      move(reference, world.reference);
      draw();
    };
    const draw = () => {
      at.set(shown);
      run.textContent = timer === null ? "▶ 运行" : "■ 停";
      const seen = methods.map((each, i) => ({ ...each, ...paths[i] })).filter(({ method }) => !hidden.has(method));
      const line = (colour, dash, places) => svg("polyline", { points: points(places), fill: "none", stroke: colour, "stroke-width": 1.6, "stroke-linejoin": "round", "stroke-dasharray": dash });
      moving.replaceChildren(
        ...seen.flatMap(({ colour, dash, policies }) => {
          const places = policies.slice(0, shown + 1).map((policy) => place(policy.map(Math.exp)));
          const [cx, cy] = places.at(-1);
          return [line(colour, dash, places), svg("circle", { cx, cy, r: 5, fill: colour, stroke: "#FFFFFF" })];
        }),
      );
      curves.replaceChildren(...seen.map(({ colour, dash, lacks, policies }) => line(colour, dash, lacks.slice(0, Math.min(shown + 1, policies.length)).map((value, step) => [X(step), Y(value)]))));
      body.replaceChildren(
        ...methods.flatMap(({ method, name, colour }, i) => {
          const { lacks, policies, burst } = paths[i];
          const tail = meanOf(lacks.slice(-Math.ceil(steps / 4)));
          const reached = tail < 0.001;
          const fallen = policies.at(-1).findIndex((p) => p > -0.001);
          const reasons = [
            ...(burst < 0 ? [] : [`第 ${burst} 步起数值溢出，学习率太大`]),
            ...(fallen < 0 ? [] : [`塌到了「${names[fallen]}」：抽来抽去都是它，分不出好坏`]),
            ...causes(method, settings, names),
          ];
          const why = node("tr", {}, node("td", { colspan: 3, class: "course-widget-why" }, `拦着它的：${reasons.join("；") || "步数不够，或学习率太大"}。`));
          const input = node("input", { type: "checkbox", "aria-label": `画 ${name}` });
          input.checked = !hidden.has(method);
          input.addEventListener("change", () => {
            hidden[input.checked ? "delete" : "add"](method);
            draw();
            body.querySelectorAll("input")[i].focus();
          });
          const key = node("b");
          key.style.background = colour;
          const line = node(
            "tr",
            {},
            node("th", { scope: "row" }, node("label", { class: "course-widget-choice" }, input, key, name)),
            node("td", {}, written(lacks[shown])),
            node("td", {}, burst < 0 ? `${written(tail)}，${reached ? "到了" : "没到"}` : "散了"),
          );
          return reached ? [line] : [line, why];
        }),
      );
      const list = methods.map(({ name }, i) => `${name} ${written(paths[i].lacks[shown])}`).join("，");
      curve.setAttribute("aria-label", `第 ${shown} 步，到 π* 的 KL：${list}`);
      const cut = methods.map(({ name }, i) => [name, paths[i].tally]).filter(([, { of }]) => of).map(([name, { of, cut }]) => `${name} ${((100 * cut) / of).toFixed(1)}%`);
      const clip = settings.clip === null ? "不剪。" : `ε = ${settings.clip}，剪掉的梯度占 ${cut.join("，")}。`;
      if (timer === null) told.textContent = `π* = ${bestOf(world).map((p, i) => `${names[i]} ${Math.exp(p).toFixed(3)}`).join("，")}。虚线是 β 从小到大时 π* 走的路；「到了」指 KL 小于 0.001。${cut.length ? clip : ""}${has("PPO") ? "PPO 的评论家在这里就是精确的均值。" : ""}${has("DPO") ? "DPO 一步看全部偏好对，回答是参考策略写的。" : ""}`;
    };

    // ---- running
    const halt = () => {
      clearTimeout(timer);
      timer = null;
    };
    const beat = () => {
      shown = prefersStillness() ? steps : Math.min(steps, shown + Math.ceil(steps / 150));
      timer = shown < steps ? setTimeout(beat, 40) : null;
      draw();
    };
    run.addEventListener("click", () => {
      if (timer !== null) {
        halt();
        draw();
        return;
      }
      if (shown >= steps) shown = 0;
      beat();
    });
    luck.addEventListener("click", () => {
      seed += 1;
      train();
    });
    const begin = (probs) => {
      start = probs.map(Math.log);
      train();
    };
    home.addEventListener("click", () => {
      start = world.reference;
      train();
    });
    triangle.addEventListener("pointerdown", (event) => {
      const { left, top, width } = triangle.getBoundingClientRect();
      begin(probsAt(...[event.clientX - left, event.clientY - top].map((x) => (x * 320) / width)));
    });
    const MOVES = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] };
    triangle.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      begin(probsAt(...place(start.map(Math.exp)).map((x, axis) => x + move[axis])));
    });

    root.append(
      node("div", { class: "course-widget-turned" }, ...knobs),
      node("div", { class: "course-widget-controls" }, run, at.field, luck, home),
      node("div", { class: "course-widget-card course-widget-world" }, node("div", {}, triangle, node("p", {}, "★ 是 π*，灰点是参考策略，圈是出发的地方：点一处，就从那里出发。")), node("div", {}, node("p", {}, "到 π* 的 KL（对数刻度）"), curve), node("div", { class: "course-widget-reached" }, table, told)),
    );
    train();
    return halt;
  },
};
