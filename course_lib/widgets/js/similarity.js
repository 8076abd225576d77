// N pictures and N captions: similarities, both softmaxes, and the gradients of CLIP's and SigLIP's losses, cell by cell.

const OWN_STYLE = `
.course-widget-card.course-widget-pairs { width: 100%; padding: .8em; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19em, 100%), 1fr)); gap: 1em 1.6em; }
.course-widget-matrix { display: grid; gap: 2px; align-content: start; max-width: 30em; }
.course-widget-matrix img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; margin: 0; background: #FFFFFF; }
.course-widget-matrix span { font-size: .85em; text-align: center; align-self: end; font-variant-numeric: tabular-nums; }
.course-widget-box button.course-widget-pair { min-width: 0; min-height: 0; padding: 0; aspect-ratio: 1; border: 1px solid #C3CBD3; border-radius: .15em; font-size: .7em; line-height: 1; overflow: hidden; white-space: nowrap; font-variant-numeric: tabular-nums; }
.course-widget-box button.course-widget-pair.course-widget-own { border: 2px solid #1F2933; }
.course-widget-box button.course-widget-pair[aria-pressed=true] { outline: 3px solid #EA1F8D; outline-offset: 0; position: relative; }
.course-widget-pairs ol { margin: .4em 0 0; padding-left: 1.6em; font-size: .88em; line-height: 1.5; }
.course-widget-pairs table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .3em 0; font-size: .92em; }
.course-widget-pairs td { padding: .1em .8em .1em 0; border: 0; text-align: left; background: transparent; color: inherit; }
.course-widget-pairs td:last-child { text-align: right; white-space: nowrap; padding-right: 0; }
.course-widget-pairs p { margin: .3em 0; font-size: .92em; line-height: 1.5; }
.course-widget-asked { display: flex; gap: .8em; align-items: center; font-weight: 600; }
.course-widget-asked img { width: 4em; height: 4em; object-fit: contain; image-rendering: pixelated; margin: 0; }
.course-widget-on-slide .course-widget-matrix { max-width: 25em; }
.course-widget-on-slide .course-widget-matrix img, .course-widget-on-slide button.course-widget-pair { aspect-ratio: 9 / 5; }
.course-widget-on-slide .course-widget-matrix span, .course-widget-on-slide button.course-widget-pair { font-size: .86em; }
.course-widget-on-slide .course-widget-pairs ol { display: none; }
`;

// ---- the mathematics, compared with foundations/contrastive.py by tests/widgets/test_similarity.py

const transposed = (z) => z[0].map((_, j) => z.map((row) => row[j]));
const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length;
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const yes = (i, j) => (i === j ? 1 : 0);

// CLIP: each row's and each column's softmax, the gradient of the loss by each logit, and the loss.
function clipParts(z) {
  const rows = z.map((row) => softmax(row));
  const columns = transposed(transposed(z).map((column) => softmax(column)));
  const gradient = z.map((row, i) => row.map((_, j) => (rows[i][j] + columns[i][j] - 2 * yes(i, j)) / (2 * z.length)));
  const lacks = (each) => mean(each.map((logits, i) => Math.log(logits.reduce((sum, x) => sum + Math.exp(x - logits[i]), 0))));
  return { rows, columns, gradient, loss: (lacks(z) + lacks(transposed(z))) / 2 };
}

// SigLIP: each cell's own yes or no.
function sigmoidParts(z) {
  const probs = z.map((row) => row.map((x) => 1 / (1 + Math.exp(-x))));
  const gradient = probs.map((row, i) => row.map((p, j) => (p - yes(i, j)) / z.length));
  const loss = z.reduce((sum, row, i) => sum + row.reduce((part, x, j) => part + softplus(i === j ? -x : x), 0), 0) / z.length;
  return { probs, gradient, loss };
}

// The matrix as it would be if pair `to` were pair `from` once more.
function doubled(s, from, to) {
  const who = s.map((_, i) => (i === to ? from : i));
  return who.map((i) => who.map((j) => s[i][j]));
}

const digits3 = (value) => {
  const text = Math.abs(value) >= 0.0005 || value === 0 ? value.toFixed(3) : value.toExponential(1);
  return text.replace("-", "−");
};
// No deeper than dark letters stay readable on.
const warm = (share) => `rgba(9, 97, 196, ${(0.55 * share).toFixed(3)})`;
const cold = (share) => `rgba(200, 16, 46, ${(0.55 * share).toFixed(3)})`;

const times = (factor, matrix) => matrix.map((each) => each.map((value) => factor * value));

// Name, cells, and the largest number that a cell can hold: the colours' scale, the same for every τ.
const VIEWS = [
  ["相似度 s", ({ s }) => s, 1],
  ["按行 softmax", ({ clip }) => clip.rows, 1],
  ["按列 softmax", ({ clip }) => clip.columns, 1],
  ["CLIP 的梯度 × 2N", ({ s, clip }) => times(2 * s.length, clip.gradient), 2],
  ["sigmoid", ({ sigmoid }) => sigmoid.probs, 1],
  ["sigmoid 的梯度 × N", ({ s, sigmoid }) => times(s.length, sigmoid.gradient), 1],
];
const isPairwise = (name) => name.startsWith("sigmoid");

export default {
  maths: { clipParts, sigmoidParts, doubled, VIEWS },
  render({ model, el }) {
    const root = box(el, "similarity", STYLE + OWN_STYLE);
    const [given, pictures, texts, again] = ["similarities", "pictures", "texts", "again"].map((key) => model.get(key));
    const N = given.length;
    const group = `course-widget-${Math.random().toString(36).slice(2)}`;
    const pairwise = model.get("pairwise");
    const views = VIEWS.filter(([name]) => pairwise || !isPairwise(name));
    let [view, tau, bias, twice, row, column] = [views.findIndex(([name]) => name === model.get("view")), model.get("tau"), model.get("bias"), false, 0, 0];
    const from = (i) => (twice && i === again[1] ? again[0] : i);
    const parts = () => {
      const s = twice ? doubled(given, ...again) : given;
      const z = s.map((each) => each.map((value) => value / tau));
      return { s, z, clip: clipParts(z), sigmoid: sigmoidParts(z.map((each) => each.map((value) => value + bias))) };
    };

    const choices = node("fieldset", { class: "course-widget-knob" }, node("legend", { class: "course-widget-label" }, "格子里是"));
    views.forEach(([name], i) => {
      const input = node("input", { type: "radio", name: group });
      input.checked = i === view;
      input.addEventListener("change", () => {
        view = i;
        show();
      });
      choices.append(node("label", { class: "course-widget-choice" }, input, name));
    });
    const STEPS = 60; // τ from 0.01 to 1, equal ratios
    const tauOf = (step) => 10 ** (-2 + (2 * step) / STEPS);
    const warmth = slider({ label: "τ", max: STEPS, value: Math.round((STEPS * (Math.log10(tau) + 2)) / 2), text: (i) => tauOf(i).toFixed(3), changed: (i) => {
      tau = tauOf(i);
      show();
    } });
    const lean = slider({ label: "sigmoid 的偏置 b", min: -20, max: 0, step: 0.5, value: bias, text: (b) => b.toFixed(1).replace("-", "−"), changed: (b) => {
      bias = b;
      show();
    } });
    const copy = node("input", { type: "checkbox" });
    copy.addEventListener("change", () => {
      twice = copy.checked;
      if (twice) [row, column] = again;
      show();
    });
    const copying = node("label", { class: "course-widget-choice" }, copy, `假负样本：第 ${again[1] + 1} 对换成第 ${again[0] + 1} 对`);

    const matrix = node("div", { class: "course-widget-matrix", role: "group", "aria-label": "行是图，列是句；方向键走格子" });
    matrix.style.gridTemplateColumns = `repeat(${N + 1}, minmax(0, 1fr))`;
    const [thumbs, cells] = [[], []];
    matrix.append(node("span", {}, "图＼句"), ...texts.map((_, j) => node("span", {}, String(j + 1))));
    given.forEach((_, i) => {
      thumbs.push(node("img", { alt: `第 ${i + 1} 张图` }));
      matrix.append(thumbs[i]);
      cells.push(
        texts.map((_, j) => {
          const cell = node("button", { type: "button", class: `course-widget-pair${i === j ? " course-widget-own" : ""}` });
          cell.addEventListener("click", () => {
            [row, column] = [i, j];
            show();
          });
          matrix.append(cell);
          return cell;
        }),
      );
    });
    const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    matrix.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      [row, column] = [row + move[0], column + move[1]].map((at) => Math.min(Math.max(at, 0), N - 1));
      show();
      cells[row][column].focus();
    });
    const list = node("ol", {}, ...texts.map(() => node("li")));
    const asked = node("div", { class: "course-widget-asked" });
    const table = node("table", {}, node("tbody"));
    const verdict = node("p", { "aria-live": "polite" });
    const losses = node("p");

    const show = () => {
      const now = parts();
      const [name, cellsOf, most] = views[view];
      const values = cellsOf(now);
      thumbs.forEach((thumb, i) => (thumb.src = pictures[from(i)]));
      list.querySelectorAll("li").forEach((line, j) => (line.textContent = texts[from(j)]));
      cells.forEach((each, i) =>
        each.forEach((cell, j) => {
          const value = values[i][j];
          cell.style.background = (value < 0 ? cold : warm)(Math.abs(value) / most);
          cell.textContent = value.toFixed(2).replace("-", "−").replace(/^(−?)0\./, "$1.");
          cell.setAttribute("aria-label", `图 ${i + 1}，句 ${j + 1}：${name} ${digits3(value)}`);
          cell.setAttribute("aria-pressed", String(i === row && j === column));
          cell.tabIndex = i === row && j === column ? 0 : -1;
        }),
      );
      const shown = node("img", { alt: `第 ${row + 1} 张图` });
      shown.src = pictures[from(row)];
      asked.replaceChildren(shown, node("span", {}, `第 ${row + 1} 张图，第 ${column + 1} 句：${texts[from(column)]}`));
      const at = (m) => digits3(m[row][column]);
      const lines = [
        ["相似度 s", at(now.s)],
        ["分数 z = s / τ", at(now.z)],
        ["按行：这张图选这一句", at(now.clip.rows)],
        ["按列：这一句选这张图", at(now.clip.columns)],
        ["CLIP 的梯度 ∂L/∂z", at(now.clip.gradient)],
        ...(pairwise
          ? [
              ["sigmoid(z + b)：是不是一对", at(now.sigmoid.probs)],
              ["sigmoid 的梯度 ∂L/∂z", at(now.sigmoid.gradient)],
            ]
          : []),
      ];
      table.firstChild.replaceChildren(...lines.map(([name, value]) => node("tr", {}, node("td", {}, name), node("td", {}, value))));
      const same = from(row) === from(column);
      verdict.textContent = row === column ? "正样本：梯度是负的，下降一步，分数涨。" : same ? "假负样本：这句说的就是这张图，可它不在对角线上，照样被当负样本推开。" : "负样本：梯度是正的，下降一步，分数跌。";
      losses.textContent = `整批的损失：CLIP ${now.clip.loss.toFixed(3)}（全猜一样是 ln ${N} = ${Math.log(N).toFixed(3)}）${pairwise ? `，sigmoid ${now.sigmoid.loss.toFixed(3)}` : ""}。`;
    };

    root.append(
      node("div", { class: "course-widget-controls" }, choices, warmth.field, ...(pairwise ? [lean.field] : []), copying),
      node("div", { class: "course-widget-card course-widget-pairs" }, node("div", {}, matrix, list), node("div", {}, asked, table, verdict, losses)),
    );
    show();
  },
};
