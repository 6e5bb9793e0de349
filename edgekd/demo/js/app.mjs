// The page: golden vectors first, then photos and camera frames, one after another.
import { decide } from '../../js/decision.mjs';
import { decode } from '../../js/decode.mjs';
import { platform } from '../../js/platform_browser.mjs';
import { toInput } from '../../js/preprocess.mjs';
import { assetJson } from './assets.mjs';
import { hasCamera, openCamera } from './camera.mjs';
import { checkGolden } from './golden.mjs';
import { openModel } from './runtime.mjs';
import {
  describeRule, showAnswer, showGolden, showGoldenProgress, showInput, showProblem, showTimes,
} from './view.mjs';

const REPEAT_MS = 40;
const REPEAT_MOST = 200;
const FRAMES = 30;
const element = (id) => document.getElementById(id);
const config = JSON.parse(element('config').textContent);
let model = null;
let closeCamera = null;
let photoUrl = null;
let work = Promise.resolve();

/** One piece of work at a time, in the order they came. */
function enqueue(task) {
  work = work.then(task).catch((error) => showProblem(error.message));
  return work;
}

/** A clock of a browser has steps of 0.1 ms or more, so a run is timed many times. */
async function timeModel(tensor) {
  const start = performance.now();
  let runs = 0;
  while (runs < REPEAT_MOST && performance.now() - start < REPEAT_MS) {
    await model.run(tensor);
    runs += 1;
  }
  return { model: (performance.now() - start) / runs, note: `mean of ${runs} run${runs === 1 ? '' : 's'}` };
}

/** Shows the answer; gives the milliseconds that the model took. */
async function answer(tensor) {
  const start = performance.now();
  const row = await model.run(tensor);
  const took = performance.now() - start;
  showAnswer(decide(config.decision, row, config.labels), row, config);
  showInput(tensor, config.preprocessing);
  return took;
}

function showPhoto(file) {
  if (photoUrl) URL.revokeObjectURL(photoUrl);
  photoUrl = URL.createObjectURL(file);
  Object.assign(element('photo'), { src: photoUrl, alt: `The photo ${file.name}`, hidden: false });
  element('hint').hidden = true;
}

async function takePhoto(file) {
  stopCamera();
  showProblem('');
  const start = performance.now();
  let tensor;
  try {
    const image = await decode(new Uint8Array(await file.arrayBuffer()), platform);
    tensor = toInput(image, config.preprocessing);
  } catch (error) {
    const isDamaged = error instanceof TypeError || error instanceof RangeError;
    const reason = isDamaged ? 'it is damaged' : String(error.message).replace(/^unsupported: /, '').replace(/\.$/, '');
    throw new Error(`${file.name} cannot be read here: ${reason}. Give a JPEG, PNG, WEBP, GIF or BMP.`);
  }
  const input = performance.now() - start;
  showPhoto(file);
  await answer(tensor);
  showTimes({ ...(await timeModel(tensor)), input });
}

function frameTaker() {
  const recent = [];
  return (pixels) => enqueue(async () => {
    if (!closeCamera) return;
    const start = performance.now();
    const tensor = toInput(pixels, config.preprocessing);
    const input = performance.now() - start;
    recent.push({ input, model: await answer(tensor) });
    if (recent.length > FRAMES) recent.shift();
    const mean = (name) => recent.reduce((sum, frame) => sum + frame[name], 0) / recent.length;
    showTimes({ model: mean('model'), input: mean('input'), note: `mean of ${recent.length} frames` });
  });
}

function stopCamera() {
  closeCamera?.();
  closeCamera = null;
  element('video').hidden = true;
  element('camera').textContent = 'Open the camera';
}

async function startCamera() {
  showProblem('');
  element('camera').disabled = true;
  try {
    const take = frameTaker();
    closeCamera = await openCamera(element('video'), (pixels) => take(pixels));
    element('video').hidden = false;
    element('photo').hidden = true;
    element('hint').hidden = true;
    element('camera').textContent = 'Close the camera';
  } catch (error) {
    stopCamera();
    showProblem(`The camera does not open: ${error.message}. Allow it in the browser, or choose a photo.`);
  } finally {
    element('camera').disabled = false;
  }
}

function toggleCamera() {
  if (closeCamera) stopCamera();
  else if (hasCamera()) startCamera();
  else showProblem('This browser gives no camera to a page that is opened in this way. Choose a photo instead.');
}

function listen() {
  const takeFirst = (files) => files?.[0] && enqueue(() => takePhoto(files[0]));
  element('file').addEventListener('change', (event) => {
    takeFirst([...event.target.files]);
    event.target.value = ''; // so that the same photo can be chosen again
  });
  element('camera').addEventListener('click', toggleCamera);
  document.addEventListener('paste', (event) => takeFirst(event.clipboardData.files));
  const highlight = (on) => element('drop').classList.toggle('over', on);
  document.addEventListener('dragover', (event) => { event.preventDefault(); highlight(true); });
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) highlight(false); });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    highlight(false);
    takeFirst(event.dataTransfer.files);
  });
}

async function start() {
  element('rule').textContent = describeRule(config.decision);
  const vectors = await assetJson('golden');
  model = await openModel(config);
  listen();
  for (const id of ['file', 'camera']) element(id).disabled = false;
  const check = enqueue(async () => {
    showGolden(await checkGolden(vectors, model, config, platform, showGoldenProgress));
  });
  await check;
  document.documentElement.dataset.state = 'ready';
}

start().catch((error) => {
  document.documentElement.dataset.state = 'failed';
  element('golden').dataset.state = 'different';
  element('golden-line').textContent = 'The model does not start in this browser';
  showProblem(`The model does not start in this browser: ${error.message}`);
});
