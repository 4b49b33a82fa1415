// A worker: given the address of a film, it answers with the frames, as indices into a palette.

onmessage = async ({ data: address, ports: [port] }) => {
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.statusText);
    const film = decoded(new Uint8Array(await answer.arrayBuffer()));
    port.postMessage(film, film.frames.map((frame) => frame.indices.buffer));
  } catch (error) {
    port.postMessage(String(error));
  }
};

// A GIF as Darkroom writes it: one global palette, frames that stay in place under the next.
function decoded(bytes) {
  const short = (at) => bytes[at] | (bytes[at + 1] << 8);
  const width = short(6), height = short(8), colours = 2 << (bytes[10] & 7);
  const palette = new Uint32Array(colours);
  for (let i = 0, at = 13; i < colours; i++, at += 3) {
    palette[i] = 0xff000000 | (bytes[at + 2] << 16) | (bytes[at + 1] << 8) | bytes[at];
  }
  const frames = [];
  let at = 13 + 3 * colours, delay_ms = 100, clear = -1, canvas = new Uint8Array(width * height);
  while (bytes[at] !== 0x3b && at < bytes.length) {
    if (bytes[at] === 0x21) {
      if (bytes[at + 1] === 0xf9) {
        delay_ms = 10 * short(at + 4);
        clear = bytes[at + 3] & 1 ? bytes[at + 6] : -1;
      }
      at += 2;
      while (bytes[at]) at += bytes[at] + 1;
      at += 1;
      continue;
    }
    const left = short(at + 1), top = short(at + 3), wide = short(at + 5), high = short(at + 7);
    const smallest = bytes[at + 10];
    const chunks = [];
    at += 11;
    while (bytes[at]) { chunks.push(bytes.subarray(at + 1, at + 1 + bytes[at])); at += bytes[at] + 1; }
    at += 1;
    const patch = unpacked(chunks, smallest, wide * high);
    canvas = canvas.slice();
    for (let y = 0, i = 0; y < high; y++) {
      for (let x = 0; x < wide; x++, i++) {
        if (patch[i] !== clear) canvas[(top + y) * width + left + x] = patch[i];
      }
    }
    frames.push({ indices: canvas, delay_ms });
  }
  return { width, height, palette, frames };
}

// LZW with codes of growing width (GIF89a, appendix F).
function unpacked(chunks, smallest, count) {
  const reset = 1 << smallest, end = reset + 1;
  const prefix = new Int16Array(4096), suffix = new Uint8Array(4096), stack = new Uint8Array(4097);
  const out = new Uint8Array(count);
  let size = smallest + 1, next = end + 1, before = -1, first = 0, filled = 0, buffer = 0, bits = 0;
  for (let i = 0; i < reset; i++) suffix[i] = i;
  for (const chunk of chunks) {
    for (const byte of chunk) {
      buffer |= byte << bits;
      bits += 8;
      while (bits >= size) {
        const code = buffer & ((1 << size) - 1);
        buffer >>= size;
        bits -= size;
        if (code === end) return out;
        if (code === reset) { size = smallest + 1; next = end + 1; before = -1; continue; }
        let at = code, depth = 0;
        if (code >= next) { stack[depth++] = first; at = before; }
        while (at >= reset) { stack[depth++] = suffix[at]; at = prefix[at]; }
        first = suffix[at];
        stack[depth++] = first;
        while (depth && filled < count) out[filled++] = stack[--depth];
        if (before >= 0 && next < 4096) {
          prefix[next] = before;
          suffix[next++] = first;
          if (next === 1 << size && size < 12) size++;
        }
        before = code;
      }
    }
  }
  return out;
}
