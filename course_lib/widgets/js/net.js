// Networks that run in the page, with nothing but this file: the layers, GPT-2, the draw of the next token, the weights.
// A vector is a Float32Array; a matrix is one too, row after row: weight [out, in]. Sums are kept in 64 bits.
// In a browser, tests hold all of it equal to course_lib: models/gpt2.py, decoding/sampling.py.

// ---- layers

// weight x + bias: [in] -> [out]
function linear(x, weight, bias) {
  const out = new Float32Array(weight.length / x.length);
  for (let i = 0, at = 0; i < out.length; i++) {
    let sum = bias ? bias[i] : 0;
    for (let j = 0; j < x.length; j++, at++) sum += weight[at] * x[j];
    out[i] = sum;
  }
  return out;
}

// Row `i` of a table of vectors [D]: the embedding of token i, the vector of position i.
const row = (table, i, D) => table.subarray(i * D, (i + 1) * D);

const add = (a, b) => a.map((value, i) => value + b[i]);

// (x - mean) / sqrt(variance + eps) * weight + bias
function layerNorm(x, weight, bias, eps = 1e-5) {
  const mean = x.reduce((total, value) => total + value, 0) / x.length;
  const variance = x.reduce((total, value) => total + (value - mean) ** 2, 0) / x.length;
  const scale = 1 / Math.sqrt(variance + eps);
  return x.map((value, i) => (value - mean) * scale * weight[i] + bias[i]);
}

// The tanh form, as GPT-2 has it.
const gelu = (x) => x.map((value) => 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3))));

// exp(x) / sum of exp(x); where x is -Infinity it is exactly 0.
function softmax(x) {
  const largest = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = x.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

// One query [D] over S keys and S values [D], head by head: what it reads [D], and each head's S weights.
function attend(query, keys, values, nHeads) {
  const d = query.length / nHeads;
  const out = new Float32Array(query.length);
  const weights = [];
  for (let head = 0; head < nHeads; head++) {
    const from = head * d;
    const scores = new Float32Array(keys.length);
    for (let s = 0; s < keys.length; s++) {
      let sum = 0;
      for (let j = from; j < from + d; j++) sum += query[j] * keys[s][j];
      scores[s] = sum / Math.sqrt(d);
    }
    weights.push(softmax(scores));
    for (let j = from; j < from + d; j++) {
      let sum = 0;
      for (let s = 0; s < values.length; s++) sum += weights[head][s] * values[s][j];
      out[j] = sum;
    }
  }
  return { out, weights };
}

// ---- GPT-2 in the middle of a text: it reads token after token and keeps their keys and values

class GPT2 {
  // config, tensors: as `unpack` gives them, under the names of course_lib/models/gpt2.py
  constructor({ config, tensors }) {
    this.config = config;
    this.tensors = tensors;
    this.caches = Array.from({ length: config.n_layers }, () => ({ keys: [], values: [] }));
  }

  // Tokens read so far.
  get length() {
    return this.caches[0].keys.length;
  }

  // Forget all tokens but the first `length`.
  crop(length) {
    for (const cache of this.caches) cache.keys.length = cache.values.length = Math.min(length, cache.keys.length);
  }

  // Read one token: the logits of the next one [V], and attention[layer][head], this token's weights over all tokens.
  step(token) {
    const { d_model: D, n_heads, context, n_vocab } = this.config;
    const { tensors, length } = this;
    if (length >= context) throw new RangeError(`the context holds ${context} tokens, all of them read; crop first`);
    if (!(token >= 0 && token < n_vocab)) throw new RangeError(`token ${token} is not among the ${n_vocab}`);
    let x = add(row(tensors["embedding.weight"], token, D), row(tensors["positions.weight"], length, D));
    const attention = this.caches.map(({ keys, values }, i) => {
      const both = (name) => [tensors[`blocks.${i}.${name}.weight`], tensors[`blocks.${i}.${name}.bias`]];
      const qkv = linear(layerNorm(x, ...both("norm_attention")), ...both("attention.to_qkv"));
      keys.push(row(qkv, 1, D));
      values.push(row(qkv, 2, D));
      const { out, weights } = attend(row(qkv, 0, D), keys, values, n_heads);
      x = add(x, linear(out, ...both("attention.to_out")));
      const hidden = gelu(linear(layerNorm(x, ...both("norm_feedforward")), ...both("feedforward.up")));
      x = add(x, linear(hidden, ...both("feedforward.down")));
      return weights;
    });
    x = layerNorm(x, tensors["norm_out.weight"], tensors["norm_out.bias"]);
    return { logits: linear(x, tensors["embedding.weight"]), attention };
  }
}

// ---- the next token: repetition penalty, temperature, top-k, top-p, then the draw

// Logits after the knobs; -Infinity for what is never drawn. said: a Set of tokens; top_k, top_p: null keeps all.
function turnKnobs(logits, { said = new Set(), repetition_penalty = 1, temperature = 1, top_k = null, top_p = null }) {
  const largestOf = (x) => x.reduce((best, value, i) => (value > x[best] ? i : best), 0);
  let x = logits.map((value, i) => (said.has(i) ? (value > 0 ? value / repetition_penalty : value * repetition_penalty) : value));
  const first = largestOf(x);
  const largest = x[first];
  if (temperature === 0) x = x.map((value, i) => (i === first ? value : -Infinity));
  else x = x.map((value) => (value - largest) / temperature);
  if (top_k !== null && top_k < x.length) {
    const smallestKept = x.slice().sort()[x.length - top_k]; // equal ones stay, too
    x = x.map((value) => (value < smallestKept ? -Infinity : value));
  }
  if (top_p !== null && top_p < 1) {
    const probs = softmax(x);
    const order = Array.from(x.keys()).sort((a, b) => x[b] - x[a]); // stable
    let before = 0;
    for (const i of order) {
      if (before >= top_p) x[i] = -Infinity;
      before += probs[i];
    }
  }
  return x;
}

// A race: token i arrives after a time Exponential(its probability); the first to arrive is drawn.
function draw(logits, random) {
  const late = logits.map((value) => value - Math.log(-Math.log(1 - random()) + 1e-38));
  return late.reduce((best, value, i) => (value > late[best] ? i : best), 0);
}

// Numbers in [0, 1), the same for the same seed: xorshift32 (Marsaglia 2003), begun far apart for neighbouring seeds.
function randomNumbers(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) next();
  return next;
}

// ---- words

// The reader's words as tokens, the longest that fits each time; what no token says is named.
function spell(text, texts) {
  const ids = new Map(texts.map((each, id) => [each, id]));
  const longest = Math.max(...texts.map((each) => each.length));
  const [found, unknown] = [[], []];
  for (let i = 0; i < text.length; ) {
    let size = Math.min(longest, text.length - i);
    while (size > 0 && !ids.has(text.slice(i, i + size))) size -= 1;
    const next = String.fromCodePoint(text.codePointAt(i));
    if (size) found.push(ids.get(text.slice(i, i + size)));
    else if (!unknown.includes(next)) unknown.push(next);
    i += size || next.length;
  }
  return { found, unknown };
}

// ---- weights: a header {config, texts, tensors: {name: [offset, shape]}} and 16-bit floats, little end first

function fromHalf(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

// bytes: Uint8Array. The offsets count numbers, not bytes.
function unpack(header, bytes) {
  const value = Float32Array.from({ length: 2 ** 16 }, (_, bits) => fromHalf(bits));
  const all = new Float32Array(bytes.length / 2);
  for (let i = 0; i < all.length; i++) all[i] = value[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
  const tensors = {};
  for (const [name, [offset, shape]] of Object.entries(header.tensors)) {
    tensors[name] = all.subarray(offset, offset + shape.reduce((size, n) => size * n, 1));
  }
  return { ...header, tensors };
}

// A site's weights are a script beside this one: it puts { header, data } under its name, also when opened from a disk.
const HERE = globalThis.document?.currentScript?.src;
function fetchWeights(file) {
  const held = (globalThis.courseModels ||= {});
  return new Promise((resolve, reject) => {
    if (held[file]) return resolve(held[file]);
    const script = document.createElement("script");
    script.src = new URL(`models/${file}`, HERE);
    script.onload = () => resolve(held[file]);
    script.onerror = () => reject(new Error(`models/${file}`));
    document.head.append(script);
  }).then(({ header, data }) => {
    const text = atob(data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    return unpack(header, bytes);
  });
}

// The weights of a widget's model: with a kernel they come as bytes, on a page they are fetched.
async function weightsOf(model) {
  const held = model.get("weights");
  if (!held?.byteLength) return fetchWeights(model.get("file"));
  return unpack(model.get("header"), new Uint8Array(held.buffer, held.byteOffset, held.byteLength));
}
