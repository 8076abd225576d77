// Networks that see, from the layers of net.js: the encoder, ViT, CLIP's two towers, and what their attention adds up to.
// Pixels are a Float32Array [C, H, W]; tokens are an array of vectors. In a browser, tests hold all of it equal to
// course_lib: models/vit.py, models/clip.py, foundations/rollout.py.

// The error function, to 64 bits: 2/√π exp(-x²) Σ x (2x²)^n / (1·3·5···(2n+1)). No term is negative, so nothing cancels.
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-16 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

// x Φ(x), as ViT has it, and x σ(1.702 x), as CLIP has it.
const exactGelu = (x) => x.map((value) => 0.5 * value * (1 + erf(value / Math.SQRT2)));
const quickGelu = (x) => x.map((value) => value / (1 + Math.exp(-1.702 * value)));

// [C H W] -> N patches of C P² numbers, row by row from the upper left, the numbers of one as [C P P].
function patchify(pixels, { channels, height, width, patch: P }) {
  const patches = [];
  for (let top = 0; top < height; top += P) {
    for (let left = 0; left < width; left += P) {
      const one = new Float32Array(channels * P * P);
      let at = 0;
      for (let c = 0; c < channels; c++) for (let y = top; y < top + P; y++) for (let x = left; x < left + P; x++) one[at++] = pixels[(c * height + y) * width + x];
      patches.push(one);
    }
  }
  return patches;
}

// The class token and the patches, each with its position.
function imageTokens(pixels, config, tensors, prefix = "") {
  const { channels, height, width, d_model: D } = config;
  const wanted = channels * height * width;
  if (pixels.length !== wanted) throw new RangeError(`${pixels.length} numbers, the model reads ${channels}×${height}×${width} = ${wanted}`);
  const [weight, bias] = [tensors[`${prefix}patches.project.weight`], tensors[`${prefix}patches.project.bias`]];
  const tokens = [tensors[`${prefix}cls`], ...patchify(pixels, config).map((patch) => linear(patch, weight, bias))];
  return tokens.map((token, i) => add(token, row(tensors[`${prefix}positions`], i, D)));
}

// Tokens through all pre-norm blocks: the tokens, and attention[layer][head][query], its weights over all tokens; causal:
// over those up to itself.
function encode(tokens, { n_layers, n_heads, d_model: D }, tensors, prefix, { eps, activation, causal = false }) {
  const attention = [];
  for (let i = 0; i < n_layers; i++) {
    const both = (name) => [tensors[`${prefix}blocks.${i}.${name}.weight`], tensors[`${prefix}blocks.${i}.${name}.bias`]];
    const qkv = tokens.map((x) => linear(layerNorm(x, ...both("norm_attention"), eps), ...both("attention.to_qkv")));
    const [keys, values] = [1, 2].map((part) => qkv.map((each) => row(each, part, D)));
    const read = qkv.map((each, t) => {
      const seen = causal ? t + 1 : qkv.length;
      return attend(row(each, 0, D), keys.slice(0, seen), values.slice(0, seen), n_heads);
    });
    tokens = tokens.map((token, t) => {
      const x = add(token, linear(read[t].out, ...both("attention.to_out")));
      const hidden = activation(linear(layerNorm(x, ...both("norm_feedforward"), eps), ...both("feedforward.up")));
      return add(x, linear(hidden, ...both("feedforward.down")));
    });
    attention.push(Array.from({ length: n_heads }, (_, head) => read.map(({ weights }) => weights[head])));
  }
  return { tokens, attention };
}

// How much of each token reaches token `query` through all layers: the product of (mean of the heads + identity) / 2.
function rollout(attention, query = 0) {
  let share = attention[0][0].map((_, t) => Number(t === query));
  for (const heads of attention.slice().reverse()) {
    const next = share.map((value) => value / 2);
    for (const head of heads) head.forEach((weights, t) => weights.forEach((weight, s) => (next[s] += (share[t] * weight) / (2 * heads.length))));
    share = next;
  }
  return share;
}

class ViT {
  // config, tensors: as `unpack` gives them, under the names of course_lib/models/vit.py
  constructor({ config, tensors }) {
    Object.assign(this, { config, tensors });
  }

  // Logits of the classes (without classes: the class token's features), and attention[layer][head][query][key].
  read(pixels) {
    const { config, tensors } = this;
    const way = { eps: config.eps, activation: exactGelu };
    const { tokens, attention } = encode(imageTokens(pixels, config, tensors), config, tensors, "encoder.", way);
    const features = layerNorm(tokens[0], tensors["norm_out.weight"], tensors["norm_out.bias"], config.eps);
    return { logits: config.n_classes ? linear(features, tensors["head.weight"], tensors["head.bias"]) : features, attention };
  }
}

class CLIP {
  // under the names of course_lib/models/clip.py
  constructor({ config, tensors }) {
    Object.assign(this, { config, tensors, way: { eps: config.eps, activation: quickGelu } });
  }

  // [E], in the common space.
  imageFeatures(pixels) {
    const { config, tensors, way } = this;
    const norm = (x, name) => layerNorm(x, tensors[`image.${name}.weight`], tensors[`image.${name}.bias`], way.eps);
    const tokens = imageTokens(pixels, config.image, tensors, "image.").map((x) => norm(x, "norm_in"));
    const read = encode(tokens, config.image, tensors, "image.encoder.", way);
    return linear(norm(read.tokens[0], "norm_out"), tensors["project_image.weight"]);
  }

  // ids: the tokens of one text, its end among them.
  textFeatures(ids) {
    const { config, tensors, way } = this;
    const { context, d_model: D, n_vocab } = config.text;
    if (ids.length > context) throw new RangeError(`${ids.length} tokens, the context holds ${context}`);
    const stranger = ids.find((id) => !(id >= 0 && id < n_vocab));
    if (stranger !== undefined) throw new RangeError(`token ${stranger} is not among the ${n_vocab}`);
    const end = ids.indexOf(config.text.end ?? Math.max(...ids));
    if (end < 0) throw new RangeError(`no end token (${config.text.end}) among the ${ids.length} tokens`);
    // attention is causal: what stands after the end is never read
    const tokens = ids.slice(0, end + 1).map((id, i) => add(row(tensors["text.embedding.weight"], id, D), row(tensors["text.positions"], i, D)));
    const read = encode(tokens, config.text, tensors, "text.encoder.", { ...way, causal: true });
    const last = layerNorm(read.tokens[end], tensors["text.norm_out.weight"], tensors["text.norm_out.bias"], way.eps);
    return linear(last, tensors["project_text.weight"]);
  }

  // 1 / temperature, at most 100.
  scale() {
    return Math.min(Math.exp(this.tensors.logit_scale[0]), 100);
  }
}

// Cosine of two vectors.
function cosine(a, b) {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.max(Math.sqrt(dot(a, a) * dot(b, b)), 1e-12);
}
