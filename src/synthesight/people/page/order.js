"use strict";
// Which stimuli a participant sees, and in which order: a pure function of the design and the
// participant's name, so that it can be made again.

const Order = (() => {
  // FNV-1a: a number of 32 bits from a text.
  function hash(text) {
    let value = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(text)) {
      value = Math.imul(value ^ byte, 0x01000193) >>> 0;
    }
    return value;
  }

  // mulberry32: random numbers in [0, 1) from a number of 32 bits.
  function generator(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  function shuffled(items, random) {
    const list = [...items];
    for (let last = list.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [list[last], list[other]] = [list[other], list[last]];
    }
    return list;
  }

  const divisor = (a, b) => (b ? divisor(b, a % b) : a);

  // The stimuli stand in an order of which any stretch is balanced. A list is one stretch; all
  // lists together show each stimulus equally often. A stretch is cut into rounds of one image a
  // category or so; rounds, and the images in each, are shuffled.
  function order(design, participant, session = 1, list = null) {
    const total = design.stimuli.length;
    const lists = total / divisor(total, design.trials);
    const random = generator(hash(`${design.seed}/${participant}/${session}`));
    const first = list ?? hash(`${design.seed}/${participant}`) % lists;
    const start = lists === 1 ? Math.floor(random() * total) : (first + session - 1) * design.trials;
    const rounds = [];
    for (let at = 0; at < design.trials; at += design.round) {
      const size = Math.min(design.round, design.trials - at);
      const round = Array.from({ length: size }, (_, n) => (start + at + n) % total);
      rounds.push(shuffled(round, random));
    }
    return shuffled(rounds, random).flat();
  }

  return { hash, generator, shuffled, order };
})();

if (typeof module !== "undefined") module.exports = Order;
