// What reveal.js leaves to a deck: slides that fit, on the screen and on paper, and a speaker's window in the course's
// font. `?print-pdf` lays every slide on a page of its own, `?print-pdf&showNotes=separate-page` the notes after it.
'use strict';
const WIDTH = 1280, HEIGHT = 720;
const printing = /print-pdf/i.test(location.search);

const PICTURE = '.course-figure, .course-widget';
const READABLE = 0.935;  // figures are drawn in 12 pt at 120 dots an inch: from this scale on they show 14 pt or more
const SIZES = [27, 25, 23, 21, 20];  // px of the text

// Put the picture of a slide and the words around it into one row; returns whether they can stand beside each other.
function group(slide) {
  const laid = slide.querySelector(':scope > .row');  // a slide is fitted anew when its guess is opened
  if (laid) return laid.children.length > 1;
  const pictures = [...slide.children].filter((cell) => cell.querySelector(PICTURE));
  if (pictures.length !== 1) return false;
  const title = slide.firstElementChild.querySelector('h1, h2, h3');
  if (title) slide.prepend(title);
  const row = document.createElement('div');
  row.className = 'row';
  pictures[0].before(row);
  row.append(pictures[0]);
  const isWords = (cell) => cell && cell !== title && !cell.matches('aside') &&
    !cell.querySelector('pre, table, img, svg, mjx-container[display="true"]');
  while (isWords(row.previousElementSibling)) row.prepend(row.previousElementSibling);
  while (isWords(row.nextElementSibling)) row.append(row.nextElementSibling);
  pictures[0].classList.add('row-picture');
  return row.children.length > 1;
}

// Lay a slide out: the largest text at which it fits and its pictures are readable, the words above and below the
// picture or beside it. Where nothing is readable, what shows the picture largest; where nothing fits, the code goes whose
// output the slide shows, and if that does not help, the slide scrolls on the screen and is scaled on paper.
function fit(slide) {
  if (!slide || slide.dataset.fitted) return;
  slide.dataset.fitted = 'true';
  const images = [...slide.querySelectorAll('.course-figure img, .course-widget img')];
  const tooLarge = () => slide.scrollHeight > slide.clientHeight || slide.scrollWidth > slide.clientWidth;
  const apply = ({ size, words, height }) => {
    slide.classList.toggle('dense', size < SIZES[0]);
    slide.classList.toggle('beside', Boolean(words));
    slide.style.fontSize = size + 'px';
    slide.style.setProperty('--words', words);
    slide.style.setProperty('--picture-height', height + 'px');
  };
  const scale = () => Math.min(...images.map((image) =>  // Infinity without pictures
    Math.min(image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight)));
  // the tallest pictures with which the slide fits, null if it does not
  const tallest = (size, words) => {
    const fits = (height) => { apply({ size, words, height }); return !tooLarge(); };
    let low = 200, high = images.length ? 600 : 200;
    if (!fits(low)) return null;
    while (high - low >= 20) {
      const middle = (low + high) / 2;
      if (fits(middle)) low = middle; else high = middle;
    }
    return low;
  };
  const layouts = group(slide) ? ['', '21em', '15em'] : [''];
  const choose = () => {
    let best = null;
    for (const [size, words] of SIZES.flatMap((size) => layouts.map((words) => [size, words]))) {
      const height = tallest(size, words);
      if (height === null) continue;
      apply({ size, words, height });
      const shown = scale();
      if (!best || shown > 1.1 * best.shown) best = { size, words, height, shown };
      if (best.shown >= READABLE) break;
    }
    return best;
  };
  slide.classList.remove('outputs-only');
  let best = choose();
  if (!best) {
    slide.classList.add('outputs-only');
    best = choose();
  }
  apply(best || { size: 20, words: '', height: 200 });
  for (let zoom = 0.95; printing && tooLarge() && zoom > 0.3; zoom -= 0.05) {
    Object.assign(slide.style, { zoom, width: WIDTH / zoom + 'px', height: HEIGHT / zoom + 'px' });
  }
  // no empty band around a picture that is as wide as it can be
  const drawn = Math.max(0, ...images.map((image) => image.clientWidth * image.naturalHeight / image.naturalWidth));
  if (best && drawn && drawn < best.height) slide.style.setProperty('--picture-height', Math.ceil(drawn) + 'px');
}

// Formulae are set, their fonts and those of the text loaded (which begins with a layout), pictures decoded.
async function ready(slide) {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await new Promise(requestAnimationFrame);
  if (document.body.offsetHeight) await document.fonts.ready;
  await Promise.all([...slide.querySelectorAll('img')].map((image) => image.decode().catch(() => {})));
}

async function fitCurrent() {
  const slide = Reveal.getCurrentSlide();
  await ready(slide);
  if (slide === Reveal.getCurrentSlide()) fit(slide);
}

async function fitPages() {
  await ready(document);
  document.querySelectorAll('.pdf-page > section').forEach(fit);
  document.documentElement.dataset.printable = 'true';
  const button = document.createElement('button');
  button.className = 'print-now';
  button.textContent = '打印，或另存为 PDF';
  button.onclick = () => window.print();
  document.body.append(button);
}

// The speaker's window is written by reveal.js, in Helvetica: it gets the course's style, and that of the formulae.
function dress(popup) {
  if (popup.document.querySelector('link')) return;
  const look = popup.document.createElement('link');
  look.rel = 'stylesheet';
  look.href = document.querySelector('link[href$="course.css"]').href;
  const style = popup.document.createElement('style');
  const formulae = document.getElementById('MJX-CHTML-styles');
  const rules = formulae ? [...formulae.sheet.cssRules].map((rule) => rule.cssText) : [];
  style.textContent = 'body { font-family: var(--course-sans); }' + rules.join('\n');
  popup.document.head.append(look, style);
}

// the course's title stands before the number of each slide
document.documentElement.style.setProperty('--deck-title', JSON.stringify(document.querySelector('h1').textContent));
window.addEventListener('message', ({ data, source }) => {
  if (typeof data === 'string' && data.includes('reveal-notes') && data.includes('"connected"')) dress(source);
});
if (!printing) window.addEventListener('load', () => { fitCurrent(); Reveal.on('slidechanged', fitCurrent); });
Reveal.on('pdf-ready', fitPages);
Reveal.initialize({
  width: WIDTH, height: HEIGHT, margin: 0.03, center: false, hash: true, slideNumber: 'c/t', controlsLayout: 'edges',
  navigationMode: 'linear', transition: 'none', backgroundTransition: 'none', pdfMaxPagesPerSlide: 1,
  pdfSeparateFragments: false,
  plugins: [RevealNotes],
  keyboardCondition: (event) => !(event.target.closest && event.target.closest('.course-widget'))
});
