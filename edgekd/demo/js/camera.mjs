// Frames of the camera, for as long as it is open.

export function hasCamera() {
  return Boolean(navigator.mediaDevices?.getUserMedia);
}

/** RGB pixels of the frame that a video shows now, as the port takes them. */
export function framePixels(video, context) {
  const { videoWidth: width, videoHeight: height } = video;
  if (context.canvas.width !== width || context.canvas.height !== height) Object.assign(context.canvas, { width, height });
  context.drawImage(video, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; i < rgba.length; i += 4, o += 3) {
    data[o] = rgba[i];
    data[o + 1] = rgba[i + 1];
    data[o + 2] = rgba[i + 2];
  }
  return { width, height, channels: 3, data };
}

/**
 * Opens the camera that looks away from the user, and gives each frame to `take(pixels)`, one after another.
 * Returns a function that closes it.
 */
export async function openCamera(video, take) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: 'environment' } } });
  let open = true;
  video.srcObject = stream;
  await video.play();
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const next = async () => {
    if (!open) return;
    if (video.videoWidth > 0) await take(framePixels(video, context));
    if (open) requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
  return () => {
    open = false;
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}
