// CLIP at work in the page: the reader puts a thing into a picture and writes captions, and the model ranks them. Before
// 运行 it shows what the course's own code computed (`still`); after it, what net_vision.js computes.

const OWN_STYLE = `
.course-widget-live-clip button.course-widget-main { background: #0961C4; border-color: #0961C4; color: #FFFFFF; font-weight: 600; min-width: 6em; }
.course-widget-card.course-widget-matching { width: 100%; padding: .8em; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17em, 100%), 1fr)); gap: 1em 1.4em; }
.course-widget-matching canvas { display: block; width: 100%; max-width: 12em; height: auto; border: 1px solid #C3CBD3; border-radius: .3em; image-rendering: pixelated; }
.course-widget-matching textarea { display: block; width: 100%; min-height: 8.5em; font: inherit; color: inherit; background: #FFFFFF; border: 1px solid #5F6B76; border-radius: .4em; padding: .3em .5em; line-height: 1.6; resize: vertical; }
.course-widget-matching label { display: block; font-weight: 600; }
.course-widget-matching label textarea { font-weight: 400; }
.course-widget-matching p { margin: .3em 0 0; font-size: .88em; line-height: 1.5; color: #4F5B67; }
.course-widget-ranked { grid-column: 1 / -1; min-height: 9em; }
.course-widget-caption { margin: .2em 0; line-height: 1.45; overflow-wrap: anywhere; }
.course-widget-caption small { font-size: .88em; font-variant-numeric: tabular-nums; color: #4F5B67; white-space: nowrap; margin-left: .6em; }
.course-widget-caption i { display: block; height: .55em; min-width: 1px; background: #0961C4; border-radius: 0 .2em .2em 0; }
.course-widget-clip-status { margin: .4em 0 0; min-height: 3em; font-size: .92em; }
.course-widget-on-slide .course-widget-matching { gap: .5em 1.4em; padding: .4em .8em; }
.course-widget-on-slide .course-widget-matching textarea { min-height: 7.6em; line-height: 1.4; }
.course-widget-on-slide .course-widget-matching canvas { max-width: 8em; }
.course-widget-on-slide .course-widget-matching > div > p { display: none; }
.course-widget-on-slide .course-widget-caption { line-height: 1.2; }
.course-widget-on-slide .course-widget-caption i { height: .35em; }
.course-widget-on-slide .course-widget-clip-status { min-height: 1.5em; }
.course-widget-clip-status.course-widget-wrong { padding-left: .6em; border-left: 4px solid #C8102E; }
`;

const percent = (p) => (p < 0.001 ? "<0.1%" : `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)}%`);

// A caption as tokens, start and end with it, and the words that no token says: an English word or a single character.
function readCaption(text, texts, { start, end }) {
  const words = text.toLowerCase().match(/[a-z0-9]+(?:['’-][a-z0-9]+)*|[^\sa-z0-9]/gu) ?? [];
  const ids = words.map((word) => texts.indexOf(word));
  return { ids: [...start, ...ids, end], unknown: [...new Set(words.filter((_, i) => ids[i] < 0))] };
}

// RGBA bytes of a picture -> [3 H W], -1 … 1, as data/world/render.py gives it to models.
function pixelsOf(rgba) {
  const size = rgba.length / 4;
  return Float32Array.from({ length: 3 * size }, (_, i) => rgba[4 * (i % size) + Math.floor(i / size)] / 127.5 - 1);
}

export default {
  maths: { readCaption, pixelsOf },
  render({ model, el }) {
    const root = box(el, "live_clip", STYLE + OWN_STYLE);
    root.classList.add("course-widget-live-clip");
    const [menus, chosen, size, ends, still] = ["menus", "chosen", "size", "ends", "still"].map((key) => model.get(key));
    const [height, width] = size;
    const at = [...chosen];
    let [net, timer] = [null, null];

    const run = node("button", { type: "button", class: "course-widget-main" }, "▶ 运行");
    const selects = menus.map(({ label, texts }, which) => {
      const select = node("select", {}, ...texts.map((text, i) => node("option", { value: i }, text)));
      select.value = at[which];
      select.addEventListener("change", () => {
        at[which] = Number(select.value);
        compose();
        read();
      });
      return node("label", { class: "course-widget-knob" }, node("span", { class: "course-widget-label" }, label), select);
    });
    const canvas = node("canvas", { width, height, role: "img" });
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    const captions = node("textarea", { rows: 5, spellcheck: "false", maxlength: 2000 });
    captions.value = model.get("captions");
    const ranked = node("div", { class: "course-widget-ranked" });
    const status = node("p", { class: "course-widget-clip-status", role: "status" });
    const say = (text, wrong = false) => {
      status.textContent = text;
      status.classList.toggle("course-widget-wrong", wrong);
    };

    // All pictures lie in one: a row for each colour and shape, a column for each position.
    const atlas = new Image();
    const compose = () => {
      const [colour, kind, place] = at;
      brush.drawImage(atlas, place * width, (colour * menus[1].texts.length + kind) * height, width, height, 0, 0, width, height);
      canvas.setAttribute("aria-label", `画里是：${at.map((i, which) => menus[which].texts[i]).join("，")}`);
    };
    const ready = new Promise((resolve) => (atlas.onload = resolve)).then(compose);
    atlas.src = model.get("atlas");

    const show = (results) => {
      ranked.replaceChildren(
        node("b", {}, "它觉得哪句像"),
        ...results.map(({ text, cosine, prob }) => {
          const bar = node("i");
          bar.style.width = `${100 * prob}%`;
          return node("div", { class: "course-widget-caption" }, text, node("small", {}, `余弦 ${cosine.toFixed(3).replace("-", "−")}，占 ${percent(prob)}`), bar);
        }),
      );
    };
    const rank = (lines) => {
      const seen = net.imageFeatures(pixelsOf(brush.getImageData(0, 0, width, height).data));
      const cosines = lines.map(({ ids }) => cosine(seen, net.textFeatures(ids)));
      const probs = softmax(cosines.map((each) => each * net.scale()));
      return lines.map(({ text }, i) => ({ text, cosine: cosines[i], prob: probs[i] })).sort((a, b) => b.prob - a.prob);
    };
    const read = () => {
      if (!net) return say("按运行，模型就在这一页里读这张图和这些句子。");
      const { context } = net.config.text;
      const lines = captions.value.split("\n").map((text) => text.trim()).filter(Boolean).map((text) => ({ text, ...readCaption(text, net.texts, ends) }));
      const strange = lines.filter(({ unknown }) => unknown.length);
      const long = lines.filter(({ ids, unknown }) => !unknown.length && ids.length > context);
      const good = lines.filter((line) => !strange.includes(line) && !long.includes(line));
      show(good.length ? rank(good) : []);
      const troubles = [
        ...strange.map(({ text, unknown }) => `「${text}」里有模型没学过的：${unknown.join("、")}。`),
        ...long.map(({ text, ids }) => `「${text}」占 ${ids.length} 个词元，模型最多读 ${context} 个。`),
      ];
      if (!lines.length) troubles.push("请写一句话，一行一句。");
      say(troubles.length ? `${troubles.join("")}${good.length ? "这几句没有排。" : ""}` : `温度 τ = ${(1 / net.scale()).toFixed(3)}，${good.length} 句分完 100%。换图、改句子，马上重排。`, troubles.length > 0);
    };
    const load = async () => {
      if (net) return true;
      root.setAttribute("aria-busy", "true");
      say("正在取模型的权重 …");
      try {
        const weights = await weightsOf(model);
        await ready;
        net = Object.assign(new CLIP(weights), { texts: weights.texts });
      } catch (error) {
        say(`权重取不到（${error.message}）。请检查网络，再按一次运行。`, true);
      }
      root.removeAttribute("aria-busy");
      return net !== null;
    };
    run.addEventListener("click", async () => {
      if (!root.hasAttribute("aria-busy") && (await load())) read();
    });
    captions.addEventListener("input", () => {
      clearTimeout(timer);
      if (net) timer = setTimeout(read, 250);
    });

    root.append(
      node("div", { class: "course-widget-controls" }, run, ...selects),
      node(
        "div",
        { class: "course-widget-card course-widget-matching" },
        node("div", {}, canvas, node("p", {}, `模型看到的就是这 ${height}×${width} 个像素。`)),
        node("label", {}, "句子，一行一句", captions),
        ranked,
      ),
      status,
    );
    show(still);
    say(model.get("about"));
    return () => clearTimeout(timer);
  },
};
