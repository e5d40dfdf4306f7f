"use strict";
(async () => {
  const MASTER_EDGE = 128;
  const SLICE_MILLISECONDS = 8;
  const KEPT_MASTERS = 600;
  const KEPT_CELLS = 900;

  const element = (id) => document.getElementById(id);

  function bytes(id) {
    const text = atob(element(id).textContent);
    const found = new Uint8Array(text.length);
    for (let place = 0; place < text.length; place++) found[place] = text.charCodeAt(place);
    return found;
  }

  async function unpacked(id) {
    const stream = new Blob([bytes(id)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  const pictureUrl = (id) => URL.createObjectURL(new Blob([bytes(id)], { type: "image/jpeg" }));

  /** A map that forgets what has not been asked for longest. */
  class Shelf {
    constructor(room) {
      this.room = room;
      this.kept = new Map();
    }
    get(key, make) {
      let value = this.kept.get(key);
      if (value === undefined) value = make();
      this.kept.delete(key);
      this.kept.set(key, value);
      if (this.kept.size > this.room) this.kept.delete(this.kept.keys().next().value);
      return value;
    }
  }

  // Colour: sRGB to CIELAB (D65) and back, as the mosaic's tiles were toned.
  const LINEAR = Float32Array.from({ length: 256 }, (_, value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const STEPS = 4096;
  const CODED = Uint8ClampedArray.from({ length: STEPS + 1 }, (_, step) => {
    const share = step / STEPS;
    return 255 * (share <= 0.0031308 ? share * 12.92 : 1.055 * share ** (1 / 2.4) - 0.055);
  });
  const coded = (share) => CODED[Math.max(0, Math.min(STEPS, Math.round(share * STEPS)))];
  const bent = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const unbent = (f) => (f > 0.206893 ? f * f * f : (f - 16 / 116) / 7.787);

  function tone(pixels, [lightness, red, yellow, gain]) {
    const count = pixels.length / 4;
    const lab = new Float32Array(count * 3);
    const mean = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const r = LINEAR[pixels[4 * i]], g = LINEAR[pixels[4 * i + 1]], b = LINEAR[pixels[4 * i + 2]];
      const x = bent((0.412453 * r + 0.35758 * g + 0.180423 * b) / 0.950456);
      const y = bent(0.212671 * r + 0.71516 * g + 0.072169 * b);
      const z = bent((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.088754);
      mean[0] += lab[3 * i] = 116 * y - 16;
      mean[1] += lab[3 * i + 1] = 500 * (x - y);
      mean[2] += lab[3 * i + 2] = 200 * (y - z);
    }
    const moved = [mean[0] / count + lightness, mean[1] / count + red, mean[2] / count + yellow];
    for (let i = 0; i < count; i++) {
      const y = ((lab[3 * i] - mean[0] / count) * gain + moved[0] + 16) / 116;
      const x = unbent(y + ((lab[3 * i + 1] - mean[1] / count) * gain + moved[1]) / 500) * 0.950456;
      const z = unbent(y - ((lab[3 * i + 2] - mean[2] / count) * gain + moved[2]) / 200) * 1.088754;
      const level = unbent(y);
      pixels[4 * i] = coded(3.240479 * x - 1.53715 * level - 0.498535 * z);
      pixels[4 * i + 1] = coded(-0.969256 * x + 1.875991 * level + 0.041556 * z);
      pixels[4 * i + 2] = coded(0.055648 * x - 0.204043 * level + 1.057311 * z);
    }
  }

  /** The masters of the tiles, each decoded when it is asked for. */
  class Masters {
    constructor(offsets, header, data) {
      Object.assign(this, { offsets, header, data });
      this.shelf = new Shelf(KEPT_MASTERS);
    }
    bitmap(tile) {
      return this.shelf.get(tile, () => {
        const rest = this.data.subarray(this.offsets[tile], this.offsets[tile + 1]);
        return createImageBitmap(new Blob([this.header, rest], { type: "image/jpeg" }));
      });
    }
  }

  /** Cells painted from masters, a few at a time, so that nothing ever waits for them. */
  class Painter {
    constructor(masters, placement) {
      Object.assign(this, { masters, placement });
      this.mirrored = new Set(placement.mirrored);
      this.shelf = new Shelf(KEPT_CELLS);
      this.queue = [];
    }
    cell(number, edge) {
      return this.shelf.get(`${number}/${edge}`, () => this.painted(number, edge));
    }
    async painted(number, edge) {
      const bitmap = await this.masters.bitmap(this.placement.cells[number]);
      await this.turn();
      const canvas = new OffscreenCanvas(edge, edge);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.imageSmoothingQuality = "high";
      if (this.mirrored.has(number)) context.setTransform(-1, 0, 0, 1, edge, 0);
      context.drawImage(bitmap, 0, 0, edge, edge);
      const correction = this.placement.corrections[number];
      if (correction[3] !== 1 || correction.slice(0, 3).some(Boolean)) {
        const image = context.getImageData(0, 0, edge, edge);
        tone(image.data, correction);
        context.putImageData(image, 0, 0);
      }
      return canvas;
    }
    /** Wait for a turn that leaves the browser time for its frames. */
    turn() {
      return new Promise((go) => {
        this.queue.push(go);
        if (this.queue.length === 1) this.schedule();
      });
    }
    schedule() {
      requestAnimationFrame(async () => {
        const end = performance.now() + SLICE_MILLISECONDS;
        while (this.queue.length && performance.now() < end) {
          this.queue.shift()();
          await null;
          await null;
        }
        if (this.queue.length) this.schedule();
      });
    }
  }

  const { report, offsets } = await unpacked("facts-data");
  const { rows, columns, placement } = report;
  const bounds = L.latLngBounds([-rows, 0], [0, columns]);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map("mosaic", {
    crs: L.CRS.Simple,
    zoomSnap: 0,
    zoomAnimation: !calm,
    fadeAnimation: false,
    inertia: !calm,
    keyboard: false,
    attributionControl: false,
    maxBounds: bounds.pad(0.5),
    wheelPxPerZoomLevel: 100,
  });
  const whole = () => map.getBoundsZoom(bounds);
  map.setView(bounds.getCenter(), whole());
  const rezoom = () => {
    map.setMinZoom(whole() - 0.5);
    map.setMaxZoom(Math.log2(Math.min(map.getSize().x, map.getSize().y)));
  };
  rezoom();
  map.on("resize", rezoom);

  const pictureLoaded = (overlay) => new Promise((done) => overlay.once("load", done));
  const image = L.imageOverlay(pictureUrl("image-data"), bounds, { alt: `Mosaic of ${report.photo}` }).addTo(map);
  const photo = L.imageOverlay(pictureUrl("photo-data"), bounds, { opacity: 0, alt: "", zIndex: 3 }).addTo(map);
  await pictureLoaded(image);
  element("fade").addEventListener("input", (event) => photo.setOpacity(event.target.value / 100));

  const marks = L.layerGroup().addTo(map);
  const cellBounds = (cell) => {
    const row = Math.floor(cell / columns), column = cell % columns;
    return L.latLngBounds([-row - 1, column], [-row, column + 1]);
  };
  const usesOf = (tile) => placement.cells.flatMap((each, cell) => (each === tile ? [cell] : []));
  const photoSources = new Set(placement.photo_sources);
  let selected = null;
  let masters = null;

  function moment(seconds) {
    const minutes = Math.floor(seconds / 60), rest = (seconds % 60).toFixed(1).padStart(4, "0");
    const hours = Math.floor(minutes / 60);
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  }

  async function select(cell) {
    selected = cell;
    const tile = placement.cells[cell];
    const [, source, seconds] = placement.tiles[tile];
    const uses = usesOf(tile);
    marks.clearLayers();
    const frame = (use, color, weight) =>
      marks.addLayer(L.rectangle(cellBounds(use), { color, weight, fill: false, interactive: false }));
    for (const use of uses) if (use !== cell) frame(use, "#ffb489", 2);
    frame(cell, "#fff", 5);
    frame(cell, "#9c3d10", 2);
    element("origin").textContent = placement.sources[source];
    element("moment").textContent = photoSources.has(source) ? "a photo" : `at ${moment(seconds)}`;
    const where = `row ${Math.floor(cell / columns) + 1}, column ${(cell % columns) + 1}`;
    const times = uses.length === 1 ? "used once here" : `used ${uses.length} times here`;
    element("uses").textContent = `${where}; ${times}`;
    element("next").disabled = element("all").disabled = uses.length === 1;
    element("tile").hidden = false;
    if (!masters) return;
    const bitmap = await masters.bitmap(tile);
    if (selected === cell) {
      const context = element("picture").getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(bitmap, 0, 0, MASTER_EDGE, MASTER_EDGE);
    }
  }

  function show(cell) {
    select(cell);
    const place = cellBounds(cell);
    if (!map.getBounds().contains(place)) map.panTo(place.getCenter(), { animate: !calm });
  }

  function close() {
    selected = null;
    marks.clearLayers();
    element("tile").hidden = true;
    element("mosaic").focus();
  }

  function next() {
    const uses = usesOf(placement.cells[selected]);
    show(uses[(uses.indexOf(selected) + 1) % uses.length]);
  }

  const center = () => cellAt(map.getCenter());
  function cellAt(place) {
    const row = Math.min(rows - 1, Math.max(0, Math.floor(-place.lat)));
    return row * columns + Math.min(columns - 1, Math.max(0, Math.floor(place.lng)));
  }

  map.on("click", (event) => {
    if (bounds.contains(event.latlng)) select(cellAt(event.latlng));
    else close();
  });
  element("next").addEventListener("click", next);
  element("close").addEventListener("click", close);
  element("all").addEventListener("click", () => {
    map.fitBounds(usesOf(placement.cells[selected]).reduce((box, use) => box.extend(cellBounds(use)), L.latLngBounds()), { padding: [40, 40], animate: !calm });
  });

  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  element("mosaic").addEventListener("keydown", (event) => {
    if (event.target !== element("mosaic") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      const [down, right] = selected === null ? [0, 0] : steps[event.key];
      const from = selected === null ? center() : selected;
      const row = Math.min(rows - 1, Math.max(0, Math.floor(from / columns) + down));
      show(row * columns + Math.min(columns - 1, Math.max(0, (from % columns) + right)));
    } else if (event.key === "+" || event.key === "=") {
      if (selected !== null) map.setZoomAround(cellBounds(selected).getCenter(), map.getZoom() + 1);
      else map.zoomIn();
    } else if (event.key === "-") map.zoomOut();
    else if (event.key === "0") map.fitBounds(bounds, { animate: !calm });
    else if (event.key === "n" && selected !== null) next();
    else if (event.key === "Enter") show(selected === null ? center() : selected);
    else if (event.key === "Escape" && selected !== null) close();
    else return;
    event.preventDefault();
  });

  /** Above the mosaic, once cells are shown larger than it holds them: the same, painted from masters. */
  const MasterLayer = L.GridLayer.extend({
    createTile(coords, done) {
      const size = this.getTileSize().x, ratio = Math.min(devicePixelRatio, 2);
      const canvas = L.DomUtil.create("canvas");
      canvas.width = canvas.height = size * ratio;
      this.paint(canvas, coords, size, ratio).then(() => done(null, canvas), (error) => done(error, canvas));
      return canvas;
    },
    async paint(canvas, coords, size, ratio) {
      const cell = 2 ** coords.z;
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      const edge = Math.min(MASTER_EDGE, Math.ceil(cell * ratio));
      const place = (number) => Math.round(number * cell * ratio);
      const first = (at, limit) => Math.max(0, Math.min(limit, Math.floor((at * size) / cell)));
      const last = (at, limit) => Math.max(0, Math.min(limit, Math.ceil(((at + 1) * size) / cell)));
      const work = [];
      for (let row = first(coords.y, rows); row < last(coords.y, rows); row++) {
        for (let column = first(coords.x, columns); column < last(coords.x, columns); column++) {
          work.push(this.options.painter.cell(row * columns + column, edge).then((painted) => {
            const left = place(column) - coords.x * size * ratio, top = place(row) - coords.y * size * ratio;
            context.drawImage(painted, left, top, place(column + 1) - place(column), place(row + 1) - place(row));
          }));
        }
      }
      await Promise.all(work);
    },
  });

  const parsed = document.readyState === "loading" ? new Promise((go) => document.addEventListener("DOMContentLoaded", go)) : null;
  await parsed;
  if (offsets) {
    masters = new Masters(offsets, bytes("header-data"), bytes("masters-data"));
    const cellPixels = image.getElement().naturalWidth / columns / Math.min(devicePixelRatio, 2);
    new MasterLayer({ painter: new Painter(masters, placement), minZoom: Math.ceil(Math.log2(cellPixels)), maxZoom: 12, bounds, zIndex: 2, pane: "overlayPane", updateWhenZooming: false }).addTo(map);
  } else element("picture").hidden = true;
  document.documentElement.dataset.ready = "yes";
})();
