// Boxes over a picture: where they are is told in parts of it, so that any size fits.

// Okabe and Ito's palette, brightened for dark footage; as in drawings of `argus run`.
const COLORS = ["#48baf5", "#28c880", "#faa020", "#f2e450", "#e684be", "#f06830", "#568cfa", "#bedc96", "#ffaac8", "#dcbe6e"];
const DARK_INK = new Set([0, 1, 2, 3, 4, 7, 8, 9]);
const numbers = new Map();

function colorOf(object) {
  if (object.track_id) return (object.track_id * 7) % COLORS.length;
  if (!numbers.has(object.class)) numbers.set(object.class, numbers.size);
  return numbers.get(object.class) % COLORS.length;
}

export function draw(canvas, told) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  for (const one of told) for (const object of one.objects) drawObject(pen, object, width, height, ratio);
}

function drawObject(pen, object, width, height, ratio) {
  if (!object.relative || object.relative.includes(null)) return;
  const [x1, y1, x2, y2] = object.relative.map((v, i) => v * (i % 2 ? height : width));
  const number = colorOf(object);
  pen.lineWidth = 2 * ratio;
  pen.strokeStyle = COLORS[number];
  pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
  const small = x2 - x1 < 30 * ratio;
  const id = object.track_id ? `#${object.track_id}` : "";
  const text = small ? id : `${object.class} ${id || Math.round(object.confidence * 100) + "%"}`;
  if (!text) return;
  pen.font = `600 ${11.5 * ratio}px system-ui, sans-serif`;
  const room = pen.measureText(text).width + 8 * ratio, tall = 16 * ratio;
  const left = Math.max(0, Math.min(x1 - ratio, width - room)), top = y1 - tall < 0 ? y1 : y1 - tall;
  pen.fillStyle = COLORS[number];
  pen.fillRect(left, top, room, tall);
  pen.fillStyle = DARK_INK.has(number) ? "#16181c" : "#fff";
  pen.fillText(text, left + 4 * ratio, top + tall - 4.5 * ratio);
}
