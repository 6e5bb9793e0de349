// What stands on the page. Every text that is not ours becomes text, never markup.

const MOST_BARS = 10;
const element = (id) => document.getElementById(id);
const NBSP = '\u00a0';
const percent = (value) => `${(100 * value).toFixed(1)}${NBSP}%`;
/** A threshold may lie nearer to 1 than one decimal tells. */
const threshold = (value) => `${Number((100 * value).toPrecision(6))}${NBSP}%`;
const length = (value) => `${100 * value}%`;
const milliseconds = (value) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)}${NBSP}ms`;

function make(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Up to ten labels stay in their order, which keeps the bars of a camera still; of more, the most probable. */
function shownLabels(row) {
  const all = Array.from(row.keys());
  return row.length <= MOST_BARS ? all : all.sort((a, b) => row[b] - row[a] || a - b).slice(0, MOST_BARS);
}

function bar(label, value, least, chosen) {
  const item = make('li', chosen ? 'chosen' : '');
  const [track, fill] = [make('span', 'track'), make('span', 'fill')];
  fill.style.width = length(value);
  track.append(fill);
  if (least !== undefined) {
    const mark = make('span', 'mark');
    mark.style.left = length(least);
    track.append(mark);
  }
  track.setAttribute('aria-hidden', 'true');
  const name = make('span', 'label', label);
  if (chosen) name.prepend(make('span', 'tick', '✓ '));
  item.append(name, make('span', 'value', percent(value)), track);
  return item;
}

/** How the answer follows from the bars, in a sentence or two. */
export function describeRule({ task, reject_below: least, none_label: none, calibration }) {
  const sentences = [];
  if (task === 'multi-label') sentences.push('Each tag that reaches its threshold, the mark on its bar, is in the answer.');
  else sentences.push('The most probable class is the answer.');
  if (least !== undefined) sentences.push(`Below ${threshold(least)}, the mark on the bars, it is none of these.`);
  if (none !== undefined) sentences.push(`“${none}” stands for photos of none of the others.`);
  if (calibration !== undefined) sentences.push('The probabilities are calibrated.');
  return sentences.join(' ');
}

export function showAnswer(answer, row, { labels, decision }) {
  const text = answer.length ? answer.join(', ') : 'none of these';
  if (element('answer').textContent !== text) element('answer').textContent = text;
  const bars = shownLabels(row).map((i) => {
    const least = decision.task === 'multi-label' ? decision.thresholds[i] : decision.reject_below;
    return bar(labels[i], row[i], least, answer.includes(labels[i]));
  });
  element('bars').replaceChildren(...bars);
  element('more').textContent = row.length > MOST_BARS ? `The ${MOST_BARS} most probable of ${row.length} labels.` : '';
}

export function showTimes({ model, input, note }) {
  element('model-ms').textContent = milliseconds(model);
  element('model-note').textContent = note;
  element('input-ms').textContent = milliseconds(input);
}

/** Draws an input tensor, height x width x 3 bytes. */
export function showInput(tensor, { width, height }) {
  const canvas = element('seen');
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0, o = 0; i < tensor.length; i += 3, o += 4) image.data.set([tensor[i], tensor[i + 1], tensor[i + 2], 255], o);
  canvas.getContext('2d').putImageData(image, 0, 0);
  element('sees').hidden = false;
}

export function showProblem(text) {
  element('problem').textContent = text;
  element('problem').hidden = text === '';
}

export function showGoldenProgress(done, count) {
  // Not in the status itself, which a screen reader would read at each step.
  element('golden-progress').textContent = `${done} of ${count}`;
}

function list(names) {
  return names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
}

export function showGolden({ count, same, exact, replaced, inexact, different, largest }) {
  const passed = same === count;
  element('golden').dataset.state = passed ? 'same' : 'different';
  element('golden-line').textContent = `${passed ? 'Same' : 'Not the same'} answers as Python: ${same} of ${count}`;
  element('golden-progress').textContent = '';
  const facts = [`${exact} test photos become Python's input byte for byte, decoded and resized in this browser.`];
  if (replaced.length) {
    facts.push(`${replaced.length} start from Python's pixels, because this browser decodes them otherwise or not at all: ${list(replaced)}.`);
  }
  if (inexact.length) facts.push(`Another input than Python's: ${list(inexact)}.`);
  facts.push(largest === 0 ? 'Every probability is equal bit for bit.' : `Largest difference of a probability: ${largest.toPrecision(2)}.`);
  if (different.length) facts.push(`Not the same: ${list(different)}.`);
  element('golden-facts').replaceChildren(...facts.map((fact) => make('li', '', fact)));
  element('golden-details').hidden = false;
}
