// RoPE as clocks: q and k turn on one plane a frequency; m and n are free; the score answers to n - m alone.

const OWN_STYLE = `
.course-widget-card.course-widget-rope { width: 100%; padding: .7em; }
.course-widget-planes { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6em, 1fr)); gap: .3em .6em; }
.course-widget-plane { text-align: center; min-width: 0; }
.course-widget-plane svg { display: block; width: 100%; max-width: 15em; margin: 0 auto; user-select: none; -webkit-user-select: none; }
.course-widget-plane p { margin: 0; font-size: .92em; font-variant-numeric: tabular-nums; line-height: 1.35; }
.course-widget-grip { cursor: grab; touch-action: none; stroke: transparent; fill: none; pointer-events: stroke; }
.course-widget-grip:active { cursor: grabbing; }
.course-widget-bar { position: relative; height: .5em; margin: .15em auto .3em; max-width: 11em; background: #E1E5EA; border-radius: .25em; overflow: hidden; }
.course-widget-bar i { position: absolute; top: 0; bottom: 0; background: #1F2933; }
.course-widget-bar::after { content: ""; position: absolute; left: calc(50% - 1px); width: 2px; top: 0; bottom: 0; background: #5F6B76; }
.course-widget-scores { display: grid; grid-template-columns: repeat(auto-fit, minmax(17em, 1fr)); gap: .3em 1em; margin: .5em 0 .3em; padding: .45em .7em; background: #F2F5F8; border-radius: .5em; }
.course-widget-scores p { margin: 0; font-variant-numeric: tabular-nums; }
.course-widget-scores b { font-size: 1.25em; margin-left: .3em; white-space: nowrap; }
.course-widget-scores sub, .course-widget-scores sup { line-height: 0; }
.course-widget-curve { position: relative; height: 6.5em; margin: .5em .4em 0; }
.course-widget-curve svg { display: block; width: 100%; height: 100%; overflow: visible; }
.course-widget-dot { position: absolute; width: .95em; height: .95em; margin: -.475em; border-radius: 50%; background: #EA1F8D; border: 2px solid #FFFFFF; pointer-events: none; }
.course-widget-axis { display: flex; justify-content: space-between; margin: 0 .4em; font-size: .92em; font-variant-numeric: tabular-nums; }
.course-widget-hint { margin: .4em 0 0; font-size: .92em; }
`;

// ---- the mathematics, compared with course_lib.foundations.rope by tests/widgets/test_rope.py

// R_position x: the pairs (x0, x1), (x2, x3), ... turned by position * freqs[i].
function rotate(x, position, freqs) {
  return freqs.flatMap((freq, i) => {
    const cos = Math.cos(position * freq);
    const sin = Math.sin(position * freq);
    return [x[2 * i] * cos - x[2 * i + 1] * sin, x[2 * i] * sin + x[2 * i + 1] * cos];
  });
}

// What each plane gives to the dot product of two vectors.
const perPlane = (a, b) => a.flatMap((_, j) => (j % 2 ? [] : [a[j] * b[j] + a[j + 1] * b[j + 1]]));
const sum = (values) => values.reduce((total, value) => total + value, 0);

// (R_m q) . (R_n k): both turned, plane by plane.
const contributions = (q, k, m, n, freqs) => perPlane(rotate(q, m, freqs), rotate(k, n, freqs));
// q . (R_{n-m} k): only the distance is used.
const relativeScore = (q, k, distance, freqs) => sum(perPlane(q, rotate(k, distance, freqs)));

// ---- drawing

const SVG = "http://www.w3.org/2000/svg";
function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  assign(made, attributes);
  made.append(...children);
  return made;
}
function assign(made, attributes) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
}
const number = (value, digits) => (Number(value.toFixed(digits)) || 0).toFixed(digits).replace("-", "−");
const signed = (value) => (Number(value.toFixed(2)) > 0 ? "+" : "") + number(value, 2);

function arrow(name, colour) {
  const line = shape("line", { x1: 0, y1: 0, stroke: colour, "stroke-width": 0.07, "stroke-linecap": "butt" });
  const head = shape("polygon", { fill: colour });
  const label = shape("text", { fill: colour, "font-size": 0.27, "font-style": "italic", "text-anchor": "middle", "dominant-baseline": "central" });
  label.textContent = name;
  const grip = shape("line", { class: "course-widget-grip", x1: 0, y1: 0, "stroke-width": 0.3 });
  const point = (x, y) => {
    const length = Math.hypot(x, y) || 1e-9;
    const [ux, uy] = [x / length, y / length];
    const size = Math.min(0.2, length);
    const [bx, by] = [x - ux * size, y - uy * size];
    assign(line, { x2: bx, y2: -by });
    assign(head, { points: `${x},${-y} ${bx - uy * size * 0.5},${-by - ux * size * 0.5} ${bx + uy * size * 0.5},${-by + ux * size * 0.5}` });
    assign(label, { x: x + ux * 0.17, y: -y - uy * 0.17 });
    assign(grip, { x2: x, y2: -y });
  };
  return { parts: [line, head, label, grip], grip, point };
}

function ghost(colour, x, y) {
  return shape("line", { x1: 0, y1: 0, x2: x, y2: -y, stroke: colour, "stroke-width": 0.035, "stroke-dasharray": "0.07 0.06", opacity: 0.6 });
}

// The plane of pair i: its circle, the unturned vectors as ghosts, the turned ones as arrows to drag.
function plane(i, state, dragged) {
  const { q, k, freqs, colors, reach } = state;
  const pair = (x) => [x[2 * i] / reach, x[2 * i + 1] / reach];
  const arrows = { q: arrow("q", colors.Q), k: arrow("k", colors.K) };
  const between = shape("path", { fill: "none", stroke: colors.ink, "stroke-width": 0.035 });
  const svg = shape(
    "svg",
    { viewBox: "-1.28 -1.28 2.56 2.56", "aria-hidden": "true" },
    shape("circle", { r: 1, fill: "none", stroke: colors.grid, "stroke-width": 0.03 }),
    shape("path", { d: "M-1 0H1M0 -1V1", stroke: colors.grid, "stroke-width": 0.02 }),
    ghost(colors.Q, ...pair(q)),
    ghost(colors.K, ...pair(k)),
    between,
    ...arrows.k.parts,
    ...arrows.q.parts,
  );
  for (const [name, { grip }] of Object.entries(arrows)) {
    grip.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      grip.setPointerCapture(event.pointerId);
      const angle = ({ clientX, clientY }) => {
        const { left, top, width, height } = svg.getBoundingClientRect();
        return Math.atan2(top + height / 2 - clientY, clientX - left - width / 2);
      };
      let before = angle(event);
      const move = (next) => {
        const turned = Math.atan2(Math.sin(angle(next) - before), Math.cos(angle(next) - before));
        before = angle(next);
        dragged(name, turned / freqs[i]);
      };
      const drop = () => grip.removeEventListener("pointermove", move);
      grip.addEventListener("pointermove", move);
      grip.addEventListener("pointerup", drop, { once: true });
      grip.addEventListener("pointercancel", drop, { once: true });
    });
  }
  const share = node("p");
  const bar = node("i");
  const title = node("p");
  title.append(`平面 ${i}：θ = ${Number(freqs[i].toPrecision(3))}`);
  const field = node("div", { class: "course-widget-plane" }, title, svg, share, node("div", { class: "course-widget-bar" }, bar));
  const update = (turnedQ, turnedK, contribution, bound) => {
    const [a, b] = [pair(turnedQ), pair(turnedK)];
    arrows.q.point(...a);
    arrows.k.point(...b);
    const from = Math.atan2(a[1], a[0]);
    const gap = Math.atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]);
    const at = (angle) => `${0.3 * Math.cos(angle)} ${-0.3 * Math.sin(angle)}`;
    assign(between, { d: `M${at(from)}A0.3 0.3 0 0 ${gap > 0 ? 0 : 1} ${at(from + gap)}` });
    share.textContent = `贡献 ${signed(contribution)}`;
    const width = (50 * Math.abs(contribution)) / bound;
    bar.style.left = `${contribution < 0 ? 50 - width : 50}%`;
    bar.style.width = `${width}%`;
  };
  return { field, update };
}

// The score at every distance, and a dot at the present one.
function curve({ q, k, freqs, colors, max_position: last }) {
  const samples = Array.from({ length: 801 }, (_, i) => {
    const distance = -last + (2 * last * i) / 800;
    return [distance, relativeScore(q, k, distance, freqs)];
  });
  const bound = Math.max(...samples.map(([, score]) => Math.abs(score))) || 1;
  const place = (distance, score) => [(100 * (distance + last)) / (2 * last), 50 - (48 * score) / bound];
  const points = samples.map((sample) => place(...sample).join(" "));
  const thin = { fill: "none", "vector-effect": "non-scaling-stroke" };
  const svg = shape(
    "svg",
    { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("path", { d: "M0 50H100M50 0V100", stroke: colors.grid, "stroke-width": 1.5, ...thin }),
    shape("path", { d: `M${points.join("L")}`, stroke: colors.ink, "stroke-width": 2, ...thin }),
  );
  const dot = node("div", { class: "course-widget-dot" });
  dot.style.background = colors.resampler;
  const field = node("div", {}, node("div", { class: "course-widget-curve" }, svg, dot));
  field.append(node("div", { class: "course-widget-axis" }, number(-last, 0), node("span", {}, "横轴：距离 n − m，纵轴：分数"), String(last)));
  const update = (distance, score) => {
    [dot.style.left, dot.style.top] = place(distance, score).map((share) => `${share}%`);
  };
  return { field, update };
}

function line(html) {
  const value = node("b");
  const text = node("p");
  text.innerHTML = html;
  text.append(value);
  return { text, value };
}

export default {
  maths: { rotate, contributions, relativeScore },
  render({ model, el }) {
    const root = box(el, "rope_rotation", STYLE + OWN_STYLE);
    const [q, k, freqs, colors] = ["q", "k", "freqs", "colors"].map((key) => model.get(key));
    const last = model.get("max_position");
    const lengths = (x) => freqs.map((_, i) => Math.hypot(x[2 * i], x[2 * i + 1]));
    const most = Math.max(...lengths(q).map((length, i) => length * lengths(k)[i]));
    const state = { q, k, freqs, colors, max_position: last, reach: Math.max(...lengths(q), ...lengths(k)) };
    const wanted = { m: model.get("m"), n: model.get("n") };
    const drawn = { ...wanted };
    const begin = { ...wanted };
    let frame = null;
    let playing = false;

    // ---- what the reader asks for
    const lock = node("input", { type: "checkbox" });
    const go = (name, position) => {
      const other = name === "m" ? "n" : "m";
      let step = position - wanted[name];
      const moving = lock.checked ? [name, other] : [name];
      for (const each of moving) step = Math.min(Math.max(step, -wanted[each]), last - wanted[each]);
      for (const each of moving) wanted[each] += step;
      for (const each of ["m", "n"]) knobs[each].set(wanted[each]);
      wake();
      return step;
    };
    const knobFor = (name, label) => {
      const knob = slider({
        label,
        max: last,
        step: 0.1,
        value: wanted[name],
        text: () => number(wanted[name], 1),
        changed: (position) => {
          rest();
          go(name, position);
        },
      });
      knob.field.querySelector("input").addEventListener("keydown", (event) => {
        const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (!way) return;
        event.preventDefault();
        rest();
        go(name, wanted[name] + way * (event.shiftKey ? 0.1 : 1));
      });
      return knob;
    };
    const knobs = { m: knobFor("m", "q 的位置 m"), n: knobFor("n", "k 的位置 n") };
    const player = node("button", { type: "button" });
    const rest = () => {
      playing = false;
      player.textContent = prefersStillness() ? "走一步" : "▶ 播放";
    };
    const advance = (step) => {
      const reached = lock.checked ? Math.max(wanted.m, wanted.n) : wanted.n;
      if (reached < last) return go("n", wanted.n + step);
      return go("n", lock.checked ? wanted.n - Math.min(wanted.m, wanted.n) : 0);
    };
    player.addEventListener("click", () => {
      if (playing) return rest();
      if (prefersStillness()) return advance(1);
      playing = true;
      player.textContent = "■ 停";
      wake();
    });
    const reset = node("button", { type: "button" }, "复位");
    reset.addEventListener("click", () => {
      rest();
      Object.assign(wanted, begin);
      for (const each of ["m", "n"]) knobs[each].set(wanted[each]);
      wake();
    });

    // ---- what the reader sees
    const planes = freqs.map((_, i) =>
      plane(i, state, (name, step) => {
        rest();
        const each = name === "q" ? "m" : "n";
        go(each, wanted[each] + step);
        drawn.m = wanted.m;
        drawn.n = wanted.n;
      }),
    );
    const trace = curve(state);
    const both = line("两个都转：(R<sub>m</sub>q)<sup>⊤</sup>(R<sub>n</sub>k) =");
    const apart = line("只用距离：q<sup>⊤</sup>R<sub>n−m</sub>k =");
    const distance = line("距离 n − m =");
    const scores = node("div", { class: "course-widget-scores" }, both.text, apart.text, distance.text);
    const stage = node("div", { class: "course-widget-planes" }, ...planes.map(({ field }) => field));
    const card = node("div", { class: "course-widget-card course-widget-rope", role: "group" }, stage, scores, trace.field);

    const draw = () => {
      const { m, n } = drawn;
      const shares = contributions(q, k, m, n, freqs);
      const score = sum(shares);
      const [turnedQ, turnedK] = [rotate(q, m, freqs), rotate(k, n, freqs)];
      planes.forEach(({ update }, i) => update(turnedQ, turnedK, shares[i], most || 1));
      trace.update(n - m, score);
      both.value.textContent = number(score, 4);
      apart.value.textContent = number(relativeScore(q, k, n - m, freqs), 4);
      distance.value.textContent = number(n - m, 1);
      card.dataset.at = `${m} ${n}`;
      card.setAttribute(
        "aria-label",
        `${freqs.length} 个平面上的 q 和 k，m = ${number(m, 1)}，n = ${number(n, 1)}，n − m = ${number(n - m, 1)}，` +
          `各平面贡献 ${shares.map(signed).join("、")}，分数 ${number(score, 4)}`,
      );
    };

    // ---- motion: what is drawn glides to what is wanted; with n - m locked both glide alike, so the score rests
    let then = null;
    const tick = (now) => {
      const seconds = then === null ? 0 : Math.min((now - then) / 1000, 0.1);
      then = now;
      if (playing) advance(2.5 * seconds);
      const left = Math.max(Math.abs(wanted.m - drawn.m), Math.abs(wanted.n - drawn.n));
      const share = prefersStillness() || left < 1e-3 ? 1 : 1 - Math.exp(-14 * seconds);
      for (const each of ["m", "n"]) drawn[each] = share === 1 ? wanted[each] : drawn[each] + share * (wanted[each] - drawn[each]);
      draw();
      frame = playing || drawn.m !== wanted.m || drawn.n !== wanted.n ? requestAnimationFrame(tick) : null;
      if (frame === null) then = null;
    };
    const wake = () => {
      if (frame === null) frame = requestAnimationFrame(tick);
    };

    rest();
    const locked = node("label", { class: "course-widget-choice" }, lock, "锁定 n − m");
    root.append(
      node("div", { class: "course-widget-controls" }, knobs.m.field, knobs.n.field, locked, player, reset),
      card,
      node("p", { class: "course-widget-hint" }, "拖滑块，或直接拖箭头。方向键一次走 1，按住 Shift 走 0.1。虚线是还没有旋转的 q 和 k。"),
    );
    draw();
    return () => {
      rest();
      cancelAnimationFrame(frame);
    };
  },
};
