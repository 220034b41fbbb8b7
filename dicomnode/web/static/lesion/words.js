// Words on a picture, with a dark edge. Such letters are slow to draw, so each word is drawn once.
import { Pictures } from './slices.js';

const drawn = new Pictures(60);

// A picture of them with a quarter of `size`, in device pixels, on each side.
export function words(text, size, colour) {
  return drawn.get([text, size, colour].join(), () => {
    const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext('2d');
    const font = `600 ${size}px system-ui, sans-serif`;
    context.font = font;
    canvas.width = Math.ceil(context.measureText(text).width + size / 2);
    canvas.height = Math.ceil(1.5 * size);
    Object.assign(context, {
      font, textBaseline: 'middle', lineWidth: size / 4, lineJoin: 'round', fillStyle: colour });
    const at = [text, size / 4, canvas.height / 2];
    context.strokeText(...at);
    context.fillText(...at);
    return canvas;
  });
}
